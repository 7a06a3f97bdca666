"""The configuration's one door: `load`, what it gives, and what it says when it cannot."""

from dispatcher.config.load import load, load_rules, show
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.settings import Config, Pace, Project, Secret, Sweep
from dispatcher.config.shown import schema

__all__ = [
    "BadConfig",
    "Config",
    "Pace",
    "Problem",
    "Project",
    "Secret",
    "Sweep",
    "load",
    "load_rules",
    "schema",
    "show",
]
