"""Webhooks of the fake LiveKit: docs/livekit.md §1, seen by a receiver."""

import asyncio

import pytest

from dispatcher.testing import FakeLiveKit, Timings, WebhookOutcome
from tests.integration.stage import FAST, SPEED, received

SECRETS = {"devkey": "d" * 32, "newkey": "n" * 32}


async def sent(livekit: FakeLiveKit, count: int) -> None:
    """LiveKit is done with so many webhooks."""
    await livekit.wait_until(lambda: len(livekit.webhooks_sent) >= count)


async def test_a_webhook_is_signed_and_shaped_as_livekit_does() -> None:
    """Raw token, its own content type, and a body that the SDK's own receiver accepts."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        request, body = receiver.got[0]
        event = receiver.verified(livekit.api_key, livekit.api_secret)[0]
        assert event.event == "room_started"
        assert not request.headers["Authorization"].startswith("Bearer")
        assert request.headers["Content-Type"] == "application/webhook+json"
        assert b'"creationTimeMs": "' in body


async def test_another_key_may_sign() -> None:
    """The first key signs until the story says otherwise."""
    async with FakeLiveKit(keys=SECRETS, timings=FAST) as livekit, received(livekit) as receiver:
        first = livekit.webhook_key
        livekit.webhook_key = "newkey"
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        assert first == livekit.api_key == "devkey"
        assert receiver.verified("newkey", SECRETS["newkey"])


async def test_nothing_is_sent_without_an_address() -> None:
    """Webhooks of a fake that was told of no receiver do not exist."""
    async with FakeLiveKit(timings=FAST) as livekit:
        await livekit.rooms.open("lobby")
        async with received(livekit) as receiver:
            await livekit.rooms.join("lobby", "alice")
            await sent(livekit, 1)

            assert livekit.webhook_url
            assert [body["event"] for body in receiver.bodies()] == ["participant_joined"]


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 413, 501])
async def test_most_answers_count_as_delivered(status: int) -> None:
    """They are never sent again, whatever they say."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, status) as receiver:
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        (one,) = livekit.webhooks_sent
        assert (one.event, one.room, one.outcome) == ("room_started", "lobby", WebhookOutcome.DELIVERED)
        assert (one.status, one.tries, len(receiver.got)) == (status, 1, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_trouble_is_tried_again_with_the_same_bytes(status: int) -> None:
    """The same body, id and token, until one try is answered well; the room's next webhook waits for that."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, status, status, 200) as receiver:
        await livekit.rooms.join("lobby", "alice")
        await sent(livekit, 2)

        assert [(one.event, one.tries) for one in livekit.webhooks_sent] == [
            ("room_started", 3),
            ("participant_joined", 1),
        ]
        tries = receiver.got[:3]
        assert len({body for _, body in tries}) == 1
        assert len({request.headers["Authorization"] for request, _ in tries}) == 1


async def test_five_tries_and_no_more() -> None:
    """After 1, 2, 4 and 8 s the webhook is given up, and the next one has its turn."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, *[503] * 5, 200) as receiver:
        began = asyncio.get_running_loop().time()
        await livekit.rooms.join("lobby", "alice")
        await sent(livekit, 1)
        took = asyncio.get_running_loop().time() - began
        await sent(livekit, 2)

        lost, delivered = livekit.webhooks_sent
        assert (lost.outcome, lost.status, lost.tries) == (WebhookOutcome.GIVEN_UP, 503, 5)
        assert took >= 15 / SPEED
        assert delivered.outcome is WebhookOutcome.DELIVERED
        assert len(receiver.got) == 6


async def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    """A refused connection counts as trouble, without a status."""
    async with FakeLiveKit("http://127.0.0.1:1/webhook", timings=Timings(speed=5000.0)) as livekit:
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        (one,) = livekit.webhooks_sent
        assert (one.outcome, one.status, one.tries) == (WebhookOutcome.GIVEN_UP, None, 5)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_may_ask_for_patience(status: int) -> None:
    """Retry-After in seconds replaces the wait before the next try."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, status, 200) as receiver:
        receiver.headers["Retry-After"] = "10"
        began = asyncio.get_running_loop().time()
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        assert asyncio.get_running_loop().time() - began >= 10 / SPEED


@pytest.mark.parametrize(("status", "retry_after"), [(500, "1000"), (503, "in a week")])
async def test_other_patience_is_not_granted(status: int, retry_after: str) -> None:
    """Retry-After of another status, or not in seconds, changes nothing."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, status, 200) as receiver:
        receiver.headers["Retry-After"] = retry_after
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        assert livekit.webhooks_sent[0].tries == 2


async def test_a_receiver_that_hangs_holds_up_its_own_room_only() -> None:
    """The other room's webhooks arrive meanwhile."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit, hangs=True) as receiver:
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("hall", "bob")
        await livekit.wait_until(lambda: True)
        await receiver.wait_for(2)
        waiting = [body["room"]["name"] for body in receiver.bodies()]
        receiver.answering.set()
        await sent(livekit, 4)

        assert sorted(waiting) == ["hall", "lobby"]


async def test_what_waited_too_long_is_dropped() -> None:
    """A webhook that was in the queue for more than 30 s is not sent any more."""
    timings = Timings(speed=SPEED, webhook_max_age=0.5)
    async with FakeLiveKit(timings=timings) as livekit, received(livekit, 503, 200):
        await livekit.rooms.join("lobby", "alice")
        await sent(livekit, 2)

        assert [one.outcome for one in livekit.webhooks_sent] == [WebhookOutcome.DELIVERED, WebhookOutcome.DROPPED]


async def test_what_comes_behind_too_many_is_dropped() -> None:
    """Behind the one being sent a room's queue holds so many; the next is dropped at once."""
    timings = Timings(speed=SPEED, webhook_max_depth=1)
    async with FakeLiveKit(timings=timings) as livekit, received(livekit):
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("lobby", "bob")
        await sent(livekit, 3)

        dropped, *delivered = livekit.webhooks_sent
        assert (dropped.outcome, dropped.event, dropped.tries) == (WebhookOutcome.DROPPED, "participant_joined", 0)
        assert [one.outcome for one in delivered] == [WebhookOutcome.DELIVERED, WebhookOutcome.DELIVERED]


async def test_webhooks_are_lost() -> None:
    """So many of that event never arrive; the others do."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        livekit.faults.lose_webhooks(1, event="participant_joined")
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("lobby", "bob")
        await sent(livekit, 3)

        assert [one.outcome for one in livekit.webhooks_sent] == [
            WebhookOutcome.DELIVERED,
            WebhookOutcome.LOST,
            WebhookOutcome.DELIVERED,
        ]
        assert [body["event"] for body in receiver.bodies()] == ["room_started", "participant_joined"]


async def test_webhooks_are_repeated() -> None:
    """The same bytes and token arrive so many times."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        livekit.faults.duplicate_webhooks(5, event="room_started")
        await livekit.rooms.join("lobby", "alice")
        await sent(livekit, 6)

        assert len({(request.headers["Authorization"], body) for request, body in receiver.got[:5]}) == 1
        assert receiver.bodies()[5]["event"] == "participant_joined"


async def test_webhooks_are_overtaken() -> None:
    """A delayed webhook arrives after a later one of its room."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        livekit.faults.delay_webhooks(5.0, event="room_started")
        await livekit.rooms.join("lobby", "alice")
        await sent(livekit, 2)

        assert [body["event"] for body in receiver.bodies()] == ["participant_joined", "room_started"]


async def test_healed_webhooks_arrive() -> None:
    """What was armed and not met is forgotten."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit):
        livekit.faults.lose_webhooks(9)
        livekit.faults.clear()
        await livekit.rooms.open("lobby")
        await sent(livekit, 1)

        assert livekit.webhooks_sent[0].outcome is WebhookOutcome.DELIVERED
