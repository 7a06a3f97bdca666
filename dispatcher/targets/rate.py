"""How fast calls follow each other, over all replicas: each takes a turn of the ledger's.

Creates that come at once are what a LiveKit server loses: 11 of 30 (docs/livekit.md §0). So each takes a turn of its
project and target, as each target has workers of its own. When one was lost all the same (`silent`), turns come twice
as far apart, and nearer again with each agent that comes. A project with an `api_rate_limit` has two more queues, for
looks and for creates (docs/adr/0017): of four requests three are a look's and one is a create's, so that creates never
stand behind looks.
"""

from collections.abc import Iterable
from typing import Final

from dispatcher.config import ApiRateLimit
from dispatcher.core.rules import Target
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.ledger.interface import Ledger, Slot
from dispatcher.livekit.failures import Reason
from dispatcher.runtime.snapshot import ProjectRuntime

SLOWER: Final = 2.0
FASTER: Final = 0.8
SLOWEST: Final = 8.0  # 50 a second become 6: enough for slow retries when no worker is there at all
ONCE_PER_MS: Final = 1_000  # many silent at once are one bad moment, not many
SHARES: Final = 4  # a look is three requests, a create one


class Pacer:
    """Gives out turns. Without `create_rate` and `api_rate_limit` everyone goes at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._slow: set[str] = set()  # queues slower than asked, as far as this process knows

    async def to_create(self, project: str, target: Target, runtime: ProjectRuntime) -> Slot:
        """A turn for a CreateDispatch, or a launch, is taken; when it comes, and what the ledger has of the target."""
        limit = None if target.launcher else runtime.api_rate_limit  # of LiveKit's calls
        limited, name = await self._slot(_creates(project), limit), queue_of(project, target)
        if runtime.create_rate is None:
            [memo] = await self.ledger.memos([name])
            return Slot(limited, memo)
        interval = 1000 / runtime.create_rate.per_second
        paced = await self.ledger.pace(name, interval=interval, burst=runtime.create_rate.burst)
        return Slot(max(limited, paced.wait), paced.memo)

    async def to_look(self, project: str, limit: ApiRateLimit | None) -> float:
        """A turn for a look's three requests is taken; how many ms until it comes."""
        return await self._slot(_looks(project), limit)

    async def taking_back(self, project: str, limit: ApiRateLimit | None) -> None:
        """A removal is counted and does not wait: the creates behind it do. There is at most one for each of them."""
        await self._slot(_creates(project), limit)

    async def learn(self, project: str, runtime: ProjectRuntime, entries: Iterable[Entry]) -> None:
        """The queues follow what came of the attempts."""
        for entry in entries:
            queue = queue_of(project, entry.agent)
            limited = entry.verdict is Verdict.UNSENT and entry.reason == Reason.LIMITED
            if limited:
                await self.refused(project, runtime.api_rate_limit)
            if (limited or entry.verdict is Verdict.SILENT) and runtime.create_rate:
                await self._slow_down(queue)
            elif entry.said is Said.AGENT_JOINED:
                await self._speed_up(queue)

    async def refused(self, project: str, limit: ApiRateLimit | None) -> None:
        """LiveKit said that it is too much: the project's queues go at half the speed, down to an eighth."""
        if limit is not None:
            await self._slow_down(_looks(project))
            await self._slow_down(_creates(project))

    async def answered(self, project: str) -> None:
        """LiveKit takes calls: what it had slowed down goes faster again, once a second."""
        slow = self._slow.intersection((_looks(project), _creates(project)))
        if slow and await self.ledger.turn(f"faster/{project}", ONCE_PER_MS):
            for queue in slow:
                await self._speed_up(queue)

    async def _slot(self, queue: str, limit: ApiRateLimit | None) -> float:
        if limit is None:
            return 0.0
        interval = SHARES * 1000 / limit.calls_per_second
        return (await self.ledger.pace(queue, interval=interval, burst=limit.burst // SHARES)).wait

    async def _slow_down(self, queue: str) -> None:
        self._slow.add(queue)
        if await self.ledger.turn(f"slower/{queue}", ONCE_PER_MS):
            await self.ledger.adjust(queue, SLOWER, most=SLOWEST)

    async def _speed_up(self, queue: str) -> None:
        if queue in self._slow and await self.ledger.adjust(queue, FASTER, most=SLOWEST) == 1:
            self._slow.discard(queue)


def queue_of(project: str, target: Target | str) -> str:
    """The name, in the ledger, of all that is kept of a target (or of one as entries name it): its queue, its facts."""
    return f"{project}/{target}"


def _looks(project: str) -> str:
    return f"looks:{project}"  # no project has a colon in its name: no agent of one is taken for it


def _creates(project: str) -> str:
    return f"creates:{project}"
