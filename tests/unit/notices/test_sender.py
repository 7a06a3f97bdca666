"""What is owed is sent: once where it is taken, again where it is not, by whoever is alive."""

from collections.abc import Sequence

import pytest

from dispatcher.core import timing
from dispatcher.core.notices import NoticeKind
from dispatcher.core.troubles import TroubleKind
from dispatcher.notices.post import NotDelivered, Receipt
from dispatcher.notices.queues import Kept
from dispatcher.telemetry.health import Health
from tests.unit.notices.scene import DOWN, PACING, TAKEN, Scene
from tests.unit.notices.tell import happening, receiver


async def about_to_send(*receivers: str) -> Scene:
    """A room has starved, and the message about it is due."""
    scene = Scene(*(receiver(name=name, pacing=PACING) for name in receivers))
    await scene.happen(happening())
    await scene.collector.collect()
    scene.watch.later(PACING.wait)
    return scene


def counted(scene: Scene, result: str) -> float | None:
    """How often a try ended so."""
    labels = {"receiver": "ops", "result": result}
    return scene.registry.get_sample_value("livekit_dispatcher_notices_total", labels)


async def test_what_is_taken_is_sent_once() -> None:
    """And logged, and counted."""
    scene = await about_to_send()

    assert await scene.send_all() == 1
    scene.watch.later(timing.NOTICE_DAY_MS // 2)
    assert await scene.send_all() == 0

    assert scene.tried() == [("ops", "room.starved", 1)]
    assert [line["action"] for line in scene.lines] == ["notice.delivered"]
    assert counted(scene, "delivered") == 1


async def test_a_receiver_that_is_away_gets_it_when_it_is_back() -> None:
    """The same message, with the same id; what has come meanwhile is one more."""
    scene = await about_to_send()
    scene.answer = lambda _: DOWN
    await scene.send_all()
    for room in "bcd":
        await scene.happen(happening(room=room))
    await scene.collector.collect()
    scene.watch.later(timing.NOTICE_BACKOFF_MS // 2)
    assert await scene.send_all() == 0

    scene.answer = lambda _: Receipt(status=204)
    scene.watch.later(PACING.interval)
    assert await scene.send_all() == 2

    assert scene.tried() == [("ops", "room.starved", 1), ("ops", "room.starved", 1), ("ops", "room.starved", 3)]
    assert scene.posted[0][1] == scene.posted[1][1]
    assert [line["action"] for line in scene.lines][:2] == ["notice.failed", "notice.delivered"]
    assert scene.lines[0]["why"] == "unreachable"


async def test_a_receiver_that_is_away_for_a_day_is_given_up_and_told_of_what_comes_then() -> None:
    """Given up loudly; the next incident is tried as any other."""
    scene = await about_to_send()
    scene.answer = lambda _: Receipt(NotDelivered.FAILED, 500)
    for _ in range(60):
        await scene.send_all()
        scene.watch.later(timing.NOTICE_BACKOFF_CAP_MS * 5 // 4)
    assert [line["action"] for line in scene.lines][-1] == "notice.given_up"
    assert counted(scene, "given_up") == 1

    scene.answer = lambda _: Receipt(status=200)
    await scene.happen(happening(NoticeKind.ROOM_RECOVERED))
    await scene.collector.collect()
    scene.watch.later(PACING.wait)
    await scene.send_all()

    assert scene.tried()[-1] == ("ops", "room.recovered", 1)


async def test_one_receiver_s_trouble_is_not_another_s() -> None:
    """Each has a queue of its own."""
    scene = await about_to_send("ops", "dead")
    scene.answer = lambda to: DOWN if to.name == "dead" else Receipt(status=200)

    await scene.send_all("dead")
    await scene.send_all("ops")

    assert [line["action"] for line in scene.lines] == ["notice.failed", "notice.delivered"]


async def test_killed_while_it_sends_it_is_succeeded() -> None:
    """Nobody knows whether the message arrived: after a while it is sent again, with the same id."""
    scene = await about_to_send()

    async def die(*_: object) -> Receipt:
        raise SystemExit

    scene.sender.post = die
    try:
        await scene.sender.send("ops")
    except SystemExit:
        scene.sender = scene.new_sender()
    assert await scene.send_all() == 0

    scene.watch.later(timing.NOTICE_TRY_MS)

    assert await scene.send_all() == 1
    assert scene.tried() == [("ops", "room.starved", 1)]


async def test_two_replicas_send_a_message_once() -> None:
    """Whoever is second, at the very same instant, finds that it is being sent."""
    scene = await about_to_send()
    other = scene.new_sender()
    read = other.queues.read

    async def meanwhile(names: Sequence[str]) -> Sequence[Kept]:
        found = await read(names)
        assert await scene.sender.send("ops")
        return found

    other.queues.read = meanwhile  # type: ignore[method-assign, assignment]

    assert not await other.send("ops")
    assert scene.tried() == [("ops", "room.starved", 1)]


async def test_who_has_left_the_configuration_is_sent_nothing() -> None:
    """What it was owed is forgotten in a day."""
    scene = await about_to_send()
    scene.receivers.clear()

    assert not await scene.sender.send("ops")
    assert scene.posted == []


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_receiver_that_takes_nothing_is_trouble_until_it_is_owed_nothing(*, elsewhere: bool) -> None:
    """Since the first try that failed; whichever replica has told it what it was owed."""
    scene = await about_to_send()
    taker = scene.new_sender() if elsewhere else scene.sender
    taker.health = Health(scene.watch) if elsewhere else scene.health
    scene.answer = lambda _: DOWN
    since = scene.watch.time
    assert await scene.send_all() == 1
    scene.watch.later(timing.NOTICE_BACKOFF_MS)
    assert await scene.send_all() == 1
    [trouble] = scene.health.troubles([])
    assert (trouble.kind, trouble.receiver, trouble.reason) == (TroubleKind.NOTICES_FAILING, "ops", "unreachable")
    assert (trouble.since, trouble.last_at, trouble.count) == (since, scene.watch.time, 2)

    scene.answer = lambda _: TAKEN
    scene.watch.later(PACING.interval)
    assert await taker.send("ops")
    assert not await scene.sender.send("ops")
    assert scene.health.troubles([]) == []


async def test_how_much_waits_is_shown() -> None:
    """Happenings, not messages."""
    scene = await about_to_send()
    scene.answer = lambda _: DOWN
    await scene.happen(happening(room="b"))
    await scene.collector.collect()

    await scene.send_all()

    value = scene.registry.get_sample_value("livekit_dispatcher_notices_waiting", {"receiver": "ops"})
    assert value == 2
