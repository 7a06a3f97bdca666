"""A server that says for how long it wants to be left alone is left alone for as long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit.protocol import agent_dispatch
from livekit.protocol import room as room_service

from dispatcher.core.rules import Target
from dispatcher.livekit.client import CallLimits, LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason, Unavailable
from tests.unit.livekit.twirp import SID, Script, fail, reply, scripted

ROOMS = reply(room_service.ListRoomsResponse())


@pytest.fixture
async def server() -> AsyncIterator[Script]:
    """A scripted LiveKit."""
    async with scripted() as script:
        yield script


async def refused(livekit: LiveKit) -> float | None:
    """For how many seconds it says it wants to be left alone."""
    with pytest.raises(Unavailable) as caught:
        await livekit.rooms()
    assert caught.value.reason is Reason.LIMITED
    return caught.value.retry_after


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("86400", 60.0),
        ("0", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
async def test_a_span_is_understood_and_nothing_else(server: Script, said: str | None, seconds: float | None) -> None:
    """A minute at most; a date says nothing here."""
    server.answer("ListRooms", fail(429, retry_after=said))
    assert await refused(server.client()) == seconds


async def test_it_is_asked_nothing_until_then(server: Script) -> None:
    """Calls of every kind fail as limited, with what is left of the span, and nothing is sent; then it is asked."""
    server.answer("ListRooms", fail(429, retry_after="0.2"), ROOMS)
    server.answer("CreateDispatch", reply(agent_dispatch.AgentDispatch(id="AD_1")))
    livekit = server.client()
    await refused(livekit)
    assert 0 < (await refused(livekit) or 0) <= 0.2
    for call in (
        livekit.create("r", Target("x"), metadata="", tag=""),
        livekit.remove("r", "x"),
        livekit.look("r", SID),
    ):
        with pytest.raises(Unavailable, match="limited"):
            await call
    assert [method for method, _ in server.asked] == ["ListRooms"]
    assert server.told == [("ListRooms", "limited")]
    await asyncio.sleep(0.2)
    assert await livekit.rooms() == ()


async def test_the_header_of_another_answer_means_nothing(server: Script) -> None:
    """503 is no refusal of this project."""
    server.answer("ListRooms", fail(503, retry_after="30"))
    with pytest.raises(LiveKitError) as caught:
        await server.client().rooms()
    assert (caught.value.reason, caught.value.retry_after) == (Reason.SERVER, None)


async def test_one_projects_refusal_is_not_anothers(server: Script) -> None:
    """Though they share connections."""
    server.answer("ListRooms", fail(429, retry_after="30"), ROOMS)
    await refused(server.client())
    assert await server.client().rooms() == ()


async def test_where_requests_are_counted_a_read_is_tried_once(server: Script) -> None:
    """A second try would be one request more than was counted."""
    server.answer("ListRooms", fail(500))
    for limits, times in ((CallLimits(), 2), (CallLimits(tries=1), 1)):
        server.asked.clear()
        with pytest.raises(Unavailable, match="server"):
            await server.client(limits).rooms()
        assert len(server.asked) == times
