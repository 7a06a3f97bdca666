"""Live rooms and orders, as the running service tells of them: docs/http.md has what each field means."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

STATES: Final = ("waiting", "idle", "requested", "served", "starved", "paused", "finished")
ROOM_FINISHED: Final = "room_finished"

AssignmentState: TypeAlias = Annotated[
    str, Meta(description="where the assignment stands", extra_json_schema={"enum": [*STATES]})
]
OrderedState: TypeAlias = Annotated[
    str, Meta(description="where the assignment stands", extra_json_schema={"enum": [*STATES, ROOM_FINISHED]})
]


class ListedAssignment(Struct, frozen=True, gc=False):
    """An assignment of a listed room."""

    assignment: str
    state: AssignmentState
    agent: Annotated[str, Meta(description="whom to ask for next, or who was asked for last")]
    cause: Annotated[
        str | None, Meta(description="the likeliest why its agent is missing; null: nothing has failed")
    ] = None


class ListedRoom(Struct, frozen=True, gc=False):
    """A session that lives, or that has ended where those were asked for."""

    project: str
    room: str
    sid: str
    finished: bool
    since: Annotated[int, Meta(description="when it was first heard of: milliseconds since 1970")]
    waiting_since: Annotated[int | None, Meta(description="somebody has waited since then; null: nobody waits")]
    assignments: tuple[ListedAssignment, ...]
    ended_at: Annotated[int | None, Meta(description="when it ended; null: it lives")] = None


class ListedRooms(Struct, frozen=True):
    """The sessions that were asked for."""

    rooms: tuple[ListedRoom, ...]
    next_cursor: Annotated[str | None, Meta(description="of the next page; null: there is none")]
    dry_run: Annotated[bool, Meta(description="the service asks for no agent, and has a ledger of its own")]


class Dispatched(Struct, frozen=True):
    """How an assignment stands that was ordered, cancelled or tried again."""

    project: str
    room: str
    sid: str
    assignment: Annotated[str, Meta(description="by which it is cancelled and tried again")]
    state: OrderedState
    agent: str | None
    diagnosis: tuple[str, ...]


class LookedAt(Struct, frozen=True):
    """A session that is looked at because somebody asked for it."""

    project: str
    sid: str


class Looks(Struct, frozen=True):
    """The sessions that are looked at now."""

    sessions: tuple[LookedAt, ...]
