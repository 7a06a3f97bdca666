"""Every operation of a ledger is timed under its name and otherwise what it is."""

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import Delivered, Key, LedgerUnavailable, SaveResult, Standing, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.timed import TimedLedger
from tests.unit.core.world import NOW
from tests.unit.desk import KEY, Watch

OTHER = Key("default", "atrium", "RM_2")


class Stage:
    """A timed ledger, its clock, and what was timed."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.timed: list[str] = []
        self.seconds: list[float] = []
        self.troubles: list[LedgerUnavailable | None] = []
        self.ledger = TimedLedger(MemoryLedger(self.watch), self.observe)

    def observe(self, op: str, seconds: float, trouble: LedgerUnavailable | None) -> None:
        self.timed.append(op)
        self.seconds.append(seconds)
        self.troubles.append(trouble)


async def test_a_timed_ledger_is_the_ledger() -> None:
    """One session's life through each operation: arguments and answers pass through."""
    stage = Stage()
    ledger = stage.ledger
    assert (await ledger.deliver(OTHER, "EV_0", b"0", take=False)).handover is None
    handover = (await ledger.deliver(KEY, "EV_1", b"1")).handover
    assert handover is not None
    assert (await ledger.deliver(KEY, "EV_1", b"1")).outcome is Delivered.DUPLICATE
    waiting = Standing("waiting", "greeter")
    kept = await ledger.save(handover.lease, b"record", handover.upto, Then.KEEP, telling=Telling(index=(waiting,)))
    assert kept.result is SaveResult.KEPT
    stage.watch.later(1_000)
    renewed = await ledger.renew(handover.lease)
    assert renewed is not None
    assert renewed.until == NOW + 1_000 + LEASE_MS
    assert await ledger.standings() == {("default", waiting): 1}
    assert [life.key for life in await ledger.list("default", "waiting", limit=1)] == [KEY]
    assert [life.record for life in await ledger.find("default", "lobby")] == [b"record"]
    await ledger.save(renewed, b"record", handover.upto, Then.DUE, due_at=NOW + 3_000)
    claimed, wait = await ledger.claim(2)
    assert ([one.lease.key for one in claimed], wait) == ([OTHER], 2_000)
    await ledger.release(claimed[0].lease)
    counts = await ledger.counts()
    assert (counts.due, counts.held, counts.rest) == (2, 0, 0)
    assert await ledger.touch([KEY, OTHER, Key("default", "x", "RM_3")]) == {Key("default", "x", "RM_3")}
    assert [await ledger.turn("sweep", 1_000) for _ in range(2)] == [True, False]
    assert [(await ledger.pace("greeter", interval=100, burst=1)).wait for _ in range(2)] == [0, 100]
    assert await ledger.adjust("greeter", 2.0, most=8.0) == 2.0
    assert await ledger.replace_memo("greeter", None, b"it lives") == b"it lives"
    assert await ledger.memos(["greeter", "sales"]) == [b"it lives", None]
    assert await ledger.now() == NOW + 1_000
    await ledger.aclose()
    assert set(stage.timed) == {
        *("deliver", "claim", "save", "renew", "release", "find", "list", "touch"),
        *("counts", "standings", "turn", "pace", "adjust", "memos", "replace_memo", "now"),
    }
    assert min(stage.seconds) >= 0
    assert set(stage.troubles) == {None}


async def test_an_operation_that_fails_is_timed_too() -> None:
    """How long an outage takes to show is what one wants to know."""
    stage = Stage()
    stage.watch.broken = True
    with pytest.raises(LedgerUnavailable) as failed:
        await stage.ledger.claim(1)
    assert stage.timed == ["claim"]
    assert stage.troubles == [failed.value]
