"""One line for each decision: JSON for machines, or short text for somebody at a terminal.

Redaction is done here, once, by name, by shape and by type, so that no caller has to remember it (law 11).
A `Log` is a value that is handed around; nothing is global.
"""

import json
import logging
import math
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from itertools import islice
from pathlib import PurePath
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from dispatcher.core.text import visible
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.repeats import Repeats
from dispatcher.telemetry.sentences import sentence

Style: TypeAlias = Literal["json", "text"]
Level: TypeAlias = Literal["info", "warning", "error"]
Plain: TypeAlias = str | int | float | bool | list["Plain"] | None

LEVELS: Final[Sequence[Level]] = ("info", "warning", "error")
TEXT_MAX: Final = 256  # characters of one value
ITEMS_MAX: Final = 32  # entries of one list
FRAMES_MAX: Final = 12  # of a traceback, the innermost
CAUSES_MAX: Final = 4


class _Limit(Struct, frozen=True):
    """Lines of one action: which fields tell their causes apart, and how many of a cause are written as they come."""

    causes: tuple[str, ...] = ()
    first: int = 1


# Lines that strangers and libraries can cause without end.
_LIMITED: Final[Mapping[str, _Limit]] = {
    "webhook.rejected": _Limit(("reason",)),
    "request.malformed": _Limit(),
    "connections.crowded": _Limit(),
    "connection.unaccepted": _Limit(),
    "headers.too_large": _Limit(),
    "instance.shared": _Limit(),
    "webhook.astray": _Limit(("reason",)),
    "library.warned": _Limit(("logger", "at"), first=5),
}
# A field that has one of these words in its name is shown as its size; attributes hold callers' phone numbers.
_SENSITIVE: Final = frozenset({
    "secret", "secrets", "token", "tokens", "jwt", "password", "passwords", "credential", "credentials", "cookie",
    "authorization", "metadata", "attributes", "body",
})  # fmt: skip
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# What is no field of its own but looks like a secret: a JWT, the user and password of a URL.
_SECRET: Final = re.compile(r"eyJ[\w.=-]{8,}|(?<=://)\S*@")
_STARS: Final = "***"
_SCAN_MAX: Final = 8 * TEXT_MAX  # beyond it nothing can be shown
_BARE: Final = re.compile(r"[^\s\"'=\\]+")


