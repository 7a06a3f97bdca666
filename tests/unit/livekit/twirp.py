"""A LiveKit server of one page: it answers each Twirp method as it was told, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import BaseConnector, web
from aiohttp.test_utils import TestServer
from google.protobuf.message import Message
from livekit.protocol import agent_dispatch, models
from livekit.protocol import room as room_service

from dispatcher.core.facts import RoomSid
from dispatcher.livekit.answers import TwirpSession, twirp_session
from dispatcher.livekit.client import CallLimits, LiveKit

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

SID: Final = RoomSid("RM_1")
READS: Final = ("ListRooms", "ListParticipants", "ListDispatch")
ACTS: Final = ("CreateDispatch", "RemoveParticipant", "DeleteDispatch")
PATIENT: Final = CallLimits(look=20, act=20)
HASTY: Final = CallLimits(look=0.2, act=0.2)


class Script:
    """What is answered to whom, what was asked, and what the client told its observer."""

    def __init__(self, session: TwirpSession) -> None:
        self.url = ""
        self.asked: list[tuple[str, bytes]] = []
        self.told: list[tuple[str, str]] = []
        self._session = session
        self._over = asyncio.Event()
        self._news = asyncio.Event()
        self._answers: dict[str, list[Answer]] = {}

    def client(self, limits: CallLimits = PATIENT, *, url: str = "") -> LiveKit:
        """A client of this server, or of another url."""
        secret = "a-secret-of-at-least-thirty-two-bytes"
        return LiveKit(url or self.url, "APIkey", secret, session=self._session, observe=self._observe, limits=limits)

    def answer(self, method: str, *answers: Answer) -> None:
        """From now on the method is answered with these, one after the other, the last one again and again."""
        self._answers[method] = list(answers)

    def answer_all(self, answer: Answer) -> None:
        """Whatever is asked is answered like this."""
        for method in (*READS, *ACTS):
            self.answer(method, answer)

    def show(
        self,
        *participants: models.ParticipantInfo,
        dispatches: tuple[agent_dispatch.AgentDispatch, ...] = (),
        before: Callable[[Answer], Answer] = lambda answer: answer,
    ) -> None:
        """The session's room is live, with these in it; each answer passes through `before`."""
        listed = [models.Room(sid=SID, name="r", metadata="m", creation_time=7)]
        rooms = room_service.ListRoomsResponse(rooms=listed)
        people = room_service.ListParticipantsResponse(participants=participants)
        self.answer("ListRooms", before(reply(rooms)))
        self.answer("ListParticipants", before(reply(people)))
        self.answer(
            "ListDispatch", before(reply(agent_dispatch.ListAgentDispatchResponse(agent_dispatches=dispatches)))
        )

    async def hang(self, _: web.Request) -> web.StreamResponse:
        """No answer until the test is over."""
        await self._over.wait()
        return web.Response()

    async def wait_told(self, count: int) -> None:
        """The client has told its observer of so many requests."""
        while len(self.told) < count:
            self._news.clear()
            await self._news.wait()

    def end(self) -> None:
        """Whoever hangs is let go."""
        self._over.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One Twirp call."""
        method = request.match_info["method"]
        self.asked.append((method, await request.read()))
        answers = self._answers[method]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return await answer(request)

    def _observe(self, method: str, result: str, seconds: float) -> None:
        assert 0 <= seconds < PATIENT.act
        self.told.append((method, result))
        self._news.set()


@asynccontextmanager
async def scripted(connector: BaseConnector | None = None) -> AsyncIterator[Script]:
    """A server that runs, and does not hang when it is stopped; its clients connect through `connector`."""
    async with twirp_session(connector) as session:
        script = Script(session)
        app = web.Application()
        app.router.add_post("/twirp/{service}/{method}", script.serve)
        async with TestServer(app) as running:
            script.url = str(running.make_url("/"))
            yield script
            script.end()


def reply(message: Message) -> Answer:
    """A 200 with this message."""
    return raw(200, message.SerializeToString(), "application/protobuf")


def fail(
    status: int, text: str = '{"code": "some_code", "msg": "tok3n-in-a-message"}', *, retry_after: str | None = None
) -> Answer:
    """An error as Twirp sends it."""
    return raw(status, text.encode(), "application/json", retry_after)


def leads(location: str, status: int) -> Answer:
    """A redirect."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return answer


def raw(status: int, body: bytes, content_type: str, retry_after: str | None = None) -> Answer:
    """Any answer at all."""
    headers = {"Retry-After": retry_after} if retry_after is not None else None

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=content_type, headers=headers)

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection breaks when the request has come in."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
