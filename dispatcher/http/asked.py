"""What a request asks of the API, read and checked; what is wrong with it is an ApiError that names the field."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct, field

from dispatcher.config.values import agent_name, deployment, span
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Rule, Target, named
from dispatcher.engine.orders import METADATA_MAX, AgentRequest
from dispatcher.http.guard import Caller
from dispatcher.http.problems import ApiError, bad_request
from dispatcher.runtime.snapshot import ProjectRuntime

T = TypeVar("T")

BODY_MAX: Final = 65_536  # bytes of a request's body
KEY_MAX: Final = 255  # characters of an Idempotency-Key
WAIT_MAX: Final[Ms] = 60_000
PAUSE_MIN: Final[Ms] = 1_000
PAUSE_MAX: Final[Ms] = 30 * 86_400_000
AGENT_NAME_MAX: Final = 256  # bytes of an agent's name, and of a deployment's


class DispatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/dispatches` takes."""

    room: str
    agent: str = ""  # either this,
    rule: str = ""  # or this: its agents, limits and metadata
    deployment: str = ""
    metadata: str | None = None
    project: str = ""  # "": the only one
    create_room: bool = False
    participant: str = ""  # the identity of the one whom it is for: it waits for them, and goes with them


class PauseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/agents/{agent}/pause` takes."""

    lasts: str | None = field(name="for", default=None)  # None: until somebody resumes it
    reason: str = ""
    project: str = ""  # "": the only one


class ResumeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/agents/{agent}/resume` takes."""

    project: str = ""  # "": the only one


async def dispatch_request(request: web.Request) -> DispatchRequest:
    """The body, read with a bound. Raises ApiError."""
    return _decoded(await _body(request), DispatchRequest)


async def pause_request(request: web.Request) -> PauseRequest:
    """The body, read with a bound; none is one that names nothing. Raises ApiError."""
    return _decoded(await _body(request) or b"{}", PauseRequest)


async def resume_request(request: web.Request) -> ResumeRequest:
    """The body, read with a bound; none is one that names nothing. Raises ApiError."""
    return _decoded(await _body(request) or b"{}", ResumeRequest)


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > BODY_MAX:
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"at most {BODY_MAX} bytes")
    return bytes(body)


def _decoded(body: bytes, expected: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=expected)
    except msgspec.ValidationError as error:
        says, _, place = str(error).partition(" - at `$.")
        raise unprocessable(place.rstrip("`") or "body", says) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", "the body is no JSON", more={"field": "body"}) from None


def project_of(name: str, caller: Caller, projects: Mapping[str, ProjectRuntime]) -> tuple[str, ProjectRuntime]:
    """The project that the body names, or the only one that the caller may know of. Raises ApiError."""
    seen = caller.sees(projects)
    if not name and len(seen) == 1:
        name = seen[0]
    if name not in seen:
        raise unprocessable("project", f"one of {', '.join(seen)}")
    return name, projects[name]


def paused_agent(request: web.Request) -> str:
    """The agent that the path names. Raises ApiError."""
    return _named("agent", request.match_info["agent"], agent_name)


def lasting(asked: PauseRequest) -> Ms | None:
    """For how long; None: until somebody ends it. Raises ApiError."""
    return None if asked.lasts is None else _read("for", asked.lasts, span(PAUSE_MIN, PAUSE_MAX))


def agent_request(asked: DispatchRequest, runtime: ProjectRuntime) -> AgentRequest:
    """The request, checked. Raises ApiError, which names the field."""
    if not asked.room:
        raise unprocessable("room", "the name of a room")
    if bool(asked.agent) == bool(asked.rule):
        raise unprocessable("agent", "name an agent, or a rule whose agent it is; not both")
    if asked.agent:
        _named("agent", asked.agent, agent_name)
    if asked.deployment:
        _named("deployment", asked.deployment, deployment)
    if asked.rule and asked.deployment:
        raise unprocessable("deployment", "a rule says which deployments its agents have")
    if asked.metadata is not None and len(asked.metadata.encode(errors="replace")) > METADATA_MAX:
        raise unprocessable("metadata", f"at most {METADATA_MAX} bytes")
    rule = _rule(asked.rule, runtime) if asked.rule else None
    return AgentRequest(
        room=asked.room,
        targets=rule.policy.targets if rule else (Target(asked.agent, asked.deployment),),
        policy=rule.policy if rule else runtime.limits,
        rule=asked.rule,
        computed=rule is not None and rule.aim is not None,
        identity=asked.participant,
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


def wait_of(request: web.Request) -> Ms:
    """How long the answer may wait: `?wait=10s`."""
    text = request.query.get("wait")
    if text is None:
        return 0
    try:
        return span(0, WAIT_MAX)(text)
    except ValueError as error:
        raise bad_request("wait", str(error)) from None


def unprocessable(field: str, says: str) -> ApiError:
    """A field of the body is not what it may be."""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "unprocessable", f"{field}: {says}", more={"field": field})
