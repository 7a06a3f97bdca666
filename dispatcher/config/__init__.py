"""The configuration: `load`, the Config that it gives, and the problems that it reports."""

from dispatcher.config.load import load, load_offline, show
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.render import schema
from dispatcher.config.types import ApiRateLimit, Config, CreateRate, Project, Secret, SweepSettings, endpoint
from dispatcher.config.watch import Source

__all__ = [
    "ApiRateLimit",
    "BadConfig",
    "Config",
    "CreateRate",
    "Problem",
    "Project",
    "Secret",
    "Source",
    "SweepSettings",
    "endpoint",
    "load",
    "load_offline",
    "schema",
    "show",
]
