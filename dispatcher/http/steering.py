"""Orders over HTTP: ask for an agent, cancel an assignment, have it tried again, look at a room, sweep, reload."""

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web

from dispatcher.core.session import Assignment, Session, State
from dispatcher.engine.orders import (
    OrderRefused,
    Orders,
    OtherRequest,
    Placed,
    RoomAbsent,
    RoomFull,
    RoomOver,
)
from dispatcher.http.answers import SETTLED, OrderAnswers
from dispatcher.http.asked import agent_request, dispatch_request, idempotency_key, project_of, wait_of
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.problems import ApiError, bad_request
from dispatcher.http.resources import JSON
from dispatcher.http.rooms import ROOM
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Key
from dispatcher.ledger.sessions import KnownSession
from dispatcher.livekit.failures import LiveKitError, Refused

LOOK: Final = "look_ordered"  # the name of the event

_REFUSED: Final = {
    RoomAbsent: (HTTPStatus.NOT_FOUND, "unknown_room"),
    RoomOver: (HTTPStatus.GONE, "room_finished"),
    RoomFull: (HTTPStatus.CONFLICT, "room_full"),
    OtherRequest: (HTTPStatus.UNPROCESSABLE_ENTITY, "other_request"),
}

T = TypeVar("T")


class Steering:
    """The routes that change something. Whoever orders is named in the timeline and the log."""

    def __init__(
        self,
        guard: Guard,
        orders: Orders,
        answers: OrderAnswers,
        *,
        sweep: Callable[[str], None],
        reload: Callable[[], None],
    ) -> None:
        self.guard = guard
        self.orders = orders
        self.ledger = orders.ledger
        self.mask = answers.mask
        self.answers = answers
        self.sweep = sweep
        self.reload = reload

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        guarded, one = self.guard.guarded, f"/v1/rooms/{ROOM}/assignments/{{assignment:.+}}"
        return [
            web.post("/v1/dispatches", guarded("dispatch", self._dispatch)),
            web.delete(one, guarded("dispatch", self._cancel)),
            web.post(f"{one}/retry", guarded("dispatch", self._retry)),
            web.post(f"/v1/rooms/{ROOM}/look", guarded("dispatch", self._look)),
            web.post("/v1/sweep", guarded("admin", self._sweep)),
            web.post("/v1/reload", guarded("admin", self._reload)),
        ]

    async def _dispatch(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Ask for an agent: `?wait=10s` answers when it is there, or has failed."""
        wait, key = wait_of(request), idempotency_key(request)
        asked = await dispatch_request(request)
        project, runtime = project_of(asked.project, caller, self.guard.holder.snapshot.projects)
        wanted = agent_request(asked, runtime)
        caller.need_agents({target.agent for target in wanted.targets})
        if wanted.computed and caller.token.agents is not None:
            says = f"the token {caller.name} is for some agents, and the rule {wanted.rule} computes its own"
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", says)
        placed = await _carried_out(self.orders.request(project, wanted, by=caller.name, key=key))
        return await self.answers.shown(placed, await self.answers.stands(placed, wait, SETTLED))

    async def _cancel(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The agent goes, and the assignment is done."""
        return await self._steer(request, caller, self.orders.cancel, State.FINISHED)

    async def _retry(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Its whole budget is there again, and it is tried now."""
        return await self._steer(request, caller, self.orders.retry, State.SERVED)

    async def _steer(
        self, request: web.Request, caller: Caller, order: Callable[[Key, str, str], Awaitable[None]], soon: State
    ) -> web.StreamResponse:
        wait = wait_of(request)
        known, assignment = await self._found(request, caller)
        caller.need_agents({target.agent for target in assignment.policy.targets})
        key = known.key
        await _carried_out(order(key, assignment.key, caller.name))
        ordered = Placed(key=key, assignment=assignment.key)
        after = await self.answers.stands(ordered, wait, {soon}, known.session.entries_total)
        return await self.answers.shown(ordered, after)

    async def _look(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Every live session of the room is looked at now."""
        live = [one for one in await self._sessions(request, caller) if not one.over]
        if not live:
            raise _unknown_room(request)
        for one in live:
            await sessions.remind(self.ledger, one.key, LOOK)
        return _accepted({"sessions": [{"project": one.key.project, "sid": one.key.sid} for one in live]})

    async def _sweep(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """All live rooms are compared with the ledger now."""
        projects = caller.sees(self._projects(request))
        for project in projects:
            self.sweep(project)
        return _accepted({"projects": list(projects)})

    async def _reload(self, _request: web.Request, _caller: Caller) -> web.StreamResponse:
        """The configuration is read again now; the log and the metrics say what became of it."""
        self.reload()
        return _accepted({})

    # What a request names

    def _projects(self, request: web.Request) -> Collection[str]:
        """The one that `?project=` names, else all. Raises ApiError."""
        projects = self.guard.holder.snapshot.projects
        name = request.query.get("project")
        if name is None:
            return list(projects)
        if name not in projects:
            raise bad_request("project", f"one of {', '.join(projects)}")
        return [name]

    async def _sessions(self, request: web.Request, caller: Caller) -> list[KnownSession]:
        room = request.match_info["room"]
        return [
            one
            for project in caller.sees(self._projects(request))
            for one in await sessions.find(self.ledger, project, room)
        ]

    async def _found(self, request: web.Request, caller: Caller) -> tuple[KnownSession, Assignment]:
        """The live session that has the assignment. Raises ApiError: none, or several projects have it."""
        key = request.match_info["assignment"]
        known = [one for one in await self._sessions(request, caller) if not one.over]
        found = [(one, assignment) for one in known if (assignment := self._assignment(one.session, key)) is not None]
        if not found:
            if not known:
                raise _unknown_room(request)
            keys = ", ".join(self.mask.assignment(one.key) for life in known for one in life.session.assignments)
            raise ApiError(
                HTTPStatus.NOT_FOUND, "unknown_assignment", f"the room has no such assignment; it has {keys or 'none'}"
            )
        if len({one.key.project for one, _ in found}) > 1:
            raise bad_request("project", "several projects have such a room; name one")
        return found[0]

    def _assignment(self, session: Session, key: str) -> Assignment | None:
        """By its key, or by its key as it is shown where identities are masked."""
        return next((one for one in session.assignments if key in {one.key, self.mask.assignment(one.key)}), None)


def _unknown_room(request: web.Request) -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "unknown_room", f"no room lives that is called {request.match_info['room']}")


def _accepted(body: JSON) -> web.Response:
    return web.json_response(body, status=HTTPStatus.ACCEPTED)


async def _carried_out(order: Awaitable[T]) -> T:
    """What the order comes to. Raises ApiError."""
    try:
        return await order
    except OrderRefused as refused:
        status, name = _REFUSED[type(refused)]
        raise ApiError(status, name, str(refused)) from None
    except LiveKitError as error:
        status = HTTPStatus.BAD_GATEWAY if isinstance(error, Refused) else HTTPStatus.SERVICE_UNAVAILABLE
        raise ApiError(
            status, "livekit_failing", f"LiveKit could not be asked: {error.reason}", headers={"Retry-After": "1"}
        ) from None
