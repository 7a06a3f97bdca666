"""The configuration: `load`, the Config that it gives, and the problems that it reports."""

from dispatcher.config.load import load, load_offline, show
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.render import schema
from dispatcher.config.types import (
    ApiRateLimit,
    ApiToken,
    Config,
    CreateRate,
    LauncherSettings,
    LedgerAt,
    ProbeSettings,
    Project,
    Receiver,
    Scope,
    Secret,
    SweepSettings,
    Ui,
    endpoint,
)
from dispatcher.config.watch import Source

__all__ = [
    "ApiRateLimit",
    "ApiToken",
    "BadConfig",
    "Config",
    "CreateRate",
    "LauncherSettings",
    "LedgerAt",
    "ProbeSettings",
    "Problem",
    "Project",
    "Receiver",
    "Scope",
    "Secret",
    "Source",
    "SweepSettings",
    "Ui",
    "endpoint",
    "load",
    "load_offline",
    "schema",
    "show",
]
