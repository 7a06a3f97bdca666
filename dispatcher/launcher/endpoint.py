"""`POST /launch` and `POST /launch/{launcher}`: who may have a process started, and what they are answered."""

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from dispatcher.config import LauncherSettings, Project, endpoint
from dispatcher.core.facts import Ms
from dispatcher.http.problems import ApiError
from dispatcher.launcher.pool import Pool
from dispatcher.launcher.recorder import LaunchRecorder, LaunchResult
from dispatcher.launcher.requests import LaunchBodies, LaunchRequest
from dispatcher.launcher.wanted import LaunchAnswer, LaunchWanted
from dispatcher.livekit.join_token import BadJoinToken, JoinToken, read_join_token
from dispatcher.livekit.webhook import ApiKey

AGAIN_S: Final = 5  # until a place may be free
_LOCALHOST: Final = "localhost"


class LaunchEndpoint:
    """Takes requests for launches. A token that joins the room, made for an agent, is what lets somebody in."""

    def __init__(
        self,
        pool: Pool,
        projects: Mapping[str, Project],
        keys: Mapping[str, ApiKey],
        recorder: LaunchRecorder,
        clock: Callable[[], Ms],
    ) -> None:
        self._pool = pool
        self._projects = projects
        self._keys = keys
        self._recorder = recorder
        self._clock = clock
        self._bodies = LaunchBodies()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [web.post("/launch", self._answer), web.post("/launch/{launcher}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            return await self._launched(request, self._asked(request.match_info.get("launcher")))
        except ApiError as problem:
            return problem.answer

    def _asked(self, name: str | None) -> LauncherSettings:
        """The launcher of this name; None: the first. Raises ApiError."""
        launchers = self._pool.launchers
        found = next(iter(launchers.values())) if name is None else launchers.get(name)
        if found is None:
            raise unknown_launcher(launchers)
        return found

    async def _launched(self, request: web.Request, settings: LauncherSettings) -> web.Response:
        refuse = _Refusals(self._recorder, settings.name, request.remote or "")
        try:
            asked = await self._bodies.read(request)
        except ApiError as problem:
            refuse.note(LaunchResult.BAD_REQUEST, problem)
            raise
        try:
            grants = self._permitted(request, asked, settings)
        except ApiError as problem:
            refuse.note(LaunchResult.UNAUTHORIZED, problem)
            raise
        wanted = LaunchWanted(
            launcher=settings.name,
            url=self._projects[grants.project].url,
            token=asked.token,
            grants=grants,
            room_sid=asked.room_sid,
            fields=asked.fields,
            files=asked.files,
        )
        return refuse.unless_launched(await self._pool.launch(wanted))

    def _permitted(self, request: web.Request, asked: LaunchRequest, settings: LauncherSettings) -> JoinToken:
        """What the token grants, if that is enough. Raises ApiError."""
        try:
            grants = read_join_token(asked.token, self._keys, self._clock())
        except BadJoinToken as bad:
            raise ApiError(HTTPStatus.UNAUTHORIZED, bad.reason, f"token: {bad}", more={"field": "token"}) from None
        if grants.room != asked.room:
            raise _forbidden("wrong_room", "token: it joins another room than room_name says", "token")
        if asked.url and not _same_place(asked.url, self._projects[grants.project].url):
            raise _forbidden("wrong_url", "url: it is not where the LiveKit of the token's project is", "url")
        if not grants.of_agent and not _bears(request, settings):
            says = "token: it is of `kind: agent`, or has the attribute lk.publish_on_behalf; or send the bearer token"
            raise _forbidden("not_an_agent", says, "token")
        return grants


class _Refusals:
    """Tells of what is refused, and answers what is not."""

    def __init__(self, recorder: LaunchRecorder, launcher: str, sender: str) -> None:
        self._recorder = recorder
        self._launcher = launcher
        self._sender = sender

    def note(self, result: LaunchResult, problem: ApiError) -> None:
        self._recorder.refused(self._launcher, result, problem.body.error, self._sender)

    def unless_launched(self, answered: LaunchAnswer) -> web.Response:
        """The answer. Raises ApiError."""
        launch = answered.launch
        match answered.result:
            case LaunchResult.FULL:
                problem = _busy("at_capacity", "as many processes run as may", AGAIN_S)
            case LaunchResult.STOPPING:
                problem = _busy("stopping", "the launcher stops", AGAIN_S)
            case LaunchResult.FAILED:
                problem = ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "not_started", "the command could not be run")
            case LaunchResult.SPENT:
                says = "token: its process has ended; ask with a new token for another one"
                problem = ApiError(HTTPStatus.CONFLICT, "token_spent", says, more={"field": "token"})
            case result if launch is not None:
                self._recorder.asked(self._launcher, result)
                says = f"Worker launched for room: {launch.room}"
                return web.json_response({"status": "success", "message": says, "id": launch.id})
        self.note(answered.result, problem)
        raise problem


def unknown_launcher(there: Iterable[str]) -> ApiError:
    """No launcher has the name that was asked for; there are these."""
    says = f"no launcher has this name; there are {', '.join(there)}"
    return ApiError(HTTPStatus.NOT_FOUND, "unknown_launcher", says)


def _busy(error: str, says: str, again: int) -> ApiError:
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, error, says, headers={"Retry-After": str(again)})


def _forbidden(error: str, says: str, field: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, error, says, more={"field": field})


def _bears(request: web.Request, settings: LauncherSettings) -> bool:
    """Whether the request has the launcher's own token."""
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if settings.token is None or scheme.lower() != "bearer":
        return False
    given = sent.strip().encode(errors="surrogateescape")
    return hmac.compare_digest(given, settings.token.get_secret_value().encode())


def _same_place(url: str, ours: str) -> bool:
    """Whether both URLs lead to one LiveKit; all of a machine's loopback addresses do."""
    try:
        return endpoint(_local(url)) == endpoint(_local(ours))
    except ValueError:  # no URL
        return False


def _local(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return url.replace(f"[{host}]" if ":" in host else host, _LOCALHOST, 1) if loopback else url
