"""What the sweep does with rooms of probes."""

import pytest

from dispatcher.config import ApiRateLimit
from dispatcher.core.facts import Ms, Room, RoomSid
from dispatcher.core.probes import probe_rooms
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.engine.sweep import PROBE_LEFT_MS
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import Reason, Unavailable
from tests.unit.core.world import NOW
from tests.unit.desk import PROJECT, fails
from tests.unit.engine.floor import Floor, key

HOUR: Ms = 3_600_000
DOWN = fails(Unavailable, Reason.UNREACHABLE)


def probe_room(number: int, age: Ms, instance: str = "default") -> RoomSnapshot:
    """The room of a probe, opened so long ago."""
    sid = RoomSid(key(number).sid)
    return RoomSnapshot(room=Room(sid=sid, name=f"{probe_rooms(instance)}{number}", created_at=NOW - age))


async def test_a_room_that_a_probe_has_left_is_ended() -> None:
    """Not while a probe may be under way in it, and not another installation's; none is a caller's."""
    floor = Floor()
    left, fresh, others = probe_room(1, PROBE_LEFT_MS + 1), probe_room(2, PROBE_LEFT_MS), probe_room(3, HOUR, "blue")
    await floor.sweep.sweep(PROJECT)
    floor.livekit.lives |= {one.room.sid: one for one in (left, fresh, others) if one.room}

    await floor.sweep.sweep(PROJECT)

    assert [one.room for one in floor.livekit.lives.values()] == [fresh.room, others.room]
    assert await floor.due() == [1]  # its session finds that it has ended
    assert [line["room"] for line in floor.desk.said("probe.left")] == [f"{probe_rooms('default')}1"]
    assert floor.repaired("unknown_room") == floor.repaired("unheard_end") == 0


async def test_where_calls_are_limited_a_room_that_a_probe_has_left_counts() -> None:
    """Like a create, which comes after it."""
    limit = ApiRateLimit(calls_per_second=80, burst=4)
    floor = Floor()
    floor.limit(limit)
    left = probe_room(1, PROBE_LEFT_MS + 1)
    assert left.room
    floor.livekit.lives |= {left.room.sid: left}

    await floor.sweep.sweep(PROJECT)

    runtime = floor.sweep.holder.snapshot.projects[PROJECT]
    assert (await floor.sweep.pacer.to_create(PROJECT, Target("greeter"), runtime)).wait == 50


async def test_a_probe_that_a_new_process_finds_in_the_ledger_is_no_room_that_has_gone() -> None:
    """Others are."""
    floor = Floor()
    for room in ("gone", f"{probe_rooms('default')}1"):
        await floor.desk.ledger.deliver(Key(PROJECT, room, f"RM_00{len(room) % 7}"), "", b"{}", take=False)
    await floor.due()

    await floor.replica().sweep(PROJECT)

    assert [line["room"] for line in floor.desk.said("session.found")] == ["gone"]


async def test_a_probe_s_room_that_livekit_does_not_end_holds_up_no_caller_s() -> None:
    """The sweep says that LiveKit failed; all the others were looked at."""
    floor = Floor(5)
    left = probe_room(1, PROBE_LEFT_MS + 1)
    assert left.room
    floor.livekit.lives |= {left.room.sid: left}
    floor.livekit.before("end", DOWN)
    with pytest.raises(Unavailable):
        await floor.sweep.sweep(PROJECT)
    assert await floor.due() == [5]
