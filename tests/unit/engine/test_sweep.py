"""What the sweep finds, how fast it goes, and what it does when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from dispatcher.config import ApiRateLimit
from dispatcher.core.facts import ROOM_FINISHED, SWEPT, Ms, Room, RoomSid
from dispatcher.core.probes import probe_rooms
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.engine.sweep import Sweep, _batches
from dispatcher.ledger.ended import OVER_FINAL_MS
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.record import load_event
from dispatcher.livekit.failures import Reason, Unavailable
from tests.unit.desk import PROJECT, Staged, fails, until
from tests.unit.engine.floor import EVERY, Floor, key, live

HOUR: Ms = 3_600_000
DOWN = fails(Unavailable, Reason.UNREACHABLE)


@asynccontextmanager
async def running(*sweeps: Sweep, project: str = PROJECT) -> AsyncIterator[None]:
    """They sweep, each as a process of its own."""
    tasks = [asyncio.create_task(sweep.run(project)) for sweep in sweeps]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_room_that_nobody_told_of_is_made_up_for() -> None:
    """Its session is due, its inbox says look, and the repair is counted."""
    floor = Floor()
    await floor.sweep.sweep(PROJECT)
    live(floor.livekit, 1)
    await floor.sweep.sweep(PROJECT)
    (handover,) = (await floor.desk.ledger.claim(2))[0]
    assert handover.lease.key == key(1)
    assert [load_event(entry).name for entry in handover.inbox] == [SWEPT]
    assert floor.repaired("unknown_room") == 1
    assert [(line["room"], line["why"]) for line in floor.desk.said("session.repaired")] == [("room-1", "unknown_room")]


async def test_what_the_first_sweep_finds_is_no_lost_webhook() -> None:
    """Neither rooms that lived before the process, nor their ends; nor what it has no looks for until the next one."""
    floor = Floor(1, 2)
    await floor.sweep.sweep(PROJECT)
    await floor.due()
    live(floor.livekit, 1, 3, 4)
    restarted = floor.replica(every=1)  # one look for each sweep
    await restarted.sweep(PROJECT)
    live(floor.livekit, 1, 3, 4, 5)
    for _ in range(3):
        await restarted.sweep(PROJECT)
    assert [(line["sid"], line["why"]) for line in floor.desk.said("session.found")] == [
        *(("RM_001", "unknown_room"), ("RM_002", "unknown_room")),
        *(("RM_003", "unknown_room"), ("RM_004", "unknown_room"), ("RM_002", "unheard_end")),
    ]
    assert [line["sid"] for line in floor.desk.said("session.repaired")] == ["RM_005"]
    assert (floor.repaired("unknown_room"), floor.repaired("unheard_end")) == (1, 0)


async def test_a_room_that_the_first_sweep_found_may_still_end_unheard() -> None:
    """That it was there says nothing of the webhook of its end."""
    floor = Floor(1)
    await floor.sweep.sweep(PROJECT)
    live(floor.livekit)
    await floor.sweep.sweep(PROJECT)
    assert floor.repaired("unheard_end") == 1


async def test_what_may_be_made_up_for_is_counted_from_the_start() -> None:
    """And so is when the project was swept last: an alarm has something to compare with."""
    floor = Floor(1)
    assert (floor.repaired("unknown_room"), floor.repaired("unheard_end")) == (0, 0)
    floor.livekit.before("rooms", DOWN)
    with pytest.raises(Unavailable):
        await floor.sweep.sweep(PROJECT)
    assert floor.desk.value("last_sweep_success_timestamp_seconds", project=PROJECT) == 0
    await floor.sweep.sweep(PROJECT)
    assert floor.desk.value("last_sweep_success_timestamp_seconds", project=PROJECT) > 0


async def test_a_room_that_is_known_is_looked_at_and_no_repair() -> None:
    """At rest or not: the sweep still looks in."""
    floor = Floor(1)
    await floor.desk.hear(key=key(1))
    assert await floor.due() == [1]
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1]
    assert floor.repaired("unknown_room") == 0


async def test_a_room_that_has_ended_is_left_alone() -> None:
    """LiveKit still lists it, and its end is final."""
    floor = Floor(1)
    await floor.desk.hear(ROOM_FINISHED, key=key(1))
    await floor.desk.drive()
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == []
    assert floor.repaired("unknown_room") == 0


async def test_a_listing_without_sid_says_nothing() -> None:
    """There is no session without one."""
    floor = Floor()
    for name in ("lobby", f"{probe_rooms('default')}1"):
        floor.livekit.lives = {RoomSid(""): RoomSnapshot(room=Room(sid=RoomSid(""), name=name))}
        await floor.sweep.sweep(PROJECT)
    assert await floor.due() == []


async def test_a_room_that_vanished_is_looked_at_once_more() -> None:
    """Nobody has said that it ended: counted, once."""
    floor = Floor(1, 2)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1, 2]
    live(floor.livekit, 2)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1, 2]
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [2]
    assert floor.repaired("unheard_end") == 1


async def test_more_rooms_than_the_ledger_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known, unknown and gone ones are told apart in every slice of them."""
    monkeypatch.setattr("dispatcher.engine.sweep.AT_ONCE", 2)
    floor = Floor(8, 9)
    await floor.sweep.sweep(PROJECT)
    await floor.desk.hear(key=key(3))
    assert sorted(await floor.due()) == [3, 8, 9]
    live(floor.livekit, *range(1, 8))
    await floor.sweep.sweep(PROJECT)
    assert sorted(await floor.due()) == list(range(1, 10))
    assert floor.repaired("unknown_room") == 6
    assert floor.repaired("unheard_end") == 2


