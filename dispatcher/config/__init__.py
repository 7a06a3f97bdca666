"""The configuration's one door: `load`, what it gives, and what it says when it cannot."""

from dispatcher.config.load import load
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.settings import Config, Pace, Project, Secret, Sweep

__all__ = ["BadConfig", "Config", "Pace", "Problem", "Project", "Secret", "Sweep", "load"]
