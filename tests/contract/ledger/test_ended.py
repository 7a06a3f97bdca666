"""Rooms that have ended: found and listed for as long as there is time and space, and a minute whatever there is."""

import pytest
from msgspec.structs import replace

from dispatcher.core.effects import Then
from dispatcher.core.timing import REVIVED_MS
from dispatcher.ledger.ended import KEEP_MAX_MS, OVER_FINAL_MS, EndedRooms
from dispatcher.ledger.interface import Delivered, Key, Ledger, Telling
from dispatcher.ledger.memory_store import FORGET_MAX
from dispatcher.ledger.order import Order, Position
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.scripts import PARTITIONS
from tests.contract.ledger.homes import KEY, START, Home, held

HOUR = 3_600_000


def room(n: int, name: str = "lobby") -> Key:
    """The n-th life of a room: all of a name are in one partition."""
    return Key("p1", name, f"RM_{n:03}")


async def end(ledger: Ledger, key: Key, record: bytes = b"record") -> None:
    """The session was handled, and is over."""
    mine = await held(ledger, key)
    await ledger.save(mine.lease, record, mine.upto, Then.OVER)


async def ended(ledger: Ledger, project: str = "p1", after: Position | None = None, limit: int = 200) -> list[str]:
    """The sids of those that have ended, in the order in which they are listed."""
    lives = await ledger.list(project, order=Order.ENDED, after=after, limit=limit)
    assert all(life.finished and life.record for life in lives)
    return [life.key.sid for life in lives]


def share(ledger: Ledger, one: int) -> int:
    """What is to be allowed in all, so that a partition is allowed so many."""
    return one * (PARTITIONS if isinstance(ledger, RedisLedger) else 1)


async def test_an_ended_session_is_found_as_long_as_it_is_kept(home: Home) -> None:
    """No sweep makes that longer, and no other life of its name shorter."""
    home.ended = EndedRooms(keep=2 * HOUR)
    await end(home.ledger, KEY)

    home.advance(2 * HOUR - 1)
    await home.ledger.touch([KEY])
    assert [life.ended_at for life in await home.ledger.find("p1", "lobby")] == [START]
    assert await ended(home.ledger) == [KEY.sid]

    home.advance(1)
    assert await home.ledger.find("p1", "lobby") == []
    assert await ended(home.ledger) == []
    assert (await home.ledger.deliver(KEY, "e9", b"again")).outcome is Delivered.ACCEPTED


async def test_a_reload_holds_for_those_that_have_ended_already(home: Home) -> None:
    """Kept for longer, they are there for longer; kept for less, they are gone with the next claim."""
    home.ended = EndedRooms(keep=HOUR)
    await end(home.ledger, KEY)
    home.advance(HOUR - 1)
    home.ended = EndedRooms(keep=3 * HOUR)
    home.advance(HOUR)
    await home.ledger.claim(1)
    assert await ended(home.ledger) == [KEY.sid]

    home.ended = EndedRooms(keep=HOUR)
    await home.ledger.claim(1)
    home.ended = EndedRooms(keep=3 * HOUR)
    assert await ended(home.ledger) == []


async def test_nothing_is_kept_for_longer_than_the_longest(home: Home) -> None:
    """Whatever it says."""
    home.ended = EndedRooms(keep=2 * KEEP_MAX_MS)
    await end(home.ledger, KEY)
    home.advance(KEEP_MAX_MS - 1)
    assert await ended(home.ledger) == [KEY.sid]
    home.advance(1)
    assert await home.ledger.find("p1", "lobby") == []


async def test_of_too_many_those_that_ended_first_are_forgotten(home: Home) -> None:
    """The newest stay, by their end and not by their birth; those that live are not counted."""
    home.ended = EndedRooms(max_rooms=share(home.ledger, 2))
    first = await held(home.ledger, room(0))
    for n in (1, 2, 3):
        await end(home.ledger, room(n))
        home.advance(OVER_FINAL_MS)
    await held(home.ledger, room(9))
    assert await ended(home.ledger) == ["RM_003", "RM_002"]
    home.advance(1)

    first = await held(home.ledger, room(0))
    await home.ledger.save(first.lease, b"record", first.upto, Then.OVER)

    assert await ended(home.ledger) == ["RM_000", "RM_003"]
    assert [life.key.sid for life in await home.ledger.find("p1", "lobby")] == ["RM_009", "RM_003", "RM_000"]


async def test_records_that_are_too_large_are_forgotten(home: Home) -> None:
    """All together, and those that ended first; what is forgotten makes space."""
    home.ended = EndedRooms(max_bytes=share(home.ledger, 1_000))
    for n, size in enumerate((400, 400, 200, 1)):
        await end(home.ledger, room(n), bytes([65]) * size)
        home.advance(OVER_FINAL_MS)
    assert await ended(home.ledger) == ["RM_003", "RM_002", "RM_001"]

    await end(home.ledger, room(4), b"A" * 399)
    home.advance(OVER_FINAL_MS)
    assert await ended(home.ledger) == ["RM_004", "RM_003", "RM_002", "RM_001"]

    await end(home.ledger, room(5), b"A" * 1_000)
    assert await ended(home.ledger) == ["RM_005"]


