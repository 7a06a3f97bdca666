"""What a request asks of the API, read and checked; what is wrong with it is an ApiError that names the field."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType, field

from dispatcher.client.bounds import PAUSE_MAX_MS, PAUSE_MIN_MS, ROOMS, ROOMS_MAX, WAIT_MAX_MS
from dispatcher.config.values import SPAN_PATTERN, agent_name, deployment, dispatched, span
from dispatcher.core.facts import PROBE_ROOMS, Ms, is_probe
from dispatcher.core.orders import request_for
from dispatcher.core.rules import Rule, Target, named
from dispatcher.core.session import State
from dispatcher.engine.orders import METADATA_MAX, AgentRequest
from dispatcher.http.guard import Caller
from dispatcher.http.problems import bad_request, unprocessable
from dispatcher.ledger.order import Order
from dispatcher.runtime.snapshot import ProjectRuntime

T = TypeVar("T")

KEY_MAX: Final = 255  # characters of an Idempotency-Key
AGENT_NAME_MAX: Final = 256  # bytes of an agent's name, and of a deployment's

ProjectName: TypeAlias = Annotated[str, Meta(description="default: the only one")]
RoomName: TypeAlias = Annotated[str, Meta(min_length=1)]
Waiting: TypeAlias = Annotated[
    str,
    Meta(
        description="answer when it is known how it ended, but not later than this; 60s at most",
        extra_json_schema={"pattern": SPAN_PATTERN},
    ),
]
Lasting: TypeAlias = Annotated[
    str,
    Meta(description="1s to 720h; null: until it is resumed", extra_json_schema={"pattern": SPAN_PATTERN}),
]


class DispatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent that is asked for: either `agent` or `rule` names it."""

    room: str
    agent: Annotated[str, Meta(description="the name that its workers register under")] = ""
    rule: Annotated[str, Meta(description="a rule, whose agents, limits and metadata it has")] = ""
    deployment: Annotated[str, Meta(description="of `agent`")] = ""
    metadata: Annotated[str | None, Meta(description="null: the rule's, else empty")] = None
    project: ProjectName = ""
    create_room: Annotated[bool, Meta(description="whether a room that does not live is made")] = False
    participant: Annotated[str, Meta(description="an identity that the agent waits for, and goes with")] = ""


class PauseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an agent is paused."""

    lasts: Lasting | None = field(name="for", default=None)
    reason: str = ""
    project: ProjectName = ""


class ResumeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which project's agent is resumed."""

    project: ProjectName = ""


class RoomsAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rooms are listed."""

    state: Annotated[State, Meta(description="rooms with an assignment in this state")] | UnsetType = UNSET
    agent: Annotated[str, Meta(description="with one whose agent is this")] | UnsetType = UNSET
    rule: Annotated[str, Meta(description="with one of this rule's")] | UnsetType = UNSET
    project: Annotated[str, Meta(description="rooms of this project")] | UnsetType = UNSET
    q: Annotated[str, Meta(min_length=1, description="rooms with this in their name, or of this sid")] | UnsetType = (
        UNSET
    )
    sort: Annotated[
        Order,
        Meta(
            description="wait: those alone where somebody waits, the longest first; ended: instead of those that live "
            "those that have ended, as far as they are kept, the last first"
        ),
    ] = Order.NEWEST
    cursor: Annotated[str, Meta(description="`next_cursor` of the page before")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=ROOMS_MAX, description="so many at most")] = ROOMS


class RoomAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which room is told."""

    room: RoomName
    rules: Annotated[bool, Meta(description="tell what each rule says of everybody in the room")] = False
    present: Annotated[bool, Meta(description="tell who is in the room, also where an agent is there")] = False


class RoomNamed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A room, of one project or of all."""

    room: RoomName
    project: Annotated[str, Meta(description="the room of this project; default: of all")] | UnsetType = UNSET


class AssignmentNamed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An assignment of a live room."""

    room: RoomName
    assignment: Annotated[str, Meta(min_length=1, description="as the room's own page shows it")]
    project: Annotated[str, Meta(description="needed where several have such a room")] | UnsetType = UNSET
    wait: Waiting = "0s"


class EventsAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what changes are told."""

    room: Annotated[str, Meta(min_length=1, description="of this room alone")] | UnsetType = UNSET
    project: Annotated[str, Meta(description="of this project alone")] | UnsetType = UNSET


class WaitAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the answer may wait."""

    wait: Waiting = "0s"


class ProjectAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One project, or all."""

    project: Annotated[str, Meta(description="this one only")] | UnsetType = UNSET


class AgentNamed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent, by the name that its workers register under."""

    agent: str


def project_of(name: str, caller: Caller, projects: Mapping[str, ProjectRuntime]) -> tuple[str, ProjectRuntime]:
    """The project that the body names, or the only one that the caller may know of. Raises ApiError."""
    seen = caller.sees(projects)
    if not name and len(seen) == 1:
        name = seen[0]
    if name not in seen:
        raise unprocessable("project", f"one of {', '.join(seen)}")
    return name, projects[name]


def projects_of(name: str | UnsetType, caller: Caller, projects: Collection[str]) -> tuple[str, ...]:
    """The one that is named, else all that the caller may know of. Raises ApiError."""
    seen = caller.sees(projects)
    if name is UNSET:
        return seen
    if name not in seen:
        raise bad_request("project", f"one of {', '.join(seen)}")
    return (name,)


def paused_agent(asked: AgentNamed) -> str:
    """The agent that the path names. Raises ApiError."""
    return _named("agent", asked.agent, agent_name)


def lasting(asked: PauseRequest) -> Ms | None:
    """For how long; None: until somebody ends it. Raises ApiError."""
    return None if asked.lasts is None else _read("for", asked.lasts, span(PAUSE_MIN_MS, PAUSE_MAX_MS))


def agent_request(asked: DispatchRequest, runtime: ProjectRuntime) -> AgentRequest:
    """The request, checked. Raises ApiError, which names the field."""
    if not asked.room:
        raise unprocessable("room", "the name of a room")
    if is_probe(asked.room):
        raise unprocessable("room", f"no name that begins with {PROBE_ROOMS}: those are the service's own probes")
    if bool(asked.agent) == bool(asked.rule):
        raise unprocessable("agent", "name an agent, or a rule whose agent it is; not both")
    if asked.agent:
        _named("agent", asked.agent, dispatched)
    if asked.deployment:
        _named("deployment", asked.deployment, deployment)
    if asked.rule and asked.deployment:
        raise unprocessable("deployment", "a rule says which deployments its agents have")
    if asked.metadata is not None and len(asked.metadata.encode(errors="replace")) > METADATA_MAX:
        raise unprocessable("metadata", f"at most {METADATA_MAX} bytes")
    rule = _rule(asked.rule, runtime) if asked.rule else None
    targets = rule.policy.targets if rule else (Target(asked.agent, asked.deployment),)
    policy = rule.policy if rule else runtime.limits
    return AgentRequest(
        room=asked.room,
        order=request_for(targets, policy, identity=asked.participant, rule=asked.rule),
        computed=rule is not None and rule.aim is not None,
        metadata=asked.metadata,
        create_room=asked.create_room,
        request=msgspec.json.encode(asked),
    )


def _rule(name: str, runtime: ProjectRuntime) -> Rule:
    rule = named(runtime.rules, name)
    if rule is None:
        raise unprocessable("rule", f"one of {', '.join(one.name for one in runtime.rules)}")
    return rule


def _named(field: str, text: str, check: Callable[[str], str]) -> str:
    """A name, as records may have it."""
    if len(text.encode(errors="replace")) > AGENT_NAME_MAX:
        raise unprocessable(field, f"at most {AGENT_NAME_MAX} bytes")
    return _read(field, text, check)


def _read(field: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise unprocessable(field, str(error)) from None


def idempotency_key(request: web.Request) -> str | None:
    """The key under which the same request is the same agent."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= KEY_MAX:
        raise bad_request("Idempotency-Key", f"1 to {KEY_MAX} characters")
    return key


def waiting(asked: WaitAsked | AssignmentNamed) -> Ms:
    """How long the answer may wait. Raises ApiError."""
    try:
        return span(0, WAIT_MAX_MS)(asked.wait)
    except ValueError as error:
        raise bad_request("wait", str(error)) from None
