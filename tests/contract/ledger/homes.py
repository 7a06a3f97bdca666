"""The ledger's homes, each on a clock that stands still until a test moves it."""

import atexit
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Protocol

from dispatcher.core.facts import Ms
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.installation import Installation
from dispatcher.ledger.interface import Handover, Key, Ledger
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from tests.real.valkey import Valkey, ask, running_valkey

START: Ms = 1_700_000_000_000

KEY = Key("p1", "lobby", "RM_1")
OTHER = Key("p1", "atrium", "RM_2")


class Home(Protocol):
    """A ledger, its clock and its end. Opened inside the event loop that uses it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger; another one after `forget`."""
        ...

    ended: EndedRooms  # which that have ended are kept: a test may change it

    def neighbour(self, instance: str) -> Ledger:
        """The ledger of another installation at the same place, on the same clock."""
        ...

    def advance(self, ms: Ms) -> None:
        """The ledger's clock is so much later."""
        ...

    async def forget(self) -> None:
        """Everything in the ledger is lost."""
        ...

    async def aclose(self) -> None:
        """Nothing is left open, and nothing for the next test."""
        ...


class MemoryHome:
    """A process with its ledger in memory; it forgets by starting again."""

    def __init__(self) -> None:
        self.time = START
        self.ended = EndedRooms()
        self.ledger = self._open()

    def read_clock(self) -> Ms:
        return self.time

    def neighbour(self, instance: str) -> Ledger:  # noqa: ARG002 - what it is called shows nowhere
        return MemoryLedger(self.read_clock)

    def advance(self, ms: Ms) -> None:
        self.time += ms

    async def forget(self) -> None:
        self.ledger = self._open()

    async def aclose(self) -> None:
        await self.ledger.aclose()

    def _open(self) -> MemoryLedger:
        return MemoryLedger(self.read_clock, ended=lambda: self.ended)


class RedisHome:
    """A Valkey for all tests of this process, empty for each; its scripts are told the time."""

    def __init__(self) -> None:
        self.time = START
        self.ended = EndedRooms()
        self.valkey = _valkey()
        self._empty()
        self.ledger = RedisLedger(address.read(self.valkey.url), ended=lambda: self.ended, clock=self.read_clock)

    def read_clock(self) -> Ms:
        return self.time

    def neighbour(self, instance: str) -> RedisLedger:
        installation = Installation(instance=instance)
        return RedisLedger(address.read(self.valkey.url), installation=installation, clock=self.read_clock)

    def advance(self, ms: Ms) -> None:
        self.time += ms

    async def forget(self) -> None:
        self._empty()

    async def aclose(self) -> None:
        await self.ledger.aclose()

    def _empty(self) -> None:
        assert ask(self.valkey.port, "FLUSHALL") == b"+OK"


@cache
def _valkey() -> Valkey:
    """Started when the first test asks for it; it ends with this process (see `leash`)."""
    stack = ExitStack()
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    valkey = stack.enter_context(running_valkey(Path(directory)))
    atexit.register(stack.close)
    return valkey


HOMES: dict[str, Callable[[], Home]] = {"memory": MemoryHome, "redis": RedisHome}


async def held(ledger: Ledger, key: Key = KEY, event: bytes = b"hello") -> Handover:
    """The session, in our hands by an event that is no repeat."""
    delivery = await ledger.deliver(key, "", event)
    assert delivery.handover is not None, f"somebody else holds {key}"
    return delivery.handover
