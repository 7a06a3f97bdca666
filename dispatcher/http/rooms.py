"""What the API shows: the state of all rooms, what happened in one, and workers."""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from dispatcher.core.session import State
from dispatcher.http import resources
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.inquiry import Inquiry
from dispatcher.http.problems import ApiError, bad_request
from dispatcher.ledger import sessions

ROOM: Final = r"{room:[\s\S]+}"  # in a path: a room may be called anything, with slashes, braces or line ends in it
LIMIT: Final = 100
LIMIT_MAX: Final = 1_000


class Api:
    """`/v1/rooms`, `/v1/rooms/{room}` and `/v1/workers`, of the projects that are configured.

    Each answer says whether it is a dry run's: then nobody has been asked for, and its ledger is not the others'.
    """

    def __init__(self, guard: Guard, inquiry: Inquiry) -> None:
        self.guard = guard
        self.inquiry = inquiry
        self.ledger = inquiry.ledger
        self.dry_run = inquiry.health.dry_run

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        guarded = self.guard.guarded
        return [
            web.get("/v1/rooms", guarded("read", self._rooms)),
            web.get(f"/v1/rooms/{ROOM}", guarded("read", self._room)),
            web.get("/v1/workers", guarded("read", self._workers)),
        ]

    async def _rooms(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Answer with live rooms, newest first: `?state=`, `?project=`, `?limit=`; of `?room=`, what happened in it."""
        if room := request.query.get("room"):
            return await self._told(room, request, caller)
        state, project = request.query.get("state"), request.query.get("project")
        projects = caller.sees(self.guard.holder.snapshot.projects)
        if state is not None and state not in set(State):
            raise bad_request("state", f"one of {', '.join(State)}")
        if project is not None and project not in projects:
            raise bad_request("project", f"one of {', '.join(projects)}")
        limit = _limit(request.query.get("limit"))
        if limit is None:
            raise bad_request("limit", f"1 to {LIMIT_MAX}")
        lives = [
            life
            for name in ([project] if project else projects)
            for life in await sessions.live(self.ledger, name, state, limit=limit)
        ]
        newest = sorted(lives, key=lambda life: life.born, reverse=True)[:limit]
        rooms = [resources.summary(life, self.inquiry.shown(life)) for life in newest]
        return web.json_response({"rooms": rooms, "dry_run": self.dry_run})

    async def _room(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Answer with every known session of the room name, newest first; of an unknown one, with what can be said."""
        return await self._told(request.match_info["room"], request, caller)

    async def _told(self, room: str, request: web.Request, caller: Caller) -> web.StreamResponse:
        rules, projects = request.query.get("rules") == "1", caller.sees(self.guard.holder.snapshot.projects)
        known = await self.inquiry.room(room, projects, rules=rules)
        if known is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "unknown_room", more=await self.inquiry.unknown(room, projects))
        return web.json_response(known)

    async def _workers(self, _request: web.Request, _caller: Caller) -> web.StreamResponse:
        """What the configured workers said when they were asked last, and of which agents any is seen."""
        seen = self.inquiry.workers()
        return web.json_response(
            {
                "asked_at": seen.at or None,
                "agents": [resources.sighting(one) for _, one in sorted(seen.sightings.items())],
                "workers": [resources.worker(address, answer) for address, answer in sorted(seen.answers.items())],
            }
        )


def _limit(text: str | None) -> int | None:
    """How many rooms are asked for; None: no valid number. A long text is not read as one: that takes long."""
    if text is None:
        return LIMIT
    if not text.isdecimal() or len(text) > len(str(LIMIT_MAX)):
        return None
    return int(text) if 1 <= int(text) <= LIMIT_MAX else None
