"""The Redis home on a network that loses answers: what was handed out in them waits for nobody."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.ledger.interface import Counts, Delivered, Key, LedgerUnavailable
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import UNHEARD_MAX, RedisLedger
from dispatcher.ledger.redis.scripts import Op, script
from tests.contract.ledger.homes import KEY, OTHER
from tests.real.proxy import Proxy, Refuse, ResetAfterSend
from tests.real.redis_servers import alone


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    """The way to an empty Valkey that knows the script: else the answer that is lost is that it does not."""
    with alone(tmp_path) as server:
        server.ask("SCRIPT", "LOAD", script(Op.DELIVER).text)
        async with Proxy(server.port) as between:
            yield between


@pytest.fixture
async def ledger(proxy: Proxy) -> AsyncIterator[RedisLedger]:
    """A ledger at the far end of it."""
    opened = RedisLedger(address.read(f"redis://127.0.0.1:{proxy.port}"))
    yield opened
    await opened.aclose()


async def lose(ledger: RedisLedger, key: Key) -> None:
    """An event that is recorded, and whose answer is lost, the second one too."""
    with pytest.raises(LedgerUnavailable):
        await ledger.deliver(key, f"EV_{key.sid}", b"joined")


async def test_sessions_handed_out_in_lost_answers_are_claimed_at_once(ledger: RedisLedger, proxy: Proxy) -> None:
    """They are held by nobody; with the next claim they are due, and nobody waits for their leases to end."""
    await proxy.meet(ResetAfterSend())
    await lose(ledger, KEY)
    await lose(ledger, OTHER)
    await proxy.heal()
    assert await ledger.counts() == Counts(due=0, held=2, rest=0)

    claimed, _ = await ledger.claim(10)

    assert {handover.lease.key: handover.inbox for handover in claimed} == {KEY: (b"joined",), OTHER: (b"joined",)}


async def test_the_repeat_of_a_lost_event_is_known_and_holds_nothing_up(ledger: RedisLedger, proxy: Proxy) -> None:
    """LiveKit sends it again before the next claim: a repeat, and the session is claimed all the same."""
    await proxy.meet(ResetAfterSend())
    await lose(ledger, KEY)
    await proxy.heal()

    assert (await ledger.deliver(KEY, f"EV_{KEY.sid}", b"joined")).outcome is Delivered.DUPLICATE
    claimed, _ = await ledger.claim(10)
    assert [handover.lease.key for handover in claimed] == [KEY]


async def test_they_are_remembered_until_the_ledger_answers(ledger: RedisLedger, proxy: Proxy) -> None:
    """A claim that fails forgets none."""
    await proxy.meet(ResetAfterSend())
    await lose(ledger, KEY)
    await proxy.meet(Refuse())
    with pytest.raises(LedgerUnavailable):
        await ledger.claim(10)
    await proxy.heal()

    claimed, _ = await ledger.claim(10)
    assert [handover.lease.key for handover in claimed] == [KEY]


async def test_a_long_outage_is_remembered_in_part(ledger: RedisLedger, proxy: Proxy) -> None:
    """The newest UNHEARD_MAX; a process without its Redis does not grow."""
    await proxy.meet(Refuse())
    for number in range(UNHEARD_MAX + 10):
        await lose(ledger, Key("p1", f"room-{number}", f"RM_{number}"))

    assert len(ledger._unheard) == UNHEARD_MAX  # noqa: SLF001 - its size shows nowhere else
