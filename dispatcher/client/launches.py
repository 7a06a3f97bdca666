"""A running launcher as a program asks it: which launches there are, what one has written, and its end."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from aiohttp import ClientSession, DummyCookieJar
from msgspec import Struct

from dispatcher.client.transport import WITHIN_S, Answer, RequestFailed, ask

HOST: Final = "127.0.0.1"
PORT: Final = 8089  # where clients of LiveKit's old example look for it
STOP_WITHIN_S: Final = 330.0  # the longest `stop_within` that a launcher may have, and what the kernel needs


class ListedLaunch(Struct, frozen=True):
    """A launch, as docs/launcher.md explains it. Spans are milliseconds, instants milliseconds since 1970."""

    id: str
    launcher: str
    project: str
    room: str
    identity: str
    state: str
    accepted_at: int
    age_ms: int
    start: str
    tries: int
    joined_after_ms: int | None
    pid: int | None = None
    rss_bytes: int | None = None
    why: str | None = None  # it has ended
    exit_code: int | None = None
    exit_signal: str | None = None
    ended_at: int | None = None


class ListedLaunches(Struct, frozen=True):
    launches: tuple[ListedLaunch, ...]
    free: Mapping[str, int]  # places, by launcher


class _Problem(Struct, frozen=True):
    error: str
    detail: str = ""
    field: str = ""


class Launcher:
    """One launcher: `async with Launcher(url, token) as launcher`. Each method raises RequestFailed."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http: ClientSession

    async def __aenter__(self) -> Self:
        self._http = ClientSession(cookie_jar=DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def launches(self, *, ended: bool = False) -> ListedLaunches:
        """Those that run; with `ended` also those that have ended, as long as they are kept."""
        answer = await self._asked("GET", f"/v1/launches?ended={str(ended).lower()}")
        return answer.read(ListedLaunches)

    async def log(self, launch_id: str, lines: int) -> str:
        """The last lines that its process wrote."""
        answer = await self._asked("GET", f"/v1/launches/{quote(launch_id, safe='')}/log?lines={lines}")
        return answer.body.decode(errors="replace")

    async def stop(self, launch_id: str) -> ListedLaunch:
        """End it: then nothing of it runs."""
        path = f"/v1/launches/{quote(launch_id, safe='')}/stop"
        return (await self._asked("POST", path, STOP_WITHIN_S)).read(ListedLaunch)

    async def _asked(self, method: str, path: str, within: float = WITHIN_S) -> Answer:
        answer = await ask(self._http, method, f"{self._url}{path}", self._headers, within=within)
        if answer.status != 200:
            said = answer.read(_Problem)
            raise RequestFailed(said.detail or said.error, error=said.error, status=answer.status, answer=answer)
        return answer