@pytest.mark.parametrize("tight", [EndedRooms(max_rooms=0), EndedRooms(max_bytes=0), EndedRooms(keep=OVER_FINAL_MS)])
async def test_none_is_forgotten_for_a_minute(home: Home, tight: EndedRooms) -> None:
    """What it had asked for may come into the next life of the room; and a late event revives nothing."""
    assert REVIVED_MS <= OVER_FINAL_MS
    home.ended = tight
    for n in (0, 1):
        await end(home.ledger, room(n))
    home.advance(OVER_FINAL_MS - 1)
    await home.ledger.claim(1)

    assert await ended(home.ledger) == ["RM_001", "RM_000"]
    assert (await home.ledger.deliver(room(0), "late", b"left")).outcome is Delivered.OVER
    home.advance(1)
    assert await ended(home.ledger) == []


async def test_one_operation_forgets_a_bounded_number(home: Home) -> None:
    """So that a reload stops nobody; the next ones forget the others, and then all of it is gone."""
    for n in range(FORGET_MAX + 5):
        await end(home.ledger, room(n))
    home.advance(OVER_FINAL_MS)
    home.ended = EndedRooms(max_rooms=0)

    await home.ledger.claim(1)

    home.ended = EndedRooms()
    assert len(await ended(home.ledger)) == 5
    home.ended = EndedRooms(max_rooms=0)
    assert await ended(home.ledger) == []


async def test_the_ended_are_listed_by_their_end(home: Home) -> None:
    """The last one first, by sid within an instant; none that lives, none of another project, whatever the state."""
    for n in (2, 1):
        await end(home.ledger, room(n, f"room-{n}"))
    await held(home.ledger, room(0, "alive"))
    await end(home.ledger, Key("p2", "lobby", "RM_9"))
    home.advance(1)
    await end(home.ledger, room(3))

    assert await ended(home.ledger) == ["RM_003", "RM_002", "RM_001"]
    assert await ended(home.ledger, limit=2) == ["RM_003", "RM_002"]
    assert await ended(home.ledger, after=Position(START, "RM_002")) == ["RM_001"]
    assert await ended(home.ledger, "p2") == ["RM_9"]
    assert await home.ledger.list("p1", "served", order=Order.ENDED) == await home.ledger.list("p1", order=Order.ENDED)
    assert [life.key.sid for life in await home.ledger.list("p1")] == ["RM_000"]


async def test_a_room_that_lives_again_has_not_ended(home: Home) -> None:
    """Under its old SID: it is listed as live alone, and when it ends once more it is listed once."""
    await end(home.ledger, KEY)
    home.advance(OVER_FINAL_MS)
    again = await held(home.ledger)
    assert await ended(home.ledger) == []
    assert [life.ended_at for life in await home.ledger.find("p1", "lobby")] == [0]

    await home.ledger.save(again.lease, b"again", again.upto, Then.OVER, telling=Telling())

    assert await ended(home.ledger) == [KEY.sid]
    assert [life.ended_at for life in await home.ledger.find("p1", "lobby")] == [START + OVER_FINAL_MS]


async def test_what_is_forgotten_is_counted_no_more(home: Home) -> None:
    """However it was forgotten: by its time, by its number, or as its room lived again."""
    home.ended = EndedRooms(keep=HOUR, max_bytes=share(home.ledger, 1_000))
    await end(home.ledger, room(0), b"A" * 600)
    home.advance(HOUR)
    await end(home.ledger, room(1), b"A" * 600)
    home.advance(OVER_FINAL_MS)
    mine = await held(home.ledger, room(1))
    await home.ledger.save(mine.lease, b"A" * 600, mine.upto, Then.REST)
    await end(home.ledger, room(2), b"A" * 600)
    home.advance(OVER_FINAL_MS)
    assert await ended(home.ledger) == ["RM_002"]
    await end(home.ledger, room(3), b"A" * 400)
    home.advance(OVER_FINAL_MS)
    assert await ended(home.ledger) == ["RM_003", "RM_002"]


async def test_the_bounds_may_change_at_any_time(home: Home) -> None:
    """More space keeps what is still there, less forgets it."""
    home.ended = EndedRooms(max_rooms=share(home.ledger, 3))
    for n in range(3):
        await end(home.ledger, room(n))
    home.advance(OVER_FINAL_MS)
    home.ended = replace(home.ended, max_rooms=share(home.ledger, 1))
    await home.ledger.claim(1)
    home.ended = replace(home.ended, max_rooms=share(home.ledger, 3))
    assert await ended(home.ledger) == ["RM_002"]
