"""What one look at LiveKit shows of a session: its room, the people in it, its dispatches."""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import TAG, Participant, Room
from dispatcher.core.rules import Target
from dispatcher.core.text import IDENTITY_MAX, brief

_LAUNCH_OF: Final = "launch of "  # no id of LiveKit's has a blank


class JobCondition(StrEnum):
    """What LiveKit Cloud says of a job beside that it runs, or ended; self-hosted servers say nothing of it."""

    QUEUED = "queued"  # no worker has it yet, or none any more, and it is offered again
    NO_CAPACITY = "no_capacity"
    ROOM_CLOSED = "room_closed"
    DISPATCH_DELETED = "dispatch_deleted"
    CANCELLED = "cancelled"  # for another reason
    FAILED = "failed"


class Job(Struct, frozen=True, kw_only=True):
    """A worker's yes to a dispatch; ended without an identity, its no. JS_RUNNING proves nothing (livekit.md §2.3)."""

    id: str
    identity: str = ""  # the identity its agent joins with
    ended: bool = False
    succeeded: bool = False  # ended well: self-hosted servers never say so of a job that had an agent
    outcome: JobCondition | None = None
    error: str = ""  # FAILED: the worker's words, cut short

    @property
    def known_as(self) -> str:
        """The identity as a session remembers it."""
        return brief(self.identity, IDENTITY_MAX)


class Dispatch(Struct, frozen=True, kw_only=True):
    """A dispatch as ListDispatch shows it, whoever made it. `tag` is its attribute `dispatcher.assignment` or "".

    With a `launcher` it is a launch, as its agent shows it: LiveKit knows nothing of launches.
    """

    id: str
    agent: str
    deployment: str = ""
    tag: str = ""
    jobs: tuple[Job, ...] = ()
    launcher: str = ""

    @property
    def target(self) -> Target:
        return Target(self.agent, self.deployment, self.launcher)


class Arrivals(Struct, frozen=True):
    """What webhooks have said of a session: its room, without metadata, and the SIDs of those who joined it.

    A SID is of one connection, so whoever of these is in the room of this name shows that the session's own room lives.
    """

    room: Room
    joined: frozenset[str]


class RoomSnapshot(Struct, frozen=True, kw_only=True):
    """One look. `room` is None when LiveKit does not list the session's own SID; the rest is then empty.

    `heard`: the room is as webhooks told it, and what metadata it has is not known.
    """

    room: Room | None
    heard: bool = False
    participants: tuple[Participant, ...] = ()
    dispatches: tuple[Dispatch, ...] = ()

    @property
    def with_launches(self) -> "RoomSnapshot":
        """The look, in which each agent that says so has been launched: as if a dispatch of it were listed."""
        launched = tuple(_launch(one) for one in self.participants if one.active and one.launcher)
        return replace(self, dispatches=(*self.dispatches, *launched)) if launched else self


def _launch(agent: Participant) -> Dispatch:
    return Dispatch(
        id=f"{_LAUNCH_OF}{agent.sid}",
        agent="",
        launcher=agent.launcher,
        tag=agent.attributes.get(TAG, ""),
        jobs=(Job(id="", identity=agent.identity),),
    )
