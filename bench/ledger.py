"""What a ledger does per second: `python -m bench.ledger`. A pair is one deliver that takes the session and one save.

Every home in HOMES, side by side; each caller has sessions of its own, a hundred of them, with a record of 1,000 B.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from dispatcher.ledger.interface import Key, Ledger, SaveResult, Then
from dispatcher.ledger.memory import MemoryLedger

PAIRS = 40_000
CALLERS = (1, 64)
SESSIONS = 100
RECORD = bytes(1_000)
EVENT = bytes(300)


def memory() -> Ledger:
    """The embedded default."""
    return MemoryLedger(lambda: time.time_ns() // 1_000_000)


HOMES: dict[str, Callable[[], Ledger]] = {"memory": memory}


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
        assert delivery.held is not None, "the session was held by somebody else"
        saved = await ledger.save(delivery.held.lease, RECORD, delivery.held.upto, Then.REST)
        assert saved.result is SaveResult.OK
        took.append((time.perf_counter() - began) * 1_000)
    return took


async def measure(open_home: Callable[[], Ledger], callers: int) -> Result:
    """PAIRS pairs by so many callers side by side."""
    ledger = open_home()
    began = time.perf_counter()
    took = await asyncio.gather(*(call(ledger, caller, PAIRS // callers) for caller in range(callers)))
    seconds = time.perf_counter() - began
    await ledger.aclose()
    every = sorted(ms for one in took for ms in one)
    return Result(len(every) / seconds, percentile(every, 0.5), percentile(every, 0.99))


def percentile(ordered: list[float], share: float) -> float:
    """The smallest value that this share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    """Every home under every number of callers, a line each."""
    print(f"{'home':12} {'callers':>7} {'pairs/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name, open_home in HOMES.items():
        for callers in CALLERS:
            result = asyncio.run(measure(open_home, callers))
            print(f"{name:12} {callers:7} {result.pairs_per_second:10,.0f} {result.p50_ms:8.3f} {result.p99_ms:8.3f}")


if __name__ == "__main__":
    main()
