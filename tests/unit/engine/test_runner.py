"""Who drives: bounded, undisturbed by one another's trouble, and done when told to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.core.timing import LEASE_MS
from dispatcher.engine.newer_records import NewerRecords
from dispatcher.engine.reconciler import Reconciler
from dispatcher.engine.runner import CLAIM_MAX, Runner
from dispatcher.ledger.interface import Handover, Key, Lease, Ledger, LedgerUnavailable
from dispatcher.ledger.record import VERSION
from tests.unit.desk import KEY, PROJECT, Desk, until


class Drives(Reconciler):
    """Drives that end when a test lets them: each rests its session."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.gate = asyncio.Event()
        self.troubles: dict[str, Exception] = {}
        self.newer_records = NewerRecords()

    async def drive(self, handover: Handover) -> Ms | None:
        sid = handover.lease.key.sid
        self.begun.append(sid)
        if sid in self.troubles:
            raise self.troubles[sid]
        await self.gate.wait()
        await self.ledger.save(handover.lease, b"driven", handover.upto, Then.REST)
        self.ended.append(sid)
        return None


class Place:
    """A runner over a real ledger, and its drives."""

    def __init__(self, limit: int = 256) -> None:
        self.desk = Desk()
        self.ledger = self.desk.ledger
        self.drives = Drives(self.ledger)
        self.runner = Runner(
            self.ledger, self.drives, self.desk.woken, self.desk.log, self.desk.metrics, concurrency=limit
        )

    async def hear(self, *sids: str) -> None:
        """These sessions are due."""
        for sid in sids:
            await self.desk.hear(key=Key(PROJECT, "lobby", sid))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The claim loop runs."""
        loop = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            await self.runner.stop(0)


async def test_what_is_due_is_driven() -> None:
    """Claimed at once, and how late it was is measured."""
    place = Place()
    await place.hear("RM_1")
    place.desk.watch.later(2_500)
    await place.hear("RM_2")
    place.drives.gate.set()
    async with place.running():
        await until(lambda: len(place.drives.ended) == 2)
    assert place.drives.ended == ["RM_1", "RM_2"]
    assert place.desk.value("session_pickup_delay_seconds_count") == 2
    assert place.desk.value("session_pickup_delay_seconds_sum") == 2.5


async def test_it_is_ready_once_the_ledger_has_answered() -> None:
    """Not before: nobody knows whether it would."""
    place = Place()
    assert place.runner.not_ready == "starting"
    async with place.running():
        await until(lambda: place.runner.not_ready is None)


async def test_no_more_than_the_limit_run_at_once() -> None:
    """The others wait in the ledger, and one of them starts as soon as a drive has ended."""
    place = Place(limit=2)
    await place.hear("RM_1", "RM_2", "RM_3")
    async with place.running():
        await until(lambda: len(place.drives.begun) == 2)
        assert place.runner.free == 0
        assert (await place.ledger.counts()).due == 1
        place.drives.gate.set()
        await until(lambda: len(place.drives.ended) == 3, within=0.9)  # IDLE_S is the time it must not need
        assert place.runner.free == 2


async def test_one_claim_leaves_places_for_events() -> None:
    """Until it has been answered, CLAIM_MAX places at most are spoken for; what more is due is claimed next."""
    place = Place(limit=CLAIM_MAX + 1)
    with place.runner.reserved(CLAIM_MAX) as places:
        assert (places, place.runner.free) == (CLAIM_MAX, 1)
    await place.hear(*(f"RM_{n}" for n in range(CLAIM_MAX + 2)))
    async with place.running():
        await until(lambda: len(place.drives.begun) == CLAIM_MAX + 1, within=0.9)  # IDLE_S is the time it must not need


async def test_a_full_runner_claims_nothing() -> None:
    """However often it is woken."""
    place = Place(limit=1)
    await place.hear("RM_1", "RM_2")
    async with place.running():
        await until(lambda: place.drives.begun)
        for _ in range(3):
            place.desk.woken.set()
            await until(lambda: not place.desk.woken.is_set())
        assert place.drives.begun == ["RM_1"]


async def test_what_becomes_due_wakes_it() -> None:
    """It had been told that nothing would be due: no second passes before the session is driven."""
    place = Place()
    async with place.running():
        await until(lambda: place.runner.not_ready is None)
        await asyncio.sleep(0)
        await place.hear("RM_1")
        await until(lambda: place.drives.begun, within=0.5)


async def test_it_sleeps_until_the_next_due_time() -> None:
    """What the ledger says of it, and no longer."""
    place = Place()
    await place.hear("RM_1")
    (handover,) = (await place.ledger.claim(1))[0]
    await place.ledger.save(handover.lease, b"", handover.upto, Then.DUE, due_at=handover.now + 20)
    async with place.running():
        await until(lambda: place.runner.not_ready is None)
        place.desk.watch.later(20)
        await until(lambda: place.drives.begun, within=0.5)


async def test_a_later_release_is_let_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """While records are met that only its replicas can read, what is due is claimed COURTESY_S behind them."""
    monkeypatch.setattr("dispatcher.engine.runner.COURTESY_S", 0.2)
    place = Place()
    place.drives.gate.set()
    lease = Lease(key=KEY, token="t", until=LEASE_MS)
    newer = b'{"v":%d}' % (VERSION + 1)
    assert place.drives.newer_records.defers(Handover(lease=lease, record=newer, inbox=(), upto=0, now=0, due=0))
    async with place.running():
        await until(lambda: place.runner.not_ready is None)
        began = asyncio.get_running_loop().time()
        await place.hear("RM_1")
        await until(lambda: place.drives.ended == ["RM_1"])
    assert asyncio.get_running_loop().time() - began >= 0.19


async def test_an_unavailable_ledger_is_trouble_that_passes() -> None:
    """Unready, and asked again until it answers; nobody has to do anything. Whoever watches the ledger tells of it."""
    place = Place()
    place.desk.watch.broken = True
    async with place.running():
        await until(lambda: place.runner.not_ready == "ledger_unavailable")
        await place_tried_again(place)
        assert place.desk.lines == []
        place.desk.watch.broken = False
        await place.hear("RM_1")
        await until(lambda: place.drives.begun)
        assert place.runner.not_ready is None


async def place_tried_again(place: Place) -> None:
    """The runner has claimed once more, in vain."""
    place.desk.woken.set()
    await until(lambda: not place.desk.woken.is_set())


async def test_a_ledger_that_fails_a_drive_is_trouble_too() -> None:
    """The error is the ledger's, not the loop's; the session is handed back, and driven long before its lease ends."""
    place = Place()
    place.drives.troubles["RM_1"] = LedgerUnavailable("as the test wants it")
    place.drives.gate.set()
    await place.hear("RM_1")
    async with place.running():
        await until(lambda: place.runner.not_ready == "ledger_unavailable")
        assert (await place.ledger.counts()).held == 1
        del place.drives.troubles["RM_1"]
        await until(lambda: place.drives.ended == ["RM_1"])
    assert place.desk.value("loop_errors_total", loop="drive") == 0


async def test_a_ledger_that_stays_away_has_its_leases_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is handed back any more once the lease is nobody's: the place is free again."""
    monkeypatch.setattr("dispatcher.engine.runner.RETRY_S", 0.001)
    monkeypatch.setattr("dispatcher.core.timing.LEASE_MS", 10)
    place = Place()
    place.drives.troubles["RM_1"] = LedgerUnavailable("as the test wants it")
    await place.hear("RM_1")
    async with place.running():
        await until(lambda: place.drives.begun)
        place.desk.watch.broken = True
        await until(lambda: place.runner.free == place.runner.concurrency)


