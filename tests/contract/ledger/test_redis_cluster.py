"""The Redis home on a cluster: what redis-py's client of it makes hard."""

import asyncio
import gc
import signal
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from dispatcher.ledger.interface import Counts, Delivered, Key, LedgerUnavailable
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.client import Client
from dispatcher.ledger.redis.connections import NODE_S
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.scripts import Op
from tests.real.redis_servers import ALL_DATA, Cluster, cluster, wait_until

ROOMS = 60


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Cluster]:
    """Three masters that keep what they have."""
    with cluster(tmp_path, *ALL_DATA) as here:
        yield here


@pytest.fixture
async def ledger(servers: Cluster) -> AsyncIterator[RedisLedger]:
    """A ledger that has asked nothing yet."""
    opened = RedisLedger(address.read(servers.url))
    yield opened
    await opened.aclose()


async def deliver(ledger: RedisLedger, number: int) -> Delivered | None:
    """What became of one event of a room of its own; None: the ledger was not there."""
    try:
        return (await ledger.deliver(Key("p1", f"room-{number}", f"RM_{number}"), f"EV_{number}", b"x")).outcome
    except LedgerUnavailable:
        return None


async def test_the_first_calls_may_come_side_by_side(ledger: RedisLedger) -> None:
    """Nobody has asked for the cluster's nodes, and many calls do so at once: each is answered."""
    counted = await asyncio.gather(*(ledger.counts() for _ in range(8)))

    assert counted == [Counts(due=0, held=0, rest=0)] * 8


async def test_a_node_that_comes_back_is_used_again_under_load(ledger: RedisLedger, servers: Cluster) -> None:
    """Without it nothing is taken; once the cluster is whole, all is as before and nothing is lost."""
    before = [await deliver(ledger, number) for number in range(ROOMS)]
    servers.nodes[0].kill()
    wait_until(lambda: "cluster_state:fail" in str(servers.nodes[1].ask("CLUSTER", "INFO")), "the others miss it")
    away = await asyncio.gather(*(deliver(ledger, number) for number in range(ROOMS, 2 * ROOMS)))
    servers.nodes[0].start()
    servers.nodes[0].wait_ready()
    wait_until(servers.whole, "the cluster is whole")
    again = await asyncio.gather(*(deliver(ledger, number) for number in range(2 * ROOMS)))
    counts = await ledger.counts()

    assert before == [Delivered.ACCEPTED] * ROOMS
    assert away == [None] * ROOMS
    assert again[:ROOMS] == [Delivered.DUPLICATE] * ROOMS
    assert again[ROOMS:] == [Delivered.ACCEPTED] * ROOMS
    assert counts == Counts(due=0, held=2 * ROOMS, rest=0)


async def test_a_client_that_is_given_up_is_closed(servers: Cluster) -> None:
    """The next call has a client of its own, and nothing of the first one is left open."""
    calls = Keys().everywhere(Op.COUNTS)
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        async with aclosing(Client(address.read(servers.url))) as client:
            before = await client.run(calls)
            for node in servers.nodes:
                node.process.signal(signal.SIGSTOP)
            with pytest.raises(LedgerUnavailable):
                await client.run(calls, within=NODE_S / 4)
            for node in servers.nodes:
                node.process.signal(signal.SIGCONT)
            after = await client.run(calls)
        gc.collect()

    assert after == before
    assert [str(warning.message) for warning in left] == []
