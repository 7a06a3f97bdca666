"""Which home the ledger has, as the configuration says: Redis, or the memory of this process."""

import time
from collections.abc import Callable

from dispatcher.config import Config
from dispatcher.core.facts import Ms
from dispatcher.ledger.installation import Installation
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.runtime.snapshot import ConfigHolder


def configured_ledger(
    config: Config, holder: ConfigHolder, wake: Callable[[], None], *, clock: Callable[[], Ms] | None = None
) -> Ledger:
    """The ledger that the configuration names. The Redis client is imported only where there is one to talk to.

    `clock`, for tests, is read instead of Redis's, or the machine's.
    """
    if config.ledger is None:
        return memory_ledger(holder, wake, clock=clock)
    from dispatcher.ledger.redis.ledger import RedisLedger  # noqa: PLC0415 it takes a quarter of a second and 24 MB

    at = config.ledger.address
    installation = Installation(
        instance=config.instance, livekits=lambda: holder.snapshot.livekits, take_over=config.take_over
    )
    return RedisLedger(at, installation=installation, ended=holder.ended_rooms, wake=wake, clock=clock)


def memory_ledger(holder: ConfigHolder, wake: Callable[[], None], *, clock: Callable[[], Ms] | None = None) -> Ledger:
    """A ledger in this process; `wake` is called when something is due."""
    return MemoryLedger(clock or steady_clock(), ended=holder.ended_rooms, wake=wake)


def steady_clock() -> Callable[[], Ms]:
    """The machine's time, carried on by a clock that never steps back."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000_000