class Log:
    """Writes lines. `write` gets a whole line with its end, `clock` gives seconds since the epoch.

    `dropped` tells how many lines `write` has lost so far. It, `mask` and what has been told of each cause are shared
    with every log that is bound from this one.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        clock: Callable[[], float],
        *,
        style: Style = "json",
        dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self._write = write
        self._clock = clock
        self._style: Style = style
        self.least: Level = "info"  # lines of a lower level are not written; of logs that are bound afterwards, too
        self.dropped = dropped
        self.mask = Mask()
        self._repeats = Repeats()
        self._fields: Mapping[str, object] = {}

    def bind(self, **fields: object) -> "Log":
        """A log whose every line has these fields too."""
        bound = copy(self)
        bound._fields = {**self._fields, **fields}
        return bound

    def info(self, action: str, /, **fields: object) -> None:
        """Something was decided."""
        self._line("info", action, fields)

    def warning(self, action: str, /, **fields: object) -> None:
        """Something that somebody may want to change."""
        self._line("warning", action, fields)

    def error(self, action: str, /, **fields: object) -> None:
        """Something that should not be. An exception among the fields is shown as its type and frames."""
        self._line("error", action, fields)

    def _line(self, level: Level, action: str, fields: Mapping[str, object]) -> None:
        if LEVELS.index(level) < LEVELS.index(self.least):
            return
        now = self._clock()
        if limit := _LIMITED.get(action):
            cause = (action, *(str(fields.get(name)) for name in limit.causes))
            times = self._repeats.times(cause, now, limit.first)
            if times is None:
                return
            fields = {**fields, "times": times} if times > 1 else fields
        shown: dict[str, Plain] = {}
        for name, value in {**self._fields, **fields}.items():
            _show(shown, name, self.mask.field(name, value))
        write = _text if self._style == "text" else _json
        self._write(write(now, level, action, sentence(action, shown), shown) + "\n")


def bridge(log: Log) -> logging.Handler:
    """A handler for the standard library's root logger: other libraries' warnings and errors become lines of `log`.

    What they interpolate is theirs to know and may be a token or a body. So a line says which logger, which place in
    its source, and which exception; the text only where it is a template (its arguments left out), or asyncio's own.
    """
    return _Bridge(log)


class _Bridge(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {
            "logger": record.name,
            "at": _source_place(record.pathname, record.lineno, record.funcName or ""),
        }
        if record.args:
            fields["template"] = str(record.msg)
        elif record.name == "asyncio":  # its first line is a fixed text, those below show the objects concerned
            fields["template"] = str(record.msg).partition("\n")[0]
        if record.exc_info and record.exc_info[1]:
            fields["error"] = record.exc_info[1]
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        say("library.warned", **fields)


def _show(shown: dict[str, Plain], name: str, value: object) -> None:
    """What a line shows of a field is added to it."""
    if isinstance(value, BaseException):
        shown[name] = _causes(value)
        shown[f"{name}_at"] = _frames(value)
    elif _hidden(name, value):
        shown[f"{name}_bytes"] = _size(value)
    else:
        shown[name] = _plain(value)


def _hidden(name: str, value: object) -> bool:
    """Whether only its size is shown. A number named `…_bytes` is one already."""
    if isinstance(value, bytes | bytearray):
        return True
    return _sensitive(name) and not (name.endswith("_bytes") and isinstance(value, int))


@cache  # fields' names are the code's: there are some dozens
def _sensitive(name: str) -> bool:
    return not _SENSITIVE.isdisjoint(word.lower() for word in _WORD.findall(name))


def _plain(value: object) -> Plain:
    """The value itself where it is one of the plain types; of anything else only its type, as its repr is unknown."""
    if isinstance(value, Enum):
        value = value.value
    match value:
        case str():
            return _capped(without_secrets(value[:_SCAN_MAX]))
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)  # JSON has no such number
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in islice(value, ITEMS_MAX)]
        case _:
            return type(value).__name__


def without_secrets(text: str) -> str:
    """The text without what looks like a token, or like the user and password of a URL."""
    return _SECRET.sub(_STARS, text)


def _capped(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _size(value: object) -> int:
    if value is None:
        return 0
    return len(value) if isinstance(value, bytes | bytearray) else len(str(value).encode(errors="replace"))


def _causes(error: BaseException) -> str:
    """The exception's type and those behind it. Never its text, which may quote what it failed on."""
    names: list[str] = []
    behind: BaseException | None = error
    while behind is not None and len(names) < CAUSES_MAX:
        names.append(type(behind).__name__)
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)
    return " < ".join(names)


def _frames(error: BaseException) -> list[Plain]:
    """Where it came through, the innermost last: places in the source, no values."""
    walked = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [_source_place(code.co_filename, line, code.co_name) for code, line in walked[-FRAMES_MAX:]]


def _source_place(path: str, line: int, function: str) -> str:
    return f"{'/'.join(PurePath(path).parts[-2:])}:{line} {function}"


def _json(now: float, level: Level, action: str, msg: str, shown: Mapping[str, Plain]) -> str:
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head: dict[str, Plain] = {"ts": stamp, "level": level, "action": action, "msg": msg}
    return json.dumps({**head, **shown, **head})  # ASCII: no name, however odd, breaks a line or an encoding


def _text(now: float, level: Level, action: str, msg: str, shown: Mapping[str, Plain]) -> str:
    """For a person: local time, and the level only when it is not the ordinary one."""
    stamp = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S.%f")[:-3]
    said = action if level == "info" else f"{level.upper()} {action}"
    told = [] if msg == action else [_legible(msg)]
    fields = (f"{name}={_readable(value)}" for name, value in shown.items())
    return " ".join([stamp, f"{said:<20}", *told, *fields]).rstrip()


def _legible(sentence: str) -> str:
    """A sentence in which no name, however odd, breaks the line or drives the terminal."""
    return sentence if sentence.isprintable() else json.dumps(sentence)


def _readable(value: Plain) -> str:
    """As it is where that is unambiguous, else as JSON: a name with an escape sequence in it stays harmless."""
    if isinstance(value, str) and value.isprintable() and _BARE.fullmatch(value):
        return value
    return visible(json.dumps(value))  # JSON leaves DEL as it is
