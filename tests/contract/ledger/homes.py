"""The ledger's homes, each on a clock that stands still until a test moves it."""

from collections.abc import Callable
from typing import Protocol

from dispatcher.core.events import Ms
from dispatcher.ledger.interface import Held, Key, Ledger
from dispatcher.ledger.memory import MemoryLedger

START: Ms = 1_700_000_000_000

KEY = Key("p1", "lobby", "RM_1")
OTHER = Key("p1", "atrium", "RM_2")


class Home(Protocol):
    """A ledger, its clock and its end. Opened inside the event loop that uses it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger; another one after `forget`."""
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
        self.ledger = MemoryLedger(self.read_clock)

    def read_clock(self) -> Ms:
        return self.time

    def advance(self, ms: Ms) -> None:
        self.time += ms

    async def forget(self) -> None:
        self.ledger = MemoryLedger(self.read_clock)

    async def aclose(self) -> None:
        await self.ledger.aclose()


HOMES: dict[str, Callable[[], Home]] = {"memory": MemoryHome}


async def held(ledger: Ledger, key: Key = KEY, event: bytes = b"hello") -> Held:
    """The session, in our hands by an event that is no repeat."""
    delivery = await ledger.deliver(key, "", event)
    assert delivery.held is not None, f"somebody else holds {key}"
    return delivery.held
