"""The pages: HTML, CSS and JavaScript that a browser gets as they are. All that they show, they ask the API for."""

from dispatcher.http.ui.assets import LAUNCHER
from dispatcher.http.ui.page import Page

__all__ = ["LAUNCHER", "Page"]
