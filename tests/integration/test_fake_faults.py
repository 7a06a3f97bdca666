"""What goes wrong with calls of the fake LiveKit, as the real SDK's client sees it."""

import asyncio

import aiohttp
import pytest
from livekit.api import ServerError
from livekit.protocol.room import ListRoomsRequest

from dispatcher.testing import FakeLiveKit
from tests.integration.stage import FAST, SPEED, asks, client


async def test_a_lost_reply_was_a_dispatch_all_the_same() -> None:
    """The connection breaks after the call was executed; the next call is answered."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.lose_replies("CreateDispatch", 1)
        with pytest.raises(aiohttp.ClientError):
            await api.agent_dispatch.create_dispatch(asks("lobby"))
        await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert len(livekit.rooms.dispatches_in("lobby")) == 2
        assert [call.status for call in livekit.calls] == [None, 200]


async def test_a_reply_may_never_come() -> None:
    """With `hang` the connection stays open and silent, even while the server stops."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.lose_replies("CreateDispatch", hang=True)
        asking = asyncio.create_task(api.agent_dispatch.create_dispatch(asks("lobby")))
        await livekit.wait_until(lambda: livekit.rooms.dispatches_in("lobby"))
        await api.room.list_rooms(ListRoomsRequest())

        assert not asking.done()
        await livekit.stop_api()
        with pytest.raises(aiohttp.ClientError):
            await asking
    assert "CreateDispatch unanswered" in livekit.describe()


async def test_a_connection_breaks_before_the_call() -> None:
    """Nothing was executed, which the caller cannot know."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.reset("CreateDispatch")
        with pytest.raises(aiohttp.ClientError):
            await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert len(livekit.create_calls) == 1
        assert livekit.rooms.names() == []


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_argument"), (401, "unauthenticated"), (500, "internal"), (502, "unknown")]
)
async def test_a_call_fails_as_told(status: int, code: str) -> None:
    """So many times, with the Twirp code of that status; nothing is executed."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.fail("CreateDispatch", status=status, times=2)
        for _ in range(2):
            with pytest.raises(ServerError) as caught:
                await api.agent_dispatch.create_dispatch(asks("lobby"))
            assert (caught.value.status, caught.value.code) == (status, code)
        made = livekit.rooms.names()
        await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert made == []
        assert [call.status for call in livekit.calls] == [status, status, 200]


async def test_every_call_is_refused_for_a_while() -> None:
    """429 with Retry-After, whatever the method."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.refuse(429, retry_after=1.5)
        with pytest.raises(ServerError) as caught:
            await api.room.list_rooms(ListRoomsRequest())

        assert (caught.value.status, caught.value.code) == (429, "resource_exhausted")
        assert livekit.calls[0].status == 429


async def test_a_call_is_slow() -> None:
    """It is answered that much later."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.faults.slow("CreateDispatch", 5.0)
        began = asyncio.get_running_loop().time()
        await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert asyncio.get_running_loop().time() - began >= 5.0 / SPEED


async def test_livekit_is_down_and_comes_back() -> None:
    """Connections are refused; the rooms are still there when it answers again at the same address."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby")
        await livekit.stop_api()
        with pytest.raises(aiohttp.ClientConnectorError):
            await api.room.list_rooms(ListRoomsRequest())
        await livekit.start_api()

        assert len((await api.room.list_rooms(ListRoomsRequest())).rooms) == 1
