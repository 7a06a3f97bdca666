"""Webhooks as LiveKit sends them: one queue for each room name, every try the same bytes, id, token (livekit.md §1)."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import aiohttp
from google.protobuf.json_format import MessageToJson
from livekit.protocol.webhook import WebhookEvent

from dispatcher.core.facts import ABORTED
from dispatcher.livekit.webhook import sign
from dispatcher.testing.faults import Armed, Delay, Lose, Repeat, WebhookFault
from dispatcher.testing.release import ServerRelease
from dispatcher.testing.timers import Timers, Timings

_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)  # as LiveKit: a receiver that hangs holds up its room
_HEADERS: Final = {"User-Agent": "Go-http-client/1.1", "Content-Type": "application/webhook+json"}


class WebhookOutcome(StrEnum):
    """What became of a webhook."""

    DELIVERED = "delivered"  # answered, with anything but 429 and 5xx (501 counts as delivered)
    GIVEN_UP = "given_up"  # no such answer in any try
    DROPPED = "dropped"  # waited too long, or behind too many
    LOST = "lost"  # a fault: never sent


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook that LiveKit is done with. `status` is the last answer, None where there was none."""

    event: str
    id: str
    room: str
    outcome: WebhookOutcome
    status: int | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str


@dataclass(frozen=True, slots=True)
class _Queued:
    event: WebhookEvent
    url: str
    since: float  # the loop's clock
    fault: WebhookFault | None


def webhook_body(event: WebhookEvent) -> bytes:
    """The event as LiveKit writes it: camelCase, zero values left out, 64-bit numbers as strings."""
    return MessageToJson(event, indent=None, ensure_ascii=False).encode()


class Webhooks:
    """The sender. Without a `url` nothing is sent. `key` names the one of `keys` that signs: the first, at first."""

    def __init__(
        self,
        keys: Mapping[str, str],
        timers: Timers,
        timings: Timings,
        release: ServerRelease,
        done: Callable[[], None],
    ) -> None:
        self.url: str | None = None
        self.key = next(iter(keys))
        self.sent: list[Sent] = []
        self.faults: Armed[WebhookFault] = Armed()
        self._keys = keys
        self._timers = timers
        self._timings = timings
        self._release = release
        self._done = done
        self._queues: dict[str, deque[_Queued]] = {}
        self._session: aiohttp.ClientSession | None = None

    def tell(self, event: WebhookEvent) -> None:
        """The event is queued behind those of the same room name, as far as this release tells of it."""
        if self.url is None or (event.event == ABORTED and not self._release.tells_aborted):
            return
        if not self._release.tells_room_end_reason:
            event.ClearField("room_end_reason")
        queue = self._queues.setdefault(event.room.name, deque())
        if len(queue) > self._timings.webhook_max_depth:
            self._conclude(event, WebhookOutcome.DROPPED)
            return
        queue.append(_Queued(event, self.url, asyncio.get_running_loop().time(), self.faults.take(event.event)))
        if len(queue) == 1:
            self._timers.spawn(self._work(event.room.name, queue))

    async def aclose(self) -> None:
        """Connections are closed; the timers' own `aclose` ends the queues."""
        if self._session is not None:
            await self._session.close()

    async def _work(self, room: str, queue: deque[_Queued]) -> None:
        """Sends until the queue is empty. The webhook being sent is the first in it."""
        while queue:
            if self._timers.past(queue[0].since) > self._timings.webhook_max_age:
                self._conclude(queue[0].event, WebhookOutcome.DROPPED)
            else:
                await self._send(queue[0])
            queue.popleft()
        del self._queues[room]

    async def _send(self, queued: _Queued) -> None:
        match queued.fault:
            case None:
                await self._deliver(queued)
            case Lose():
                self._conclude(queued.event, WebhookOutcome.LOST)
            case Repeat(copies):
                await self._deliver(queued, copies)
            case Delay(seconds):
                self._timers.spawn(self._deliver_late(queued, seconds))

    async def _deliver_late(self, queued: _Queued, seconds: float) -> None:
        await self._timers.sleep(seconds)
        await self._deliver(queued)

    async def _deliver(self, queued: _Queued, copies: int = 1) -> None:
        body = webhook_body(queued.event)
        signed_at, secret = self._timers.now_ms(), self._keys[self.key]
        token = sign(body, key=self.key, secret=secret, now=signed_at, iat=self._release.signs_iat)
        await asyncio.gather(*(self._try(queued, body, token) for _ in range(copies)))

    async def _try(self, queued: _Queued, body: bytes, token: str) -> None:
        answer = await self._post(queued.url, body, token)
        tries = 1
        for wait in self._timings.webhook_retries:
            if not _tried_again(answer):
                break
            await self._timers.sleep(_asked_wait(answer, wait))
            answer = await self._post(queued.url, body, token)
            tries += 1
        outcome = WebhookOutcome.GIVEN_UP if _tried_again(answer) else WebhookOutcome.DELIVERED
        self._conclude(queued.event, outcome, answer, tries)

    async def _post(self, url: str, body: bytes, token: str) -> _Answer | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_NO_TIMEOUT)
        try:
            headers = {**_HEADERS, "Authorization": token}
            async with self._session.post(url, data=body, headers=headers) as response:
                await response.read()
                return _Answer(response.status, response.headers.get("Retry-After", ""))
        except aiohttp.ClientError:
            return None

    def _conclude(
        self, event: WebhookEvent, outcome: WebhookOutcome, answer: _Answer | None = None, tries: int = 0
    ) -> None:
        status = None if answer is None else answer.status
        self.sent.append(Sent(event.event, event.id, event.room.name, outcome, status, tries))
        self._done()


def _tried_again(answer: _Answer | None) -> bool:
    return answer is None or answer.status == 429 or (answer.status >= 500 and answer.status != 501)


def _asked_wait(answer: _Answer | None, wait: float) -> float:
    """A Retry-After in seconds counts for 429 and 503, and nothing caps it (docs/livekit.md §1.4)."""
    if answer is None or answer.status not in {429, 503} or not answer.retry_after.isdecimal():
        return wait
    return int(answer.retry_after)
