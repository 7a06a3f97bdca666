"""What a ledger does per second: `python -m bench.ledger`. A pair is one deliver that takes the session and one save.

Every home, side by side; each caller has sessions of its own, a hundred of them, with a record of 1,000 B. Redis is the
Valkey of the wheel, on the same machine: its clients' CPU is the limit, not the server's. Then what a claim costs that
finds nothing, and what sessions and event ids take in Redis.
"""

import asyncio
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from redis import Redis

from dispatcher.core.effects import Then
from dispatcher.ledger.interface import Key, Ledger, SaveResult, Standing, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from tests.real.valkey import Valkey, ask, running_valkey

PAIRS = 10_000
CALLERS = (1, 64, 500)
CLAIMS = 1_000
SESSIONS = 100
RECORD = bytes(1_000)
EVENT = bytes(300)


def memory() -> Ledger:
    """The embedded default."""
    return MemoryLedger(lambda: time.time_ns() // 1_000_000)


Open = Callable[[], Ledger]


class Result(NamedTuple):
    """One home under so many callers."""

    pairs_per_second: float
    p50_ms: float
    p99_ms: float


async def call(ledger: Ledger, caller: int, pairs: int) -> list[float]:
    """Pairs one after the other; how many ms each took."""
    keys = [Key("bench", f"room-{caller}-{n}", f"RM_{caller}_{n}") for n in range(SESSIONS)]
    took = []
    for n in range(pairs):
        began = time.perf_counter()
        delivery = await ledger.deliver(keys[n % SESSIONS], f"EV_{caller}_{n}", EVENT)
        assert delivery.handover is not None, "the session was held by somebody else"
        saved = await ledger.save(delivery.handover.lease, RECORD, delivery.handover.upto, Then.REST)
        assert saved.result is SaveResult.OK
        took.append((time.perf_counter() - began) * 1_000)
    return took


async def measure(open_home: Open, callers: int) -> Result:
    """PAIRS pairs by so many callers side by side."""
    ledger = open_home()
    began = time.perf_counter()
    took = await asyncio.gather(*(call(ledger, caller, PAIRS // callers) for caller in range(callers)))
    seconds = time.perf_counter() - began
    await ledger.aclose()
    every = sorted(ms for one in took for ms in one)
    return Result(len(every) / seconds, percentile(every, 0.5), percentile(every, 0.99))


async def idle_claim_ms(open_home: Open) -> float:
    """What one claim takes that finds nothing, on average."""
    ledger = open_home()
    began = time.perf_counter()
    for _ in range(CLAIMS):
        await ledger.claim(64)
    seconds = time.perf_counter() - began
    await ledger.aclose()
    return seconds * 1_000 / CLAIMS


async def sizes(valkey: Valkey, open_home: Open) -> tuple[float, float]:
    """The bytes that Redis needs for a session at rest, with RECORD and one assignment, and for an event id."""
    ledger, count = open_home(), 5_000
    with Redis.from_url(valkey.url) as client:

        def used() -> int:
            return int(client.info("memory")["used_memory"])

        empty = used()
        for n in range(count):
            delivery = await ledger.deliver(Key("bench", f"room-{n}", f"RM_{n:012}"), "", EVENT)
            assert delivery.handover is not None, "the session was held by somebody else"
            mine = delivery.handover
            await ledger.save(
                mine.lease, RECORD, mine.upto, Then.REST, telling=Telling(index=[Standing("served", "greeter")])
            )
        resting = used()
        busy = (await ledger.deliver(Key("bench", "busy", "RM_busy"), "", EVENT)).handover
        assert busy is not None, "the session was held by somebody else"
        for n in range(count):  # to one partition, which holds them all, and its inbox keeps 256 entries
            await ledger.deliver(busy.lease.key, f"EV_{n:012}", EVENT, take=False)
        await ledger.save(busy.lease, RECORD, busy.upto + count, Then.REST)
        ids = used()
    await ledger.aclose()
    return (resting - empty) / count, (ids - resting) / count


def percentile(ordered: list[float], share: float) -> float:
    """The smallest value that this share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    """Every home under every number of callers, a line each."""
    print(f"{'home':12} {'callers':>7} {'pairs/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
    with tempfile.TemporaryDirectory() as directory, running_valkey(Path(directory)) as valkey:

        def redis() -> Ledger:
            assert ask(valkey.port, "FLUSHALL") == b"+OK"
            return RedisLedger(address.read(valkey.url))

        homes: dict[str, Open] = {"memory": memory, "redis": redis}
        for name, open_home in homes.items():
            for callers in CALLERS:
                result = asyncio.run(measure(open_home, callers))
                times = f"{result.p50_ms:8.3f} {result.p99_ms:8.3f}"
                print(f"{name:12} {callers:7} {result.pairs_per_second:10,.0f} {times}")
        for name, open_home in homes.items():
            print(f"{name:12} an idle claim takes {asyncio.run(idle_claim_ms(open_home)):.3f} ms")
        session, event_id = asyncio.run(sizes(valkey, redis))
        print(f"redis        a session at rest takes {session:,.0f} B, an event id {event_id:,.0f} B")


if __name__ == "__main__":
    main()
