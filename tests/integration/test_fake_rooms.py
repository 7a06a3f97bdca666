"""Rooms of the fake LiveKit: what happens in them, and the webhooks that tell of it."""

import asyncio

import pytest

from dispatcher.testing import FakeLiveKit, NeverSeen, Timings
from tests.integration.stage import FAST, SPEED, Receiver, received


async def told(livekit: FakeLiveKit, receiver: Receiver, count: int) -> list[tuple[str, str]]:
    """Of the first webhooks, what each is and whom it is about."""
    await livekit.wait_until(lambda: len(livekit.webhooks_sent) >= count)
    return [(body["event"], body.get("participant", {}).get("identity", "")) for body in receiver.bodies()]


async def test_a_life_of_a_room() -> None:
    """Joining opens the room, deleting it sends everybody away, and each is told in order."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("lobby", "bob")
        await livekit.rooms.leave("lobby", "bob", "CONNECTION_TIMEOUT")
        await livekit.rooms.close("lobby")

        assert await told(livekit, receiver, 6) == [
            ("room_started", ""),
            ("participant_joined", "alice"),
            ("participant_joined", "bob"),
            ("participant_left", "bob"),
            ("participant_left", "alice"),
            ("room_finished", ""),
        ]
        bodies = receiver.bodies()
        assert [body["participant"].get("disconnectReason") for body in bodies[3:5]] == [
            "CONNECTION_TIMEOUT",
            "ROOM_DELETED",
        ]
        assert len({body["id"] for body in bodies}) == 6
        assert {body["room"]["sid"] for body in bodies} == {bodies[0]["room"]["sid"]}
        assert livekit.rooms.names() == []


async def test_the_same_identity_puts_the_first_one_out() -> None:
    """participant_left with DUPLICATE_IDENTITY, then participant_joined under a new SID."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        first = (await livekit.rooms.join("lobby", "alice")).sid
        second = (await livekit.rooms.join("lobby", "alice")).sid

        assert (await told(livekit, receiver, 4))[2:] == [
            ("participant_left", "alice"),
            ("participant_joined", "alice"),
        ]
        left, joined = (body["participant"] for body in receiver.bodies()[2:])
        assert (left["sid"], left["disconnectReason"]) == (first, "DUPLICATE_IDENTITY")
        assert joined["sid"] == second != first


async def test_a_connection_without_media_is_aborted() -> None:
    """Nobody joined; one who was in the room can be aborted as well."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.abort("lobby", "bob")
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.abort("lobby", "alice")

        assert await told(livekit, receiver, 4) == [
            ("room_started", ""),
            ("participant_connection_aborted", "bob"),
            ("participant_joined", "alice"),
            ("participant_connection_aborted", "alice"),
        ]
        assert livekit.rooms.people_in("lobby") == []


async def test_a_track_says_little_of_its_room() -> None:
    """track_published names room and participant and carries nothing else of them."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby", metadata="m")
        await livekit.rooms.join("lobby", "alice", attributes={"a": "b"})
        await livekit.rooms.publish("lobby", "alice")
        await told(livekit, receiver, 3)

        body = receiver.bodies()[-1]
        assert body["event"] == "track_published"
        assert set(body["room"]) == {"sid", "name"}
        assert set(body["participant"]) == {"sid", "identity"}
        assert livekit.rooms.people_in("lobby")[0].is_publisher


async def test_metadata_change_without_a_webhook() -> None:
    """The next webhook shows the new metadata; none tells of the change."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby")
        await livekit.rooms.set_metadata("lobby", "new")
        await livekit.rooms.join("lobby", "alice")
        await told(livekit, receiver, 2)

        assert [body["room"].get("metadata") for body in receiver.bodies()] == [None, "new"]


async def test_a_room_that_nobody_joins_closes() -> None:
    """At its empty timeout; agents do not keep it."""
    async with FakeLiveKit(timings=Timings(speed=SPEED, empty_timeout=10)) as livekit:
        livekit.workers.register("greeter")
        await livekit.rooms.open("lobby", agents=["greeter"])
        await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))

        await livekit.wait_until(lambda: not livekit.rooms.names())


async def test_a_room_finishes_once() -> None:
    """Closed by hand, it does not close again at its empty timeout."""
    async with FakeLiveKit(timings=Timings(speed=SPEED, empty_timeout=5)) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby")
        await livekit.rooms.close("lobby")
        await livekit.rooms.open("hall")
        await told(livekit, receiver, 4)

        finished = [body["room"]["name"] for body in receiver.bodies() if body["event"] == "room_finished"]
        assert finished == ["lobby", "hall"]


async def test_a_room_that_everybody_left_closes() -> None:
    """At its departure timeout after the last leave, and its agents leave as ROOM_CLOSED."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("lobby", "agent-x", kind="AGENT")
        await livekit.rooms.leave("lobby", "alice")

        assert (await told(livekit, receiver, 6))[-2:] == [("participant_left", "agent-x"), ("room_finished", "")]
        assert receiver.bodies()[-2]["participant"]["disconnectReason"] == "ROOM_CLOSED"