async def test_a_room_whose_end_was_heard_of_needs_no_repair() -> None:
    """It is not listed because it is over."""
    floor = Floor(1)
    await floor.sweep.sweep(PROJECT)
    await floor.desk.hear(ROOM_FINISHED, key=key(1))
    await floor.desk.drive()
    live(floor.livekit)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == []
    assert floor.repaired("unheard_end") == 0


async def test_a_room_whose_end_is_long_past_stays_as_it_was() -> None:
    """This replica's turns are far apart: what `explain` tells of the room is not begun anew."""
    floor = Floor(1)
    await floor.sweep.sweep(PROJECT)
    await floor.desk.hear(ROOM_FINISHED, key=key(1))
    await floor.desk.drive()
    live(floor.livekit)
    floor.desk.watch.later(OVER_FINAL_MS)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == []
    (life,) = await floor.desk.ledger.find(PROJECT, "room-1")
    assert life.finished
    assert life.record


async def test_rooms_that_ended_while_no_process_ran_are_looked_at_by_the_next() -> None:
    """It never listed them: the ledger says that they lived."""
    floor = Floor(1, 2)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1, 2]
    live(floor.livekit, 2)
    await floor.replica().sweep(PROJECT)
    assert await floor.due() == [1, 2]
    assert [line["why"] for line in floor.desk.said("session.found")] == ["unknown_room"] * 2 + ["unheard_end"]


async def test_a_ledger_that_cannot_say_what_lived_holds_up_one_sweep() -> None:
    """The next goes without; and what it has said is kept while LiveKit cannot be asked."""
    floor = Floor(1)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1]
    live(floor.livekit)
    hasty, patient = floor.replica(), floor.replica()
    floor.desk.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await hasty.sweep(PROJECT)
    floor.desk.watch.broken = False
    await hasty.sweep(PROJECT)
    assert await floor.due() == []
    floor.livekit.before("rooms", DOWN)
    with pytest.raises(Unavailable):
        await patient.sweep(PROJECT)
    await patient.sweep(PROJECT)
    assert await floor.due() == [1]


