"""Orders over HTTP: ask for an agent, cancel an assignment, have it tried again, look at a room, sweep, reload."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web
from msgspec import Struct

from dispatcher.client.rooms import Dispatched, LookedAt, Looks
from dispatcher.core.orders import CancelAssignment, RetryAssignment
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
from dispatcher.http import routes
from dispatcher.http.answers import SETTLED, OrderAnswers
from dispatcher.http.asked import (
    AssignmentNamed,
    DispatchRequest,
    ProjectAsked,
    RoomNamed,
    WaitAsked,
    agent_request,
    idempotency_key,
    project_of,
    projects_of,
    waiting,
)
from dispatcher.http.guard import Guard
from dispatcher.http.problems import ApiError, bad_request
from dispatcher.http.resources import Reloading, Swept
from dispatcher.http.route import Answered, ApiCall, Nothing
from dispatcher.ledger import sessions
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
A = TypeVar("A", bound=Struct)


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
        return [
            routes.DISPATCH.served(self.guard, self._dispatch),
            routes.CANCEL.served(self.guard, self._cancel),
            routes.CANCEL_BY_NAME.served(self.guard, self._cancel),
            routes.RETRY.served(self.guard, self._retry),
            routes.RETRY_BY_NAME.served(self.guard, self._retry),
            routes.LOOK.served(self.guard, self._look),
            routes.LOOK_BY_NAME.served(self.guard, self._look),
            routes.SWEEP.served(self.guard, self._sweep),
            routes.RELOAD.served(self.guard, self._reload),
        ]

    async def _dispatch(self, call: ApiCall[WaitAsked, DispatchRequest]) -> Answered[Dispatched]:
        """Ask for an agent: `?wait=10s` answers when it is there, or has failed."""
        wait, key = waiting(call.asked), idempotency_key(call.request)
        asked, caller = call.body, call.caller
        project, runtime = project_of(asked.project, caller, self.guard.holder.snapshot.projects)
        wanted = agent_request(asked, runtime)
        caller.need_agents({target.name for target in wanted.order.policy.targets})
        if wanted.computed and caller.token.agents is not None:
            says = f"the token {caller.name} is for some agents, and the rule {wanted.order.rule} computes its own"
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", says)
        placed = await _carried_out(self.orders.request(project, wanted, by=caller.name, key=key))
        return await self.answers.shown(placed, await self.answers.stands(placed, wait, SETTLED))

    async def _cancel(self, call: ApiCall[AssignmentNamed, None]) -> Answered[Dispatched]:
        """The agent goes, and the assignment is done."""
        return await self._steer(call, CancelAssignment, State.FINISHED)

    async def _retry(self, call: ApiCall[AssignmentNamed, None]) -> Answered[Dispatched]:
        """Its whole budget is there again, and it is tried now."""
        return await self._steer(call, RetryAssignment, State.SERVED)

    async def _steer(
        self, call: ApiCall[AssignmentNamed, None], order: type[CancelAssignment | RetryAssignment], soon: State
    ) -> Answered[Dispatched]:
        wait = waiting(call.asked)
        known, assignment = await self._found(call)
        call.caller.need_agents({target.name for target in assignment.policy.targets})
        key = known.key
        await _carried_out(self.orders.give(key, order(assignment=assignment.key), call.caller.name))
        ordered = Placed(key=key, assignment=assignment.key)
        after = await self.answers.stands(ordered, wait, {soon}, known.session.entries_total)
        return await self.answers.shown(ordered, after)

    async def _look(self, call: ApiCall[RoomNamed, None]) -> Answered[Looks]:
        """Every live session of the room is looked at now."""
        live = [one for one in await self._sessions(call) if not one.over]
        if not live:
            raise _unknown_room(call.asked.room)
        for one in live:
            await sessions.remind(self.ledger, one.key, LOOK)
        return _accepted(Looks(tuple(LookedAt(one.key.project, one.key.sid) for one in live)))

    async def _sweep(self, call: ApiCall[ProjectAsked, None]) -> Answered[Swept]:
        """All live rooms are compared with the ledger now."""
        projects = projects_of(call.asked.project, call.caller, self.guard.holder.snapshot.projects)
        for project in projects:
            self.sweep(project)
        return _accepted(Swept(projects))

    async def _reload(self, _call: ApiCall[Nothing, None]) -> Answered[Reloading]:
        """The configuration is read again now; the log and the metrics say what became of it."""
        self.reload()
        return _accepted(Reloading())

    # What a request names

    async def _sessions(self, call: ApiCall[RoomNamed, None] | ApiCall[AssignmentNamed, None]) -> list[KnownSession]:
        projects = projects_of(call.asked.project, call.caller, self.guard.holder.snapshot.projects)
        return [one for name in projects for one in await sessions.find(self.ledger, name, call.asked.room)]

    async def _found(self, call: ApiCall[AssignmentNamed, None]) -> tuple[KnownSession, Assignment]:
        """The live session that has the assignment. Raises ApiError: none, or several projects have it."""
        key = call.asked.assignment
        known = [one for one in await self._sessions(call) if not one.over]
        found = [(one, assignment) for one in known if (assignment := self._assignment(one.session, key)) is not None]
        if not found:
            if not known:
                raise _unknown_room(call.asked.room)
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


def _unknown_room(room: str) -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "unknown_room", f"no room lives that is called {room}")


def _accepted(body: A) -> Answered[A]:
    return Answered(body=body, status=HTTPStatus.ACCEPTED)


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