async def test_one_drives_defect_does_not_stop_the_others() -> None:
    """It is counted and loud, without the error's text, and its session comes up again with the end of its lease."""
    place = Place()
    place.drives.troubles["RM_1"] = ValueError("with a secret in it")
    place.drives.gate.set()
    await place.hear("RM_1", "RM_2")
    async with place.running():
        await until(lambda: place.drives.ended == ["RM_2"])
        assert place.desk.value("loop_errors_total", loop="drive") == 1
        (line,) = place.desk.said("drive.failed")
        assert (line["level"], line["sid"], line["error"]) == ("error", "RM_1", "ValueError")
        assert "secret" not in str(line)
        del place.drives.troubles["RM_1"]
        place.desk.watch.later(LEASE_MS)
        place.desk.woken.set()
        await until(lambda: place.drives.ended == ["RM_2", "RM_1"])


async def test_draining_starts_nothing() -> None:
    """Unready from then on; what is due stays for others."""
    place = Place()
    async with place.running():
        await until(lambda: place.runner.not_ready is None)
        place.runner.drain()
        assert (place.runner.not_ready, place.runner.free) == ("draining", 0)
        await place.hear("RM_1")
        await place_tried_again(place)
        assert (place.runner.not_ready, place.drives.begun) == ("draining", [])


async def test_stopping_lets_running_drives_end() -> None:
    """Nothing is cut off that ends in time."""
    place = Place()
    await place.hear("RM_1")
    async with place.running():
        await until(lambda: place.drives.begun)
        stopping = asyncio.create_task(place.runner.stop(5))
        await asyncio.sleep(0)
        assert not stopping.done()
        place.drives.gate.set()
        await stopping
    assert place.drives.ended == ["RM_1"]
    assert (await place.ledger.counts()).rest == 1


async def test_stopping_hands_back_what_does_not_end() -> None:
    """Due at once, for anybody, instead of at the end of a lease."""
    place = Place()
    await place.hear("RM_1")
    async with place.running():
        await until(lambda: place.drives.begun)
        await place.runner.stop(0.01)
        assert place.drives.ended == []
        counts = await place.ledger.counts()
    assert (counts.due, counts.held) == (1, 0)


async def test_stopping_without_a_ledger_ends_all_the_same() -> None:
    """What could not be handed back is told; its lease runs out."""
    place = Place()
    await place.hear("RM_1")
    async with place.running():
        await until(lambda: place.drives.begun)
        place.desk.watch.broken = True
        await place.runner.stop(0.01)
    assert [line["sid"] for line in place.desk.said("lease.kept")] == ["RM_1"]


async def test_stopping_an_idle_runner_takes_no_time() -> None:
    """There is nothing to wait for."""
    place = Place()
    async with asyncio.timeout(1):
        await place.runner.stop(60)
