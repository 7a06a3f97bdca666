"""Notices wait in the ledger from the very save that they tell of, until somebody has collected them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.core import timing
from dispatcher.core.effects import Then
from dispatcher.ledger.interface import NOTICES_MAX, NOTICES_TTL_MS, Ledger, LedgerUnavailable, SaveResult, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.scripts import PARTITIONS, Op, script
from tests.contract.ledger.homes import KEY, OTHER, START, Home, RedisHome, held
from tests.real.proxy import Proxy, ResetAfterSend
from tests.real.redis_servers import alone


async def waiting(ledger: Ledger, limit: int = 100) -> list[bytes]:
    """What waits, in the order in which it is told."""
    return [one.notice for one in await ledger.notices.oldest(limit)]


async def test_a_save_posts_its_notices(ledger: Ledger) -> None:
    """They wait in their order, and reading takes none out."""
    handover = await held(ledger)

    saved = await ledger.save(
        handover.lease, b"r", handover.upto, Then.REST, telling=Telling(notices=[b"starved", b"removed"])
    )

    assert saved.result is SaveResult.OK
    assert await waiting(ledger) == [b"starved", b"removed"]
    assert await waiting(ledger) == [b"starved", b"removed"]


async def test_a_lost_lease_tells_nobody(home: Home) -> None:
    """Whoever took the session over tells what becomes of it."""
    late = await held(home.ledger)
    home.advance(timing.LEASE_MS)
    await home.ledger.claim(1)

    lost = await home.ledger.save(late.lease, b"r", late.upto, Then.REST, telling=Telling(notices=[b"starved"]))

    assert lost.result is SaveResult.LOST
    assert await waiting(home.ledger) == []


@pytest.mark.parametrize("then", list(Then))
async def test_every_kind_of_save_posts(ledger: Ledger, then: Then) -> None:
    """A checkpoint and a room's end tell as well."""
    handover = await held(ledger)

    await ledger.save(handover.lease, b"r", handover.upto, then, telling=Telling(notices=[b"starved"]))

    assert await waiting(ledger) == [b"starved"]


async def test_what_is_discarded_waits_no_more(ledger: Ledger) -> None:
    """That alone; discarding again, or what never was, changes nothing."""
    for key, notice in ((KEY, b"one"), (OTHER, b"other")):
        handover = await held(ledger, key)
        await ledger.save(handover.lease, b"r", handover.upto, Then.REST, telling=Telling(notices=[notice]))
    gone = [one.id for one in await ledger.notices.oldest(100) if one.notice == b"one"]

    await ledger.notices.discard(gone)
    await ledger.notices.discard(gone)
    await ledger.notices.discard([])

    assert await waiting(ledger) == [b"other"]


async def test_a_memo_posts_where_it_is_replaced(ledger: Ledger) -> None:
    """Of two who replace the same memo one tells, and so does nobody who comes too late."""
    assert await ledger.replace_memo("p1/greeter", None, b"open", telling=Telling(notices=[b"opened"])) == b"open"
    assert await ledger.replace_memo("p1/greeter", None, b"open", telling=Telling(notices=[b"opened"])) == b"open"
    assert await ledger.replace_memo("p1/greeter", b"closed", b"open", telling=Telling(notices=[b"opened"])) == b"open"

    assert await waiting(ledger) == [b"opened"]


async def test_a_limit_bounds_what_is_read(ledger: Ledger) -> None:
    """Of one partition no more than its share; the oldest first."""
    handover = await held(ledger)
    await ledger.save(
        handover.lease, b"r", handover.upto, Then.REST, telling=Telling(notices=[b"%d" % n for n in range(8)])
    )

    assert (await waiting(ledger, PARTITIONS))[0] == b"0"
    assert len(await waiting(ledger, 1)) == 1


async def test_notices_are_forgotten_when_nobody_collects_them(home: Home) -> None:
    """A day after the last one was posted."""
    if isinstance(home, RedisHome):
        pytest.skip("Redis keeps them by its own clock: test_law_8_every_key_has_a_time_to_live")
    handover = await held(home.ledger)
    await home.ledger.save(handover.lease, b"r", handover.upto, Then.REST, telling=Telling(notices=[b"starved"]))
    home.advance(NOTICES_TTL_MS - 1)
    assert await waiting(home.ledger) == [b"starved"]

    home.advance(1)

    assert await waiting(home.ledger) == []


async def test_notices_that_nobody_collects_are_bounded(home: Home) -> None:
    """The oldest make room."""
    most = NOTICES_MAX // PARTITIONS if isinstance(home, RedisHome) else NOTICES_MAX
    handover = await held(home.ledger)
    notices = [b"%d" % n for n in range(most + 2)]

    await home.ledger.save(handover.lease, b"r", handover.upto, Then.KEEP, telling=Telling(notices=notices))

    kept = await waiting(home.ledger, 2 * NOTICES_MAX)
    assert len(kept) == most
    assert b"1" not in kept
    assert notices[-1] in kept


async def test_the_memory_ledger_never_gives_an_id_twice() -> None:
    """What was discarded may be discarded again, and takes nothing else with it."""
    ledger = MemoryLedger(lambda: START)
    await ledger.replace_memo("a", None, b"1", telling=Telling(notices=[b"first"]))
    [first] = await ledger.notices.oldest(1)
    await ledger.notices.discard([first.id])
    await ledger.replace_memo("b", None, b"1", telling=Telling(notices=[b"second"]))

    await ledger.notices.discard([first.id])

    assert await waiting(ledger) == [b"second"]


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    """The way to an empty Valkey that knows the scripts: else the answer that is lost is that it does not."""
    with alone(tmp_path) as server:
        server.ask("SCRIPT", "LOAD", script(Op.SAVE).text)
        async with Proxy(server.port) as between:
            yield between


async def test_a_checkpoint_that_redis_is_sent_again_tells_once(proxy: Proxy) -> None:
    """Its answers were lost, and the session was still ours: the repeat saved the same, and told nothing anew."""
    ledger = RedisLedger(address.read(f"redis://127.0.0.1:{proxy.port}"))
    handover = await held(ledger)
    await proxy.meet(ResetAfterSend())

    with pytest.raises(LedgerUnavailable):
        await ledger.save(handover.lease, b"r", handover.upto, Then.KEEP, telling=Telling(notices=[b"starved"]))

    await proxy.heal()
    assert await waiting(ledger) == [b"starved"]
    await ledger.aclose()
