"""Asks the configured workers, again and again, who they are: `workers` of the configuration.

Nothing waits for it, and no dispatch depends on it: where no worker answers there is no opinion.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.workers import Missing, Registered, WorkersSeen, asked
from dispatcher.targets.worker_http import AT_ONCE, WorkerEndpoint, WorkerHttp
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

EVERY_S: Final = 5.0  # from the end of one round to the next
ADDRESSES_MAX: Final = 64  # that are asked; a name may have any number


async def ask_all(http: WorkerHttp, urls: Sequence[str]) -> Mapping[str, Registered | Missing]:
    """What each address answers now; a name that has none is one itself."""
    found = dict(zip(urls, await asyncio.gather(*map(http.places, urls)), strict=True))
    places = [place for some in found.values() if not isinstance(some, Missing) for place in some][:ADDRESSES_MAX]
    few = asyncio.Semaphore(AT_ONCE)

    async def ask(place: WorkerEndpoint) -> Registered | Missing:
        async with few:
            return await http.ask(place)

    answers = dict(zip([place.address for place in places], await asyncio.gather(*map(ask, places)), strict=True))
    return answers | {url: why for url, why in found.items() if isinstance(why, Missing)}


class Presence:
    """Keeps `seen` some seconds old: longer where addresses do not answer, 23 s at most."""

    def __init__(
        self, urls: Callable[[], Sequence[str]], http: WorkerHttp, clock: Callable[[], Ms], log: Log, metrics: Metrics
    ) -> None:
        self.seen = WorkersSeen()
        self._urls = urls  # those that are configured now
        self._http = http
        self._clock = clock
        self._log = log
        self._metrics = metrics
        begin(metrics.worker_polls_total, ("ok", "unready", *Missing))

    async def run(self) -> None:
        """Asks all of them every EVERY_S, for ever."""
        while True:
            await self.poll()
            await asyncio.sleep(EVERY_S)

    async def poll(self) -> None:
        """All have been asked once, and what changed is told."""
        answers = await ask_all(self._http, self._urls())
        before, self.seen = self.seen, asked(self.seen, answers, self._clock())
        self._tell(before.answers)
        self._count()

    def _tell(self, before: Mapping[str, Registered | Missing]) -> None:
        """Of an address once for each change: who answers there, or why nobody does."""
        for address, answer in self.seen.answers.items():
            was = before.get(address)
            match answer:
                case Missing() if was is not answer:
                    self._log.warning("worker.unanswered", address=address, why=answer)
                case Registered() if not isinstance(was, Registered) or was.agent != answer.agent:
                    self._log.info("worker.answered", address=address, agent=answer.agent, type=answer.type)
                case _:
                    pass

    def _count(self) -> None:
        for answer in self.seen.answers.values():
            result = answer if isinstance(answer, Missing) else "ok" if answer.ready else "unready"
            self._metrics.worker_polls_total.labels(result=result).inc()
        self._metrics.workers.clear()  # and refreshed before anybody can read it
        for agent, count in self.seen.registered.items():
            self._metrics.workers.labels(agent=self._metrics.agent_label(agent)).inc(count)