async def test_ends_that_an_interval_has_no_looks_for_are_left_to_the_next() -> None:
    """One look per sweep: unknown rooms first, then the room that is gone, then the known."""
    floor = Floor(1, 2, every=1)
    for number in (1, 2):
        await floor.desk.hear(key=key(number))
    await floor.due()
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1]
    live(floor.livekit, 2, 3)
    swept = []
    for _ in range(3):
        await floor.sweep.sweep(PROJECT)
        swept += await floor.due()
    assert swept == [3, 1, 2]


async def test_more_rooms_than_an_interval_has_looks_for_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five looks per sweep over eight rooms: the longest not looked at come first, and it is said how long it takes."""
    monkeypatch.setattr("dispatcher.engine.sweep.AT_ONCE", 3)
    floor = Floor(*range(8, 0, -1), every=5)
    for number in range(1, 9):
        await floor.desk.hear(key=key(number))
    await floor.due()
    swept = []
    for _ in range(3):
        await floor.sweep.sweep(PROJECT)
        swept.append(await floor.due())
        floor.desk.watch.later(EVERY)
    assert [sorted(turn) for turn in swept] == [[1, 2, 3, 4, 5], [1, 2, 6, 7, 8], [3, 4, 5, 6, 7]]
    (line, *_) = floor.desk.said("sweep.prolonged")
    assert (line["level"], line["rooms"]) == ("warning", 8)


async def test_unknown_rooms_come_first_and_cost_the_known_ones_nothing_but_time() -> None:
    """They use up the interval's looks; then the known ones go on from where they were."""
    floor = Floor(1, 2, 3, 4, every=2)
    for number in range(1, 5):
        await floor.desk.hear(key=key(number))
    await floor.due()
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [1, 2]
    live(floor.livekit, 1, 2, 3, 4, 5, 6)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [5, 6]
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [3, 4]


async def test_rooms_that_are_over_cost_an_interval_no_look() -> None:
    """LiveKit still lists the first: the other one is looked at."""
    floor = Floor(1, 2, every=1)
    await floor.desk.hear(ROOM_FINISHED, key=key(1))
    await floor.desk.drive()
    await floor.desk.hear(key=key(2))
    await floor.due()
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [2]


async def test_between_batches_of_rooms_other_work_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    monkeypatch.setattr("dispatcher.engine.sweep.AT_ONCE", 1)
    turns: list[int] = []
    async with asyncio.TaskGroup() as group:

        async def other() -> None:
            for n in range(3):
                turns.append(n)
                await asyncio.sleep(0)

        group.create_task(other())
        seen = [len(turns) async for _ in _batches(range(3))]
    assert seen == [0, 1, 2]


async def test_an_interval_has_one_look_at_least() -> None:
    """Even where the configuration leaves it less."""
    floor = Floor(1, 2, every=0)
    await floor.sweep.sweep(PROJECT)
    assert len(await floor.due()) == 1


async def test_looks_are_spread_over_time() -> None:
    """No faster than the configuration says: 30 rooms at 1,000 a second take 30 ms."""
    floor = Floor(*range(30))
    began = asyncio.get_running_loop().time()
    await floor.sweep.sweep(PROJECT)
    assert asyncio.get_running_loop().time() - began >= 0.03
    live(floor.livekit)
    began = asyncio.get_running_loop().time()
    await floor.sweep.sweep(PROJECT)
    assert asyncio.get_running_loop().time() - began >= 0.03, "rooms that vanished, all at once, neither"


async def test_one_replica_sweeps_in_an_interval() -> None:
    """The others ask in vain; in the next interval it may be another."""
    floor = Floor(1)
    async with running(floor.sweep, floor.replica(), floor.replica()):
        await until(lambda: floor.livekit.calls)
        await until(lambda: floor.desk.said("session.found"))
        assert floor.livekit.calls == ["rooms"]
    floor.desk.watch.later(EVERY)
    async with running(floor.replica(), floor.sweep):
        await until(lambda: len(floor.livekit.calls) == 2)


async def test_it_asks_for_its_turn_again_and_again() -> None:
    """A second later, without anybody doing anything."""
    floor = Floor(1)
    async with running(floor.sweep):
        await until(lambda: floor.livekit.calls)
        floor.desk.watch.later(EVERY)
        await until(lambda: len(floor.livekit.calls) == 2)


