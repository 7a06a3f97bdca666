"""The fields of a launcher: which process it starts, how many at once, and for how long; or where it is asked."""

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from dispatcher.config import values
from dispatcher.config.fields import Hidden, Memory, Section, Span, some, text
from dispatcher.config.types import LauncherSettings, OnStop, Secret
from dispatcher.core.facts import Ms

LIMIT_MAX: Final = 1_000
URLS_MAX: Final = 16  # one look at all of them goes before a launch
_MINUTE: Final = 60_000
_USUAL: Final = LauncherSettings(name="", command=(), limit=0)

Variable = Annotated[str, text(values.variable)]


class LauncherFields(Section):
    """A launcher: it starts a process for each room that somebody asks it for. `checks` says what has to be there."""

    command: Annotated[tuple[Annotated[str, text(values.argument)], ...], AfterValidator(some)] = ()
    limit: Annotated[int, text(values.whole(0, LIMIT_MAX))] = 0
    urls: Annotated[
        tuple[Annotated[str, text(values.launcher_url)], ...], AfterValidator(some), Field(max_length=URLS_MAX)
    ] = ()
    join_within: Annotated[Ms, Span(100, 10 * _MINUTE)] = _USUAL.join_within
    max_life: Annotated[Ms, Span(1_000, 24 * 60 * _MINUTE)] = _USUAL.max_life
    stop_within: Annotated[Ms, Span(0, 5 * _MINUTE)] = _USUAL.stop_within
    env: dict[Variable, Hidden] = Field(default={})
    passed: tuple[Variable, ...] = Field(default=_USUAL.passed, alias="pass")
    warm: Annotated[int, text(values.whole(0, LIMIT_MAX))] = _USUAL.warm
    cwd: Annotated[str, text(values.argument)] = ""
    memory_max: Annotated[int, Memory(1 << 20)] = _USUAL.memory_max
    on_stop: OnStop = _USUAL.on_stop
    token: Hidden = Secret("")


def launcher_of(name: str, fields: LauncherFields) -> LauncherSettings:
    """The launcher of this name, as the rest of the program sees it."""
    said = dict(fields)
    said["env"] = MappingProxyType(fields.env)
    said["cwd"] = Path(fields.cwd) if fields.cwd else None
    said["token"] = fields.token if fields.token.get_secret_value() else None
    return LauncherSettings(name=name, **said)
