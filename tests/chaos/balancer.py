"""What stands before the replicas, as in production: each webhook goes to one that answers, and is remembered here."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Self

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.web import AppRunner, TCPSite

_CARRIED: Final = ("Authorization", "Content-Type", "User-Agent")
_PATIENT: Final = ClientTimeout(total=None)  # a replica that does not answer shows in `seconds`


class Answer(NamedTuple):
    """What a replica answered to one try of a webhook."""

    event: str
    id: str
    room: str
    status: int
    seconds: float


class Balancer:
    """Listens on 127.0.0.1; `replicas` are URLs. Each webhook goes to `copies` of them at once.

    A replica that refuses is passed over; one that breaks off is a 502, so that the sender tries again.
    """

    def __init__(self, replicas: Sequence[str], *, copies: int = 1) -> None:
        self.answers: list[Answer] = []
        self.url = ""
        self._replicas = replicas
        self._copies = copies
        self._turn = itertools.count()

    def accepted(self) -> dict[str, Answer]:
        """The events answered with 200, by id."""
        return {one.id: one for one in self.answers if one.status == 200}

    def heard(self) -> set[str]:
        """The ids of all events that came, however they were answered."""
        return {one.id for one in self.answers}

    async def __aenter__(self) -> Self:
        self._session = ClientSession(connector=TCPConnector(limit=0), timeout=_PATIENT)
        app = web.Application(client_max_size=10 * 2**20)
        app.router.add_post("/webhook", self._balance)
        self._runner = AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/webhook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _balance(self, request: web.Request) -> web.Response:
        body = await request.read()
        said = json.loads(body)
        headers = {name: request.headers[name] for name in _CARRIED}
        came = time.monotonic()
        answers = await asyncio.gather(*(self._ask(order, body, headers) for order in self._orders()))
        for status, _ in answers:
            self.answers.append(
                Answer(said["event"], said["id"], said["room"]["name"], status, time.monotonic() - came)
            )
        status, again = min(answers)
        return web.Response(status=status, headers=again)

    def _orders(self) -> Iterator[list[str]]:
        """In which order the replicas are asked, for each copy; no two copies begin with the same."""
        first = next(self._turn)
        for copy in range(self._copies):
            cut = (first + copy) % len(self._replicas)
            yield [*self._replicas[cut:], *self._replicas[:cut]]

    async def _ask(self, replicas: Sequence[str], body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        for replica in replicas:
            try:
                async with self._session.post(f"{replica}/webhook", data=body, headers=headers) as answer:
                    await answer.read()
                    return answer.status, {k: v for k, v in answer.headers.items() if k == "Retry-After"}
            except ClientConnectorError:
                continue
            except ClientError:
                return 502, {}
        return 502, {}
