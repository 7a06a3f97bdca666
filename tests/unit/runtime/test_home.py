"""The ledger's home, as the configuration names it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.config import LedgerAt
from dispatcher.core.effects import Then
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.interface import Key
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.runtime.home import configured_ledger, steady_clock
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot
from tests.integration.house import config, rule
from tests.real.valkey import running_valkey
from tests.unit.desk import CONFIG

HOUR = 3_600_000


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Valkey of this test's."""
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as valkey:
        yield valkey.url


def in_force(ended_rooms: EndedRooms) -> ConfigSnapshot:
    """A configuration that keeps these."""
    return ConfigSnapshot(config=replace(CONFIG, ended_rooms=ended_rooms), projects={})


@pytest.mark.parametrize("kind", [MemoryLedger, RedisLedger])
async def test_what_is_kept_follows_the_configuration_in_force(kind: type, redis_url: str) -> None:
    """A reload makes a room that has ended stay, or go."""
    now, woken = 1_795_000_000_000, list[None]()
    holder = ConfigHolder(in_force(EndedRooms(keep=3 * HOUR)))
    home = LedgerAt("redis", address.read(redis_url)) if kind is RedisLedger else None
    wanted = replace(config("http://127.0.0.1:9", rule("greeter")), ledger=home)
    ledger = configured_ledger(wanted, holder, lambda: woken.append(None), clock=lambda: now)
    assert isinstance(ledger, kind)
    mine = (await ledger.deliver(Key("default", "lobby", "RM_1"), "", b"{}")).handover
    assert mine is not None
    await ledger.save(mine.lease, b"record", mine.upto, Then.OVER)
    now += 2 * HOUR
    assert len(await ledger.find("default", "lobby")) == 1

    holder.snapshot = in_force(EndedRooms(keep=HOUR))

    assert await ledger.find("default", "lobby") == []
    await ledger.claim(1)
    await ledger.deliver(Key("default", "lobby", "RM_2"), "", b"{}", take=False)
    assert len(woken) == 1
    await ledger.aclose()


def test_the_memory_ledgers_clock_does_not_step_back() -> None:
    """It shows the machine's time."""
    clock = steady_clock()
    assert 1_700_000_000_000 < clock() <= clock()
