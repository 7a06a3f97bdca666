"""What a drive asks of the world, one effect at a time, and what it is answered.

Each effect has one type of reply; every reply says what time it is when it comes. Time passes in effects alone.
A lease that is lost has no reply: who interprets the effects ends the conversation there (law 3).
Each carries its name (`tag`), so that a conversation can be written down and read again.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.targets import Outlook


class Then(StrEnum):
    """What a session waits for after a save."""

    DUE = "due"  # to be looked at again at a time
    REST = "rest"  # nothing is owed
    KEEP = "keep"  # a checkpoint: the lease is renewed and kept
    OVER = "over"  # the room has ended; a tombstone stays for a while, unless the room lives again


class TurnToLook(Struct, frozen=True, tag=True):
    """Take a turn for a look, where the calls to the project are limited. Reply: Turn."""


class TurnToCreate(Struct, frozen=True, tag=True, omit_defaults=True):
    """Take a turn for a CreateDispatch of this target, unless one of those `ahead` had better be asked. Reply: Turn."""

    target: Target
    ahead: tuple[Target, ...] = ()
    may_probe: bool = True  # a target whose circuit is open may be asked all the same


class Observe(Struct, frozen=True, tag=True, omit_defaults=True):
    """Look at the room, and say what is known of these targets. Reply: Observed or Unobserved."""

    about: tuple[Target, ...] = ()
    late: bool = False  # for facts of which no webhook tells


class FindEarlier(Struct, frozen=True, tag=True):
    """Find the earlier sessions of the room's name: nothing in it explains the agent there. Reply: FoundEarlier."""


class GiveWay(Struct, frozen=True, tag=True):
    """Let others have their turn if this has taken long: everybody in a large room is being judged. Reply: Resumed."""


class Ask(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Make one CreateDispatch, or have a launcher start one process. Reply: Asked."""

    step: Create
    metadata: str = ""  # never stored, never told
    sealed: str = ""  # in its place: an order's, to be unsealed by whoever asks
    tag: str
    trace: str = ""  # for the agent, put in by whoever traces the drive: W3C's traceparent
    identity: str = ""  # as whom it joins, if it is launched
    started_at: Ms = 0  # when that attempt began: asked again, it is asked for the same


class TakeBack(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Ask the agent, by its identity, or the dispatch to go; or have the launcher end the launch. Reply: TakenBack."""

    step: Retract
    identity: str = ""
    launcher: str = ""  # whose launch of this identity it is


class Save(Struct, frozen=True, kw_only=True, tag=True):
    """Save the session if we still hold the lease, and then tell what is new in its timeline. Reply: Saved."""

    session: Session
    then: Then
    due_at: Ms = 0


class Release(Struct, frozen=True, tag=True):
    """Give the lease back: the session is due at once, for anybody. Reply: Released."""


Effect: TypeAlias = TurnToLook | TurnToCreate | Observe | FindEarlier | GiveWay | Ask | TakeBack | Save | Release


class Turn(Struct, frozen=True, tag=True, omit_defaults=True):
    """The turn comes in `wait` ms; 0: it is now. To create, it may be another's: `instead`, as the circuit is open."""

    now: Ms
    wait: Ms
    instead: Target | None = None
    probe: bool = False  # the circuit is open, and this is to find out whether the target is back


class Observed(Struct, frozen=True, tag=True, omit_defaults=True):
    """What LiveKit shows; the look began at `began`. With what is known of the targets that were asked about."""

    now: Ms
    began: Ms
    snapshot: RoomSnapshot
    outlooks: tuple[Outlook, ...] = ()
    requested: int = 0  # assignments of the project that wait for an agent that was asked for


class Unobserved(Struct, frozen=True, tag=True):
    """LiveKit could not be asked, or is not to be asked yet: nothing is known. To be tried again in `retry_in` ms."""

    now: Ms
    retry_in: Ms


class FoundEarlier(Struct, frozen=True, tag=True, omit_defaults=True):
    """The ended sessions of the room's name that the ledger still has, the newest first."""

    now: Ms
    sessions: tuple[Session, ...] = ()


class Resumed(Struct, frozen=True, tag=True):
    """It goes on."""

    now: Ms


class Outcome(StrEnum):
    """What became of a CreateDispatch, or of asking a launcher."""

    TAKEN = "taken"  # LiveKit has the dispatch, or a process runs; that proves nothing about an agent
    DECLINED = "declined"  # nothing happened: no launcher has a place, or is there; another target may serve
    UNSENT = "unsent"  # nothing happened; the same call may succeed later
    REFUSED = "refused"  # nothing happened, and the same call never will succeed
    ROOM_ABSENT = "room_absent"  # nothing happened: the room is not what it was
    UNAUTHORIZED = "unauthorized"  # nothing happened: the project's key is refused, whoever the agent
    UNKNOWN = "unknown"  # it may have happened: only a look can tell


class Asked(Struct, frozen=True, kw_only=True, tag=True):
    """The outcome of an Ask; `dispatch` and `deployment` as LiveKit answers them where it was TAKEN."""

    now: Ms
    outcome: Outcome
    dispatch: str = ""
    deployment: str = ""
    reason: str = ""
    retry_in: Ms = 0  # as the server asked


class TakenBack(Struct, frozen=True, tag=True):
    """It was asked to go; with a `reason`, why it could not be."""

    now: Ms
    reason: str = ""


class Saved(Struct, frozen=True, tag=True):
    """The session is saved. `more`: what came in meanwhile, the session being still ours; None: nothing did."""

    now: Ms
    more: tuple[Event, ...] | None = None


class Released(Struct, frozen=True, tag=True):
    """Whoever claims the session next has it."""

    now: Ms


Reply: TypeAlias = Turn | Observed | Unobserved | FoundEarlier | Resumed | Asked | TakenBack | Saved | Released
