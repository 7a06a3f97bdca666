"""What a worker of livekit-agents answers over HTTP, without the worker: for tests of who asks it."""

import asyncio
import json
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from dispatcher.testing.server import Server

_VERSION: Final = "1.8.9"


class WorkerServer:
    """`GET /worker` and `GET /` on 127.0.0.1, as livekit-agents 1.8.9 answers them, or, with `node`, that of Node.

    `async with WorkerServer("greeter") as worker`, then `worker.url`. What it says may change while it runs.
    """

    def __init__(self, agent: str, *, type: str = "JT_ROOM", node: bool = False) -> None:  # noqa: A002 LiveKit's word
        self.agent = agent
        self.type = type
        self.node = node
        self.jobs = 0
        self.load = 0.0
        self.ready = True
        self.body: bytes | None = None  # of /worker, instead of its own
        self.status = 200  # of /worker
        self.hangs = False
        self.asked: list[str] = []  # the Host of each question
        self._server = Server(self._app)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port of `url`."""
        return self._server.port

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def go_down(self) -> None:
        """It refuses connections, as a worker that has ended."""
        await self._server.stop()

    async def come_back(self) -> None:
        """It answers again, at the same address."""
        await self._server.start()

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/", self._health), web.get("/worker", self._worker)])
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="OK") if self.ready else web.Response(status=503, text="failed to connect to livekit")

    async def _worker(self, request: web.Request) -> web.Response:
        self.asked.append(request.host)
        if self.hangs:
            await asyncio.Event().wait()
        answer = web.Response(status=self.status, body=self._body() if self.body is None else self.body)
        if not self.node:
            answer.content_type = "application/json"
        else:
            answer.headers.popall("Content-Type", None)
        return answer

    def _body(self) -> bytes:
        """Protobuf's JSON, of Python, leaves out what is empty or 0."""
        said = {"agent_name": self.agent, "worker_type": self.type, "active_jobs": self.jobs}
        if self.node:
            return json.dumps(said).encode()
        python = said | {"sdk_version": _VERSION, "worker_load": self.load, "protocol_version": 1}
        return json.dumps({name: value for name, value in python.items() if value}).encode()
