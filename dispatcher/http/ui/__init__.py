"""The page: HTML, CSS and JavaScript that a browser gets as they are. All that it shows, it asks the API for."""

from dispatcher.http.ui.page import Page

__all__ = ["Page"]
