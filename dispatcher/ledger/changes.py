"""What is announced to whoever watches, as bytes: what is new in a session, a circuit, or the pauses of a project.

No metadata, and nothing secret (law 11): what a timeline has, and who has paused an agent. A change that a later
release has announced in its own way is none to us.
"""

from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Pause
from dispatcher.core.timeline import Entry

CHANGES_MAX: Final = 4_096  # announced changes that are kept; in Redis a sixteenth of them in each partition
WATCH_MS: Final = 600_000  # so long after they were last asked for, changes are announced and kept


class Change(NamedTuple):
    """Something that was saved and announced. Changes are in the order of their first three fields, no two alike."""

    at: Ms
    number: int  # of those at the same millisecond, from 0
    partition: int
    body: bytes


class Announced(Struct, frozen=True):
    """The changes that were announced before `until`, in order: all of them from `complete_from` on."""

    changes: tuple[Change, ...]
    until: Ms
    complete_from: Ms


class SessionChanged(Struct, frozen=True, kw_only=True, tag="session"):
    """A session was saved with new entries in its timeline."""

    project: str
    room: str
    sid: str
    entries: tuple[Entry, ...]


class CircuitChanged(Struct, frozen=True, kw_only=True, tag="circuit"):
    """The circuit of a target, as entries name it, was opened or closed."""

    project: str
    target: str
    open: bool


class PausesChanged(Struct, frozen=True, kw_only=True, tag="pauses"):
    """Pauses have begun, or have ended: by an order of `by`'s, or as their time is over."""

    project: str
    begun: dict[str, Pause] = {}
    ended: tuple[str, ...] = ()
    by: str = ""


Changed: TypeAlias = SessionChanged | CircuitChanged | PausesChanged

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Changed)


def dump(changed: Changed | None) -> bytes:
    """The change as a ledger takes it; of none it announces nothing."""
    return _ENCODER.encode(changed) if changed else b""


def load(body: bytes) -> Changed | None:
    """The change; None: it is none that we know."""
    try:
        changed: Changed = _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
    return changed