def now() -> float:
    """The loop's clock, at the fake's speed."""
    return asyncio.get_running_loop().time() * SPEED


async def test_the_last_leave_counts() -> None:
    """A room that was left, joined and left again closes a departure timeout after the second time."""
    async with FakeLiveKit(timings=FAST) as livekit:
        livekit.workers.register("ten seconds later", join_after=10.0)
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.leave("lobby", "alice")
        await livekit.rooms.open("clock", agents=["ten seconds later"])
        await livekit.wait_until(lambda: livekit.rooms.agents_in("clock"))
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.leave("lobby", "alice")
        left_at = now()
        await livekit.wait_until(lambda: livekit.rooms.names() == ["clock"])

        assert now() - left_at >= 20


async def test_the_leave_of_an_agent_does_not_close_a_room() -> None:
    """A room that only an agent was in waits for people until its empty timeout."""
    async with FakeLiveKit(timings=Timings(speed=SPEED, empty_timeout=30, departure_timeout=1)) as livekit:
        opened_at = now()
        await livekit.rooms.join("lobby", "agent-x", kind="AGENT")
        await livekit.rooms.leave("lobby", "agent-x")
        await livekit.wait_until(lambda: not livekit.rooms.names())

        assert now() - opened_at >= 30


async def test_somebody_who_comes_back_keeps_the_room() -> None:
    """A room left and joined again within its departure timeout is the same room, and stays."""
    async with FakeLiveKit(timings=FAST) as livekit:
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.leave("lobby", "alice")
        await livekit.rooms.join("lobby", "alice")

        with pytest.raises(NeverSeen, match=r"room lobby .*: alice"):
            await livekit.wait_until(lambda: not livekit.rooms.names(), within=0.6)


async def test_who_counts_as_people_and_who_as_agents() -> None:
    """Hidden ones, recorders and avatars are neither; a room that is not live has nobody."""
    async with FakeLiveKit(timings=FAST) as livekit:
        for identity, kind in [("alice", "STANDARD"), ("call", "SIP"), ("rec", "EGRESS"), ("agent-1", "AGENT")]:
            await livekit.rooms.join("lobby", identity, kind=kind)
        await livekit.rooms.join("lobby", "spy", hidden=True)
        await livekit.rooms.join("lobby", "avatar", kind="AGENT", attributes={"lk.publish_on_behalf": "agent-1"})

        assert [one.identity for one in livekit.rooms.people_in("lobby")] == ["alice", "call"]
        assert [one.identity for one in livekit.rooms.agents_in("lobby")] == ["agent-1"]
        assert livekit.rooms.agents_in("attic") == livekit.rooms.dispatches_in("attic") == []


@pytest.mark.parametrize("room", ["lobby", "attic"])
async def test_nobody_can_leave_who_is_not_there(room: str) -> None:
    """A story that names a wrong room or participant is stopped."""
    async with FakeLiveKit(timings=FAST) as livekit:
        await livekit.rooms.open("lobby")
        with pytest.raises(KeyError):
            await livekit.rooms.leave(room, "nobody")


async def test_the_world_can_be_described() -> None:
    """What a failed test shows: rooms, calls and webhooks."""
    async with FakeLiveKit(timings=FAST) as livekit:
        empty = livekit.describe()
        await livekit.rooms.open("lobby", agents=["greeter"])

        assert empty == "no rooms\ncalls: none\nwebhooks: none"
        assert "of greeter: no jobs" in livekit.describe()
