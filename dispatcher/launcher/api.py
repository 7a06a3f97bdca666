"""What people and programs see of launches, and how they stop one: /v1/launches, behind the API's tokens."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from dispatcher.core.facts import Ms
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.problems import ApiError, bad_request
from dispatcher.launcher.kin import boot_id, boot_ms
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.output import tail
from dispatcher.launcher.pool import Pool
from dispatcher.launcher.ways import Ways
from dispatcher.livekit.join_token import BadJoinToken, read_join_token
from dispatcher.livekit.webhook import ApiKey

LINES: Final = 200  # of a log that are shown unless asked for more
LINES_MAX: Final = 10_000
ENDED_MAX: Final = 10_000  # launches that have ended, in one answer


class LaunchesApi:
    """The routes. Whoever sees some projects only sees the launches of those.

    A launch is also stopped by whoever has a token for its room and identity, as whoever has started it has.
    """

    def __init__(self, guard: Guard, pool: Pool, ways: Ways, keys: Mapping[str, ApiKey]) -> None:
        self._guard = guard
        self._pool = pool
        self._home = ways.home
        self._records = ways.records
        self._mask = ways.recorder.log.mask
        self._clock = ways.clock
        self._keys = keys
        self._guarded_stop = guard.guarded("dispatch", self._stop)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        guarded, one = self._guard.guarded, "/v1/launches/{launch}"
        return [
            web.get("/v1/launches", guarded("read", self._list)),
            web.get(one, guarded("read", self._show)),
            web.get(f"{one}/log", guarded("read", self._log)),
            web.post(f"{one}/stop", self._stop_own),
        ]

    async def _list(self, request: web.Request, caller: Caller) -> web.Response:
        """Those that run, the oldest first; with `?ended=true` then those that have ended, as long as they are kept.

        `?limit=`: so many of the latter at most, which have ended last.
        """
        asked, most = request.query.get("ended", "false"), _number(request, "limit", ENDED_MAX, ENDED_MAX)
        if asked not in {"true", "false"}:
            raise bad_request("ended", "write true or false")
        memory = await self._home.memory()
        launches = [one for one in self._pool.launches.values() if self._sees(caller, one)]
        ended = sorted((one for one in launches if one.ended), key=lambda one: one.ended_at)[-most:]
        found = [*(one for one in launches if not one.ended), *(ended if asked == "true" else [])]
        return web.json_response({"launches": [self._shown(one, memory) for one in found], "free": self._free()})

    async def _show(self, request: web.Request, caller: Caller) -> web.Response:
        return web.json_response(self._shown(self._found(request, caller), await self._home.memory()))

    async def _log(self, request: web.Request, caller: Caller) -> web.Response:
        """The last lines that its process wrote, `?lines=` of them at most."""
        launch = self._found(request, caller)
        lines = tail(self._records.folder(launch.id), _number(request, "lines", LINES, LINES_MAX))
        return web.Response(text="".join(f"{line}\n" for line in lines), content_type="text/plain", charset="utf-8")

    async def _stop_own(self, request: web.Request) -> web.StreamResponse:
        """As `_stop`, for whoever shows that the launch is theirs; all others need a token of the API's."""
        _, _, sent = request.headers.get("Authorization", "").partition(" ")
        try:
            grants = read_join_token(sent.strip(), self._keys, self._clock())
        except BadJoinToken:
            return await self._guarded_stop(request)
        launch = self._pool.launches.get(request.match_info["launch"])
        if launch is None or not (grants.of_agent and launch.is_for(grants.project, grants.room, grants.identity)):
            return _unknown().answer
        try:
            return await self._stopped(request, launch)
        except ApiError as problem:
            return problem.answer

    async def _stop(self, request: web.Request, caller: Caller) -> web.Response:
        return await self._stopped(request, self._found(request, caller))

    async def _stopped(self, request: web.Request, launch: Launch) -> web.Response:
        """It is answered when nothing of it runs; with `?wait=false` at once."""
        wait = request.query.get("wait", "true")
        if wait not in {"true", "false"}:
            raise bad_request("wait", "write true or false")
        return web.json_response(self._shown(await self._pool.stop(launch.id, wait=wait == "true"), {}))

    def _free(self) -> Mapping[str, int]:
        return {name: self._pool.free(name) for name in self._pool.launchers}

    def _found(self, request: web.Request, caller: Caller) -> Launch:
        launch = self._pool.launches.get(request.match_info["launch"])
        if launch is None or not self._sees(caller, launch):
            raise _unknown()
        return launch

    def _sees(self, caller: Caller, launch: Launch) -> bool:
        return bool(caller.sees([launch.project]))

    def _shown(self, launch: Launch, memory: Mapping[str, int]) -> Mapping[str, object]:
        """A launch as JSON. Spans are milliseconds."""
        shown: dict[str, object] = {
            "id": launch.id,
            "launcher": launch.launcher,
            "project": launch.project,
            "room": self._mask.numbers(launch.room),
            "identity": self._mask.identity(launch.identity),
            "state": launch.state,
            "accepted_at": launch.accepted_at,
            "age_ms": _age(launch),
            "start": launch.start,
            "tries": launch.tries,
            "joined_after_ms": launch.joined_after,
        }
        if launch.ended:
            ended = {"ended_at": launch.ended_at, "why": launch.end, "exit_code": launch.exit_code}
            return {**shown, **ended, "exit_signal": launch.exit_signal or None}
        return {**shown, "pid": launch.pid or None, "rss_bytes": memory.get(launch.id)}


def _number(request: web.Request, name: str, usual: int, most: int) -> int:
    """The parameter of this name. Raises ApiError."""
    asked = request.query.get(name, str(usual))
    if not asked.isdecimal() or len(asked) > len(str(most)) or not 1 <= int(asked) <= most:
        raise bad_request(name, f"write a whole number from 1 to {most}")
    return int(asked)


def _unknown() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "unknown_launch", "no launch has this id, or it ended long ago")


def _age(launch: Launch) -> Ms:
    """From the request until now, or until its end."""
    if launch.ended or launch.boot_id != boot_id():
        return max(0, launch.ended_at - launch.accepted_at)
    return boot_ms() - launch.accepted_boot
