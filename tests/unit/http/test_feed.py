"""One reading for all readers: what each gets, what is kept, and where there is a gap."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.http import feed as module
from dispatcher.http.feed import CHUNK_MAX, QUEUE_MAX, Feed, FeedEvent, Gap, Point, Reader, TooManyReaders
from dispatcher.ledger.changes import CHANGES_MAX, Announced, Change
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.telemetry.metrics import PREFIX, Metrics

START = 1_000


class Announcer:
    """A ledger of which only the changes are asked: what was announced, and the clock."""

    def __init__(self) -> None:
        self.now = START
        self.complete_from = START
        self.away = False
        self.readings = 0
        self.announced: list[Change] = []

    def announce(self, *bodies: str) -> None:
        """Each a millisecond after the other."""
        for body in bodies:
            self.announced.append(Change(self.now, 0, 3, body.encode()))
            self.now += 1

    async def changes(self, since: int) -> Announced:
        self.readings += 1
        if self.away:
            raise LedgerUnavailable("away")
        return Announced(tuple(one for one in self.announced if since <= one.at), self.now, self.complete_from)


def told(change: Change) -> Iterator[FeedEvent]:
    """An event of each change, whose text is its body; the first word is the room."""
    body = change.body.decode()
    yield FeedEvent(Point(*change[:3], 1), "p", body.partition(" ")[0], f"{body};".encode())


class Stage:
    """A feed on such a ledger."""

    def __init__(self, ledger: Announcer | None = None, most: int = 10) -> None:
        self.ledger = ledger or Announcer()
        self.registry = CollectorRegistry()
        self.feed = Feed(self.ledger.changes, told, Metrics(self.registry), most=most)

    async def hear(self, *bodies: str) -> None:
        """They are announced, and read."""
        self.ledger.announce(*bodies)
        await self.feed.read()

    def gaps(self, why: Gap) -> float | None:
        return self.registry.get_sample_value(f"{PREFIX}event_gaps_total", {"reason": why})

    def readers(self) -> float | None:
        return self.registry.get_sample_value(f"{PREFIX}event_readers")


def everything(_event: FeedEvent) -> bool:
    """Whatever comes."""
    return True


async def next_of(reader: Reader) -> tuple[Point | None, str]:
    """What the reader is to be sent now."""
    gap, chunk = await reader.take(0.01)
    return gap, chunk.decode()


async def test_everybody_gets_what_they_want_from_now_on() -> None:
    """Not what was before; the ledger is read once for all of them."""
    here = Stage()
    await here.hear("lobby before")
    with here.feed.reading(None, everything) as one, here.feed.reading(None, lambda event: event.room == "a") as other:
        await here.hear("lobby 1", "a 2")
        assert await next_of(one) == (None, "lobby 1;a 2;")
        assert await next_of(other) == (None, "a 2;")
        assert await next_of(one) == (None, "")
    assert here.ledger.readings == 2


async def test_who_comes_back_goes_on_where_they_were() -> None:
    """Whatever was announced meanwhile comes once, at whichever replica: the points are the same."""
    one = Stage()
    other = Stage(one.ledger)
    await one.hear("lobby 1", "lobby 2")
    with other.feed.reading(Point(START, 0, 3, 1), everything) as reader:
        await other.hear("lobby 3")
        assert await next_of(reader) == (None, "lobby 2;lobby 3;")
        await other.hear("lobby 4")
        assert await next_of(reader) == (None, "lobby 4;")


async def test_a_replica_that_has_read_less_repeats_nothing() -> None:
    """What the reader has had from another one comes no second time."""
    here = Stage()
    await here.hear()
    with here.feed.reading(Point(START, 0, 3, 1), everything) as reader:
        await here.hear("lobby 1", "lobby 2")
        assert await next_of(reader) == (None, "lobby 2;")


@pytest.mark.parametrize("after", [Point(0), Point(START - 1, 5, 15, 9)])
async def test_who_comes_back_too_late_gets_a_gap(after: Point) -> None:
    """And then what is new, from the point that the gap names."""
    here = Stage()
    await here.hear("lobby 1")
    with here.feed.reading(after, everything) as reader:
        await here.hear("lobby 2")
        assert await next_of(reader) == (Point(START + 1), "lobby 2;")
    assert here.gaps(Gap.LATE) == 1


async def test_what_is_kept_is_bounded() -> None:
    """Who comes back from before it gets a gap; who comes back from within it does not."""
    here = Stage()
    await here.hear(*(f"lobby {n}" for n in range(CHANGES_MAX + 1)))
    for at, late in ((START, True), (START + CHANGES_MAX - 5, False)):
        with here.feed.reading(Point(at, 0, 3, 1), everything) as reader:
            gap, _ = await next_of(reader)
            assert (gap is not None) is late


async def test_a_stuck_reader_gets_a_gap_and_harms_nobody() -> None:
    """It is told so once it reads; the others have had everything."""
    here = Stage()
    await here.hear()
    with here.feed.reading(None, everything) as stuck, here.feed.reading(None, everything) as other:
        for n in range(QUEUE_MAX + 2):
            await here.hear(f"lobby {n}")
            assert await next_of(other) == (None, f"lobby {n};")
        assert await next_of(stuck) == (Point(START + QUEUE_MAX, 0, 3, 1), f"lobby {QUEUE_MAX + 1};")
    assert here.gaps(Gap.SLOW) == 1


async def test_much_at_once_comes_in_pieces() -> None:
    """Of a bounded size, but for a single event that is larger."""
    here = Stage()
    await here.hear()
    large = "x" * (CHUNK_MAX // 2)
    with here.feed.reading(None, everything) as reader:
        await here.hear("1", large, large, large * 3, "5")
        pieces = [(await next_of(reader))[1] for _ in range(4)]
    assert pieces == [f"1;{large};", f"{large};", f"{large * 3};", "5;"]


async def test_after_an_outage_everybody_gets_a_gap() -> None:
    """A failover may have undone what they were told; what was read by then is not sent."""
    here = Stage()
    with here.feed.reading(None, everything) as reader:
        running = asyncio.create_task(here.feed.run())
        await here.feed.wait_begun()
        here.ledger.away = True
        before = here.ledger.readings
        async with asyncio.timeout(5):
            while here.ledger.readings == before:
                await asyncio.sleep(0.01)
        here.ledger.announce("lobby 1")
        here.ledger.away = False
        gap, chunk = await reader.take(5)
        running.cancel()
    assert (gap, chunk) == (Point(START + 1), b"")
    assert here.gaps(Gap.LEDGER) == 1


async def test_what_the_ledger_has_lost_is_a_gap() -> None:
    """Whoever reads, and whoever comes back, is told so; what has come since follows."""
    here = Stage()
    await here.hear("lobby 1")
    with here.feed.reading(None, everything) as reader:
        here.ledger.announced.clear()
        here.ledger.now += 50
        here.ledger.complete_from = here.ledger.now
        await here.hear("lobby 2")
        assert await next_of(reader) == (Point(START + 52), "")
        await here.hear("lobby 3")
        assert await next_of(reader) == (None, "lobby 3;")
    with here.feed.reading(Point(START, 0, 3, 1), everything) as reader:
        assert (await next_of(reader))[0] is not None


async def test_while_nobody_reads_the_ledger_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reader has it read, and waits for that; after the last one nothing is kept."""
    monkeypatch.setattr(module, "EVERY_S", 0.001)
    here = Stage()
    running = asyncio.create_task(here.feed.run())
    await asyncio.sleep(0.02)
    assert here.ledger.readings == 0

    with here.feed.reading(None, everything):
        await here.feed.wait_begun()
        assert str(here.feed.point) == str(Point(START))
    async with asyncio.timeout(5):
        while here.feed.point is not None:
            await asyncio.sleep(0.001)
    before = here.ledger.readings
    await asyncio.sleep(0.02)

    assert here.ledger.readings == before
    running.cancel()


async def test_no_more_read_than_may() -> None:
    """Whoever goes makes room."""
    here = Stage(most=1)
    with here.feed.reading(None, everything):
        with pytest.raises(TooManyReaders):
            here.feed.reading(None, everything).__enter__()
        assert here.readers() == 1
    with here.feed.reading(None, everything):
        assert here.readers() == 1


async def test_at_the_end_everybody_is_woken() -> None:
    """Though nothing has come, and the ledger was never read."""
    here = Stage()
    with here.feed.reading(None, everything) as reader:
        taking = asyncio.create_task(reader.take(60))
        await asyncio.sleep(0)
        here.feed.end()
        await here.feed.wait_begun()
        assert await taking == (None, b"")
    assert here.feed.ended


@pytest.mark.parametrize("text", ["", "1", "1-2-3", "1-2-3-4-5", "a-0-0-0", "-1-0-0-0", "²-0-0-0", "1" * 17 + "-0-0-0"])
def test_what_is_no_id_names_no_point(text: str) -> None:
    """Whatever somebody sends."""
    assert Point.read(text) is None


def test_an_id_names_its_point() -> None:
    """As it was sent."""
    point = Point(1_700_000_000_000, 1, 15, 3)
    assert Point.read(str(point)) == point
