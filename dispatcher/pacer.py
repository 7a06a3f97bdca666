"""How fast creates follow each other, per project and agent name, over all replicas. Prevention beats healing.

Creates that come at once are what a LiveKit server loses: 11 of 30 (docs/livekit.md §0). So each takes a slot. When one
was lost all the same (`silent`), slots come twice as far apart, and nearer again with each agent that comes.
"""

from collections.abc import Iterable
from typing import Final

from dispatcher.config import Pace
from dispatcher.core.session import Entry, Said, Verdict
from dispatcher.ledger.interface import Ledger

SLOWER: Final = 2.0
FASTER: Final = 0.8
SLOWEST: Final = 8.0  # 50 a second become 6: enough for slow retries when no worker is there at all
ONCE_PER_MS: Final = 1_000  # many silent at once are one bad moment, not many


class Pacer:
    """Gives out slots. `pace` is None: everyone goes at once."""

    def __init__(self, ledger: Ledger, pace: Pace | None) -> None:
        self.ledger = ledger
        self.pace = pace
        self._slow: set[str] = set()  # names slower than asked, as far as this process knows

    async def wait(self, project: str, agent: str) -> float:
        """A slot is taken; how many ms until it comes, 0 being now."""
        if self.pace is None:
            return 0.0
        interval = 1000 / self.pace.per_second
        return await self.ledger.pace(f"{project}/{agent}", interval=interval, burst=self.pace.burst)

    async def heard(self, project: str, entries: Iterable[Entry]) -> None:
        """The pace follows what came of the attempts."""
        for entry in entries if self.pace else ():
            name = f"{project}/{entry.agent}"
            if entry.said is Said.CLOSED and entry.why == Verdict.SILENT:
                await self._slow_down(name)
            elif entry.said is Said.SERVED and name in self._slow:
                await self._speed_up(name)

    async def _slow_down(self, name: str) -> None:
        self._slow.add(name)
        if await self.ledger.turn(f"slower/{name}", ONCE_PER_MS):
            await self.ledger.adjust(name, SLOWER, most=SLOWEST)

    async def _speed_up(self, name: str) -> None:
        if await self.ledger.adjust(name, FASTER, most=SLOWEST) == 1:
            self._slow.discard(name)
