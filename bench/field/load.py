"""Rooms that open at a fixed rate, whatever becomes of them: three webhooks each, or six if they end 3 s later.

A time counts from the instant at which something was due to be sent, so who answers late is not asked later for it.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import json_format
from livekit.protocol import models

from bench.field.background import Background, of
from bench.field.livekit import LiveKit, Visit
from bench.field.wire import Client

KEY: Final = "devkey"
SECRET: Final = "bench-secret-bench-secret-bench-secret"  # noqa: S105 of this benchmark
JOINED_S: Final = 0.01  # the person, after the room has opened
LIFE_S: Final = 3.0  # of a room that ends, from its agent's joining: the person leaves, and
LEAVES_S: Final = 0.02  # then the agent does, and the room ends
LATE_S: Final = 5.0  # for an agent of the last room; who has none then has missed it
PACE_S: Final = 0.003  # between two that are ended at last
SETTLE_S: Final = 0.5  # after the last room, for what is still under way
METADATA: Final = json.dumps({"tenant": "acme", "plan": "pro"})

_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


@dataclass(slots=True)
class Figures:
    """What one run gave: spans in ms from when each was due."""

    rooms: int
    acknowledged: list[float] = field(default_factory=list)
    created: list[float] = field(default_factory=list)  # from a person's webhook to the CreateDispatch
    failed: int = 0  # webhooks that were not answered with 2xx
    twice: int = 0  # rooms for which more than one agent was asked
    calls: int = 0  # to LiveKit
    late: list[float] = field(default_factory=list)  # so late was each room that we opened
    pause: float | None = None  # the longest of the contender's event loop

    @property
    def missing(self) -> int:
        """Rooms for which no agent was asked."""
        return self.rooms - len(self.created)


class Load:
    """Sends what LiveKit would send of rooms that open, to each port in turn."""

    def __init__(self, *ports: int, metadata: str = METADATA) -> None:
        self._clients = itertools.cycle([Client(port) for port in ports])
        self._metadata = metadata
        self._loop = asyncio.get_running_loop()
        self._sent: set[asyncio.Task[None]] = set()
        self._figures = Figures(rooms=0)
        self._news = asyncio.Event()  # a room has its agent, or has ended
        self._ends = True
        self._numbers = itertools.count(1)
        self.livekit = LiveKit(self._agent_joined)

    async def run(self, rate: float, rooms: int, background: float = 0, *, ends: bool = True) -> Figures:
        """So many rooms, `rate` a second, each of another name; what came of it once all has settled.

        In the background are so many other webhooks a second. Rooms that do not end stay until `clear`.
        """
        self._figures, self._ends, before = Figures(rooms=rooms), ends, self.livekit.calls.total()
        beside = self._loop.create_task(self._background(background, rooms / rate)) if background else None
        visits, starts = [], self._loop.time() + 0.1
        for number in range(rooms):
            due = starts + number / rate
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            self._figures.late.append(1000 * (self._loop.time() - due))
            visits.append((due, self._opened(due)))
        if beside:
            await beside
        await self._settled()
        figures = self._figures
        for due, visit in visits:
            if visit.asked_at:
                figures.created.append(1000 * (visit.asked_at - due - JOINED_S))
            figures.twice += len(visit.dispatches) > 1
        figures.calls = self.livekit.calls.total() - before
        return figures

    async def _background(self, rate: float, seconds: float) -> None:
        background, starts = Background(self.livekit, self._numbers), self._loop.time() + 0.1
        for number in range(int(rate * seconds)):
            due = starts + number / rate
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            told = background.event()
            self._send(due, told.name, told.visit, told.content)
        background.close()

    async def clear(self) -> None:
        """Every room has ended, those that got no agent too, and every webhook is answered."""
        for visit in list(self.livekit.visits.values()):
            self._closed(visit)
            await asyncio.sleep(PACE_S)
        async with asyncio.timeout(60):
            while self._sent:
                await asyncio.wait(self._sent)
        await asyncio.sleep(SETTLE_S)

    async def _settled(self) -> None:
        """Every room has ended, or each has its agent if they are to stay."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LIFE_S + LATE_S):
                while not all(visit.agents and not self._ends for visit in self.livekit.visits.values()):
                    self._news.clear()
                    await self._news.wait()
        if self._ends:
            await self.clear()
        else:
            await asyncio.sleep(SETTLE_S)

    def _opened(self, due: float) -> Visit:
        number, now_ms = next(self._numbers), time.time_ns() // 1_000_000
        room = models.Room(sid=f"RM_{number:012}", name=f"room-{number}", metadata=self._metadata, num_participants=1)
        room.creation_time, room.creation_time_ms = now_ms // 1000, now_ms
        person = models.ParticipantInfo(sid=f"PA_{number:012}", identity=f"person-{number}", name="Somebody")
        person.state = models.ParticipantInfo.ACTIVE
        person.joined_at, person.joined_at_ms = now_ms // 1000, now_ms
        visit = self.livekit.visits[room.name] = Visit(room, person)
        self._send(due, "room_started", visit, {})
        self._loop.call_at(due + JOINED_S, self._person_joined, due + JOINED_S, visit)
        return visit

    def _person_joined(self, due: float, visit: Visit) -> None:
        visit.people.append(visit.person)
        self._send(due, "participant_joined", visit, of(visit.person))

    def _agent_joined(self, visit: Visit, agent: models.ParticipantInfo) -> None:
        self._send(self._loop.time(), "participant_joined", visit, of(agent))
        self._news.set()
        if self._ends and len(visit.agents) == 1:
            self._loop.call_later(LIFE_S, self._person_left, visit)

    def _person_left(self, visit: Visit) -> None:
        if visit.room.name in self.livekit.visits:
            visit.people.clear()
            self._send(self._loop.time(), "participant_left", visit, of(visit.person))
            self._loop.call_later(LEAVES_S, self._closed, visit)

    def _closed(self, visit: Visit) -> None:
        if self.livekit.visits.pop(visit.room.name, None) is not None:
            for agent in visit.agents:
                self._send(self._loop.time(), "participant_left", visit, of(agent))
            self._send(self._loop.time(), "room_finished", visit, {})
            self._news.set()

    def _send(self, due: float, event: str, visit: Visit, more: dict[str, object]) -> None:
        content = {"event": event, **more, "id": f"EV_{next(self._numbers):012}", "createdAt": str(int(time.time()))}
        if "egressInfo" not in more:
            content["room"] = json_format.MessageToDict(visit.room)
        request = _signed(json.dumps(content).encode())
        self._start(self._acknowledged(due, request))

    async def _acknowledged(self, due: float, request: bytes) -> None:
        try:
            reply = await next(self._clients).post(request)
        except OSError:
            self._figures.failed += 1
            return
        self._figures.failed += not 200 <= reply.status < 300
        self._figures.acknowledged.append(1000 * (reply.at - due))

    def _start(self, sending: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(sending)
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)


def _signed(body: bytes) -> bytes:
    """A webhook as livekit-server sends it."""
    head = (
        "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: {_token(body)}\r\n"
        "Content-Type: application/webhook+json\r\n\r\n"
    )
    return head.encode() + body


def _token(body: bytes) -> str:
    now, digest = int(time.time()), base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = json.dumps({"iss": KEY, "exp": now + 300, "nbf": now - 5, "iat": now, "sha256": digest}).encode()
    signed = _HEADER + b"." + base64.urlsafe_b64encode(claims).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).rstrip(b"=")
    return (signed + b"." + signature).decode()
