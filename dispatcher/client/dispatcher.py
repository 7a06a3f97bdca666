"""The running service as an application asks it: one method for each order, and the rooms. docs/ask-for-an-agent.md."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from time import monotonic
from types import MappingProxyType
from typing import Final, Required, Self, TypedDict, Unpack
from urllib.parse import quote
from uuid import uuid4

from aiohttp import ClientSession, DummyCookieJar
from msgspec import Struct

from dispatcher.client.agents import ListedAgent, ListedAgents
from dispatcher.client.bounds import ROOMS, ROOMS_MAX
from dispatcher.client.events import Happened, Told, listen
from dispatcher.client.rooms import Dispatched, ListedRoom, ListedRooms, LookedAt, Looks
from dispatcher.client.transport import WITHIN_S, Answer, RequestFailed, ask

REPEATS_S: Final = (0.5, 1.0, 2.0)  # before each repeat of an order: a service that restarts is back by then
EVENTS_AGAIN_S: Final = 5.0  # before each further try to listen again
_PASSES: Final = frozenset(
    {0, 502, 503, 504}
)  # nobody answers; or LiveKit, the ledger or what a proxy leads to is away
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class DispatchFields(TypedDict, total=False):
    """What `POST /v1/dispatches` takes; what is not given has the default of docs/http.md."""

    room: Required[str]
    agent: str
    rule: str
    deployment: str
    metadata: str | None
    project: str
    create_room: bool
    participant: str


class RoomsFields(TypedDict, total=False):
    """What `GET /v1/rooms` takes; what is empty is not asked for."""

    state: str
    agent: str
    rule: str
    project: str
    q: str
    sort: str


class _Problem(Struct, frozen=True):
    error: str
    detail: str = ""
    field: str = ""


class _Request(Struct, frozen=True):
    method: str
    path: str
    query: Mapping[str, str] = NOTHING  # what is empty is not sent
    headers: Mapping[str, str] = NOTHING
    body: bytes | None = None


class Dispatcher:
    """Asks the service at `url`. Every method raises RequestFailed where the service refuses or nobody answers.

    An order is repeated three times within some seconds where the answer is lost, or where it is 502, 503 or 504.
    """

    def __init__(self, url: str, token: str, *, repeats: Sequence[float] = REPEATS_S) -> None:
        self.url = url.rstrip("/")
        self._repeats = repeats  # seconds before each
        self._authorization = {"Authorization": f"Bearer {token}"}

    async def __aenter__(self) -> Self:
        self._http = ClientSession(cookie_jar=DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def dispatch(
        self, *, wait: float = 0.0, idempotency_key: str = "", **asked: Unpack[DispatchFields]
    ) -> Dispatched:
        """Ask for an agent; answered when it is there or has failed, after `wait` seconds at most (60).

        The same key is the same agent, however often it is asked for. Without one, each call is a new agent, and the
        repeats of the call are not.
        """
        key = {"Idempotency-Key": idempotency_key or uuid4().hex}
        body = json.dumps(asked).encode()
        return await self._order(_Request("POST", "/v1/dispatches", headers=key, body=body), wait)

    async def cancel(self, room: str, assignment: str, *, project: str = "", wait: float = 0.0) -> Dispatched:
        """The agent goes, and the assignment is done; answered when it is, after `wait` seconds at most."""
        named = {"room": room, "assignment": assignment, "project": project}
        return await self._order(_Request("DELETE", "/v1/room/assignment", named), wait)

    async def retry(self, room: str, assignment: str, *, project: str = "", wait: float = 0.0) -> Dispatched:
        """Renew the assignment's budget and try now; answered when it is served, after `wait` seconds at most."""
        named = {"room": room, "assignment": assignment, "project": project}
        return await self._order(_Request("POST", "/v1/room/assignment/retry", named), wait)

    async def look(self, room: str, *, project: str = "") -> tuple[LookedAt, ...]:
        """Have every live session of the room looked at now."""
        answer = await self._ask(_Request("POST", "/v1/room/look", {"room": room, "project": project}))
        return answer.read(Looks).sessions

    async def agents(self) -> ListedAgents:
        """List every agent that is known: live, seen, or paused."""
        return (await self.get("/v1/agents")).read(ListedAgents)

    async def pause(self, agent: str, *, lasts: str = "", reason: str = "", project: str = "") -> ListedAgent:
        """Give the agent to nobody new: for as long as `lasts` says, such as 30m, or until it is resumed."""
        asked = {"reason": reason, "project": project} | ({"for": lasts} if lasts else {})
        request = _Request("POST", f"/v1/agents/{_quoted(agent)}/pause", body=json.dumps(asked).encode())
        return (await self._repeated(request)).read(ListedAgent)

    async def resume(self, agent: str, *, project: str = "") -> ListedAgent:
        """End the pause that somebody has ordered; `paused` of the answer: the configuration still pauses it."""
        body = json.dumps({"project": project}).encode()
        request = _Request("POST", f"/v1/agents/{_quoted(agent)}/resume", body=body)
        return (await self._repeated(request)).read(ListedAgent)

    async def rooms(self, *, limit: int = ROOMS, **asked: Unpack[RoomsFields]) -> tuple[ListedRoom, ...]:
        """List live rooms, `limit` at most: as many pages are asked for as it takes."""
        query = {name: str(value) for name, value in asked.items()}
        found: list[ListedRoom] = []
        cursor: str | None = ""
        while cursor is not None and len(found) < limit:
            page = {"limit": str(min(ROOMS_MAX, limit - len(found))), "cursor": cursor}
            told = (await self.get("/v1/rooms", query | page)).read(ListedRooms)
            found += told.rooms
            cursor = told.next_cursor
        return tuple(found)

    async def events(self, *, room: str = "", project: str = "", after: str = "") -> AsyncGenerator[Happened]:
        """Give what changes from now on, or since the id `after`, for as long as you go on asking.

        Where the stream ends it is taken up again where it was, as often as it takes; only a refusal is raised.
        Whoever was away too long gets a `gap`.
        """
        pauses = iter(self._repeats)
        while True:
            try:
                async with aclosing(self.listen(room=room, project=project, after=after)) as stream:
                    async for told in stream:
                        after, pauses = told.id, iter(self._repeats)
                        if told.happened is not None:
                            yield told.happened
            except RequestFailed as failed:
                if failed.status not in _PASSES:
                    raise
            await asyncio.sleep(next(pauses, EVENTS_AGAIN_S))

    async def listen(self, *, room: str = "", project: str = "", after: str = "") -> AsyncGenerator[Told]:
        """Give the pieces of one stream until it ends; the first one comes as soon as it is heard."""
        query = {"room": room, "project": project}
        headers = {**self._authorization, **({"Last-Event-ID": after} if after else {})}
        async with aclosing(listen(self._http, self._address("/v1/events", query), headers)) as stream:
            async for told in stream:
                if isinstance(told, Answer):
                    raise _refusal(told)
                yield told

    async def get(self, path: str, query: Mapping[str, str] = NOTHING) -> Answer:
        """Read anything else of the API, such as `/v1/workers`; of the query, what is not empty."""
        return await self._ask(_Request("GET", path, query))

    async def _order(self, request: _Request, wait: float) -> Dispatched:
        return (await self._repeated(request, wait)).read(Dispatched)

    async def _repeated(self, request: _Request, wait: float = 0.0) -> Answer:
        end, repeats = monotonic() + wait, iter(self._repeats)
        while True:
            try:
                return await self._ask(request, max(0.0, end - monotonic()))
            except RequestFailed as failed:
                if failed.status not in _PASSES or (pause := next(repeats, None)) is None:
                    raise
            await asyncio.sleep(pause)

    async def _ask(self, request: _Request, wait: float = 0.0) -> Answer:
        waits = {"wait": f"{round(wait * 1000)}ms"} if wait else {}
        address = self._address(request.path, {**request.query, **waits})
        headers = {**self._authorization, **request.headers}
        answer = await ask(self._http, request.method, address, headers, request.body, wait + WITHIN_S)
        if answer.status // 100 == 2:
            return answer
        raise _refusal(answer)

    def _address(self, path: str, query: Mapping[str, str]) -> str:
        asked = "&".join(f"{name}={_quoted(value)}" for name, value in query.items() if value)
        return f"{self.url}{path}{asked and f'?{asked}'}"


def _refusal(answer: Answer) -> RequestFailed:
    """What the service says of why it does not do it; raises RequestFailed itself where it was not the service."""
    problem = answer.read(_Problem)
    detail = problem.detail or problem.error
    return RequestFailed(detail, error=problem.error, status=answer.status, field=problem.field, answer=answer)


def _quoted(text: str) -> str:
    """A name as a part of an address: a slash in it, too."""
    return quote(text, safe="", errors="replace")