async def test_a_sweep_that_livekit_fails_is_put_off() -> None:
    """Nothing is judged, and nobody is said to have vanished: the next turn finds what there is."""
    floor = Floor(1)
    await floor.sweep.sweep(PROJECT)
    await floor.due()
    floor.livekit.before("rooms", DOWN)
    async with running(floor.sweep):
        await until(lambda: floor.desk.said("sweep.postponed"))
    assert [(line["level"], line["why"]) for line in floor.desk.said("sweep.postponed")] == [("warning", "unreachable")]
    assert await floor.due() == []
    floor.desk.watch.later(EVERY)
    async with running(floor.sweep):
        await until(lambda: len(floor.livekit.calls) == 3)
    assert await floor.due() == [1]
    assert floor.repaired("unheard_end") == 0


async def test_a_sweep_without_a_ledger_is_put_off() -> None:
    """LiveKit is not even asked, and whoever watches the ledger tells of it: the sweep does not."""
    floor = Floor(1)
    floor.desk.watch.broken = True
    async with running(floor.sweep):
        await asyncio.sleep(0)
    assert floor.desk.lines == []
    assert floor.livekit.calls == []
    floor.desk.watch.broken = False
    async with running(floor.sweep):
        await until(lambda: floor.desk.said("session.found"))


async def test_a_sweep_that_livekit_fails_is_one_of_its_failures_in_a_row() -> None:
    """A project without live rooms has no looks that could say so; the next listing that comes ends the row."""
    floor = Floor(every=1)
    floor.livekit.before("rooms", DOWN, DOWN)
    for failures in (1, 2, 0):
        await floor.sweep._turn(PROJECT)  # noqa: SLF001 - what `run` does once
        floor.desk.watch.later(1)
        assert floor.desk.value("livekit_consecutive_failures", project=PROJECT) == failures


async def test_one_projects_trouble_is_not_anothers() -> None:
    """Each has its turns, its rooms and its LiveKit."""
    other = Staged()
    live(other, 7)
    floor = Floor(1, other=other)
    floor.livekit.before("rooms", DOWN)
    async with running(floor.sweep), running(floor.sweep, project="other"):
        await until(lambda: floor.desk.said("sweep.postponed"))
        await until(lambda: floor.desk.said("session.found"))
    assert [line["project"] for line in floor.desk.said("session.found")] == ["other"]
    assert (await floor.desk.life(key(7, "other"))).key == key(7, "other")


async def test_a_project_that_has_left_the_configuration_is_swept_no_more() -> None:
    """What is asked for in its name before its loop ends finds nothing to do."""
    floor = Floor(1)
    snapshot = floor.sweep.holder.snapshot
    floor.sweep.holder.snapshot = replace(snapshot, projects={})
    await floor.sweep.sweep(PROJECT)
    assert floor.livekit.calls == []


async def test_where_calls_are_limited_the_sweep_causes_half_of_the_looks() -> None:
    """Of 80 calls a second 20 are looks, ten of them the sweep's; its list takes a turn like a look."""
    limit = ApiRateLimit(calls_per_second=80, burst=4)
    floor = Floor(1, 2, 3)
    floor.limit(limit)
    assert await floor.sweep.pacer.to_look(PROJECT, limit) == 0
    began = asyncio.get_running_loop().time()
    await floor.sweep.sweep(PROJECT)
    assert asyncio.get_running_loop().time() - began >= 0.05 + 3 * 0.1
    assert await floor.sweep.pacer.to_look(PROJECT, limit) == 100


async def test_rooms_that_have_gone_are_looked_at_in_the_order_of_their_sids() -> None:
    """What an interval has no looks for is the same on every replica."""
    floor = Floor(*range(1, 20))
    await floor.sweep.sweep(PROJECT)
    await floor.due()
    live(floor.livekit)
    await floor.sweep.sweep(PROJECT)
    assert await floor.due() == list(range(1, 20))
