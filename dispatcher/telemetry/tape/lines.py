"""The lines of a tape: one JSON line for each claim, and before it, once in each file, the terms that it ran under.

A line is decoded into the core's own types and must be the same bytes when it is encoded again. So a line that another
release wrote is either understood to the last field or refused; it is never half understood.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.effects import Effect, Reply
from dispatcher.core.errors import DispatcherError
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Aimed, Policy
from dispatcher.core.session import Session
from dispatcher.core.tags import Tag

VERSION: Final = 1

_ID_BYTES: Final = 8


class Hides(StrEnum):
    """What a line leaves out."""

    NOTHING = "nothing"
    FACTS = "facts"  # metadata, the values of attributes, participants' names
    PEOPLE = "people"  # identities and the numbers in room names, too


class Ended(StrEnum):
    """How the conversation of a claim ended."""

    FINISHED = "finished"  # the drive was done
    CUT_OFF = "cut_off"  # the last effect had no reply: the lease was lost, the ledger gone, the process stopped
    FAILED = "failed"  # a defect of the drive


class RecordedRule(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule without what it computes: that stands beside the looks it was computed from (`Judged`).

    `when` and `aim` are fingerprints of its condition and of how its agents are computed; "" where there is nothing.
    """

    name: str
    policy: Policy
    when: str = ""
    aim: str = ""
    go_on: bool = False


class RecordedTerms(Struct, frozen=True, kw_only=True, tag="terms", forbid_unknown_fields=True):
    """The terms of drives. The `id` is made of what they say: the same in every process."""

    v: int = VERSION
    id: str = ""
    hides: Hides
    rules: tuple[RecordedRule, ...]
    paused: frozenset[str] = frozenset()
    limited: bool = False
    dry_run: bool = False


class Judged(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What rules said when they were asked about one person: whose condition was true, whose not, and their agents."""

    person: str = ""  # SID; "": of the room itself
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    aims: dict[str, Aimed] = {}


class Exchange(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One effect, its reply, and what rules said while the drive took it in. Without a reply, there came none."""

    effect: Effect
    reply: Reply | None = None
    found: dict[str, Tag] = {}  # of a look: which dispatches were ours, by their ids
    launched: str = ""  # as whom the agent joins that a launcher is asked for then
    judged: tuple[Judged, ...] = ()
    resumed_at: Ms = 0  # of a look: others had their turn while people were judged, the last time until then


class RecordedClaim(Struct, frozen=True, kw_only=True, tag="claim", forbid_unknown_fields=True):
    """What one drive was given, asked for and was answered; the metadata of an Ask is never there."""

    v: int = VERSION
    terms: str  # their id
    project: str
    now: Ms
    session: Session
    inbox: tuple[Event, ...]
    exchanges: tuple[Exchange, ...] = ()
    ended: Ended = Ended.FAILED
    due_in: Ms | None = None


class Line(NamedTuple):
    """A claim's line, and the line of its terms, which must stand before it in the same file."""

    terms: bytes
    claim: bytes

    @property
    def size(self) -> int:
        return len(self.terms) + len(self.claim)


class UnreadableLine(DispatcherError):
    """A line of a tape is damaged, or of another release, and is left out. Its text says why."""


Written: TypeAlias = RecordedTerms | RecordedClaim


class _Version(Struct):
    v: int


_VERSION: Final = msgspec.json.Decoder(_Version)
_WRITTEN: Final = msgspec.json.Decoder(Written)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")  # of sets: they are compared with what they were


def identified(terms: RecordedTerms) -> RecordedTerms:
    """The terms with their id."""
    return replace(terms, id=blake2b(_ENCODER.encode(replace(terms, id="")), digest_size=_ID_BYTES).hexdigest())


def dump(written: Written) -> bytes:
    """The line, with its end."""
    return _ENCODER.encode(written) + b"\n"


def load(line: bytes) -> Written:
    """What the line says. Raises UnreadableLine."""
    try:
        if (version := _VERSION.decode(line).v) != VERSION:
            raise UnreadableLine(f"of another version: {version}")
        read: Written = _WRITTEN.decode(line)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableLine(str(error)) from None
    if dump(read).rstrip() != line.rstrip():
        raise UnreadableLine("of another release: it holds what this one does not know")
    return read
