"""Simulated processes: each goes from one call or save to the next, and stalls or dies where the life says so."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Key
from dispatcher.targets.breaker import Breaker
from tests.simulation.clock import Clock
from tests.simulation.laws import Laws
from tests.simulation.life import Life, Trouble


@dataclass(slots=True, eq=False)
class Replica:
    """One process."""

    life: int = 1  # 0: dead
    lives: int = 1
    stalled_until: Ms = 0
    failures: list[Ms] = field(default_factory=list)
    listed: set[Key] = field(default_factory=set)  # by its last sweep
    breaker: Breaker | None = None  # as far as it has read the ledger's memos; None: not yet

    def able(self, now: Ms) -> bool:
        return self.life > 0 and self.stalled_until <= now


class Processes:
    """The replicas, and what each is doing."""

    def __init__(self, clock: Clock, life: Life, laws: Laws, calm: Ms) -> None:
        self.clock = clock
        self.life = life
        self.laws = laws
        self.calm = calm
        self.random = Random(life.seed + 1)  # noqa: S311
        self.replicas = [Replica() for _ in range(life.replicas)]
        self.troubles: dict[int, Trouble] = {one.step: one for one in life.troubles}
        self.steps = 0

    def wipe(self) -> None:
        """What is in memory is gone."""
        raise NotImplementedError

    def _able(self) -> Replica | None:
        able = [one for one in self.replicas if one.able(self.clock.now)]
        return self.random.choice(able) if able else None

    def _start(self, replica: Replica, process: Iterator[Ms]) -> None:
        self._step(replica, replica.life, process)

    def _step(self, replica: Replica, life: int, process: Iterator[Ms]) -> None:
        if replica.life != life:
            return
        if replica.stalled_until > self.clock.now:
            self.clock.at(replica.stalled_until, partial(self._step, replica, life, process))
            return
        self.steps += 1
        trouble = self.troubles.get(self.steps)
        if trouble is not None and self.clock.now < self.calm:
            self._suffer(replica, trouble)
            self._step(replica, life, process)
            return
        pause = next(process, None)
        if pause is not None:
            self.clock.after(pause, partial(self._step, replica, life, process))

    def _suffer(self, replica: Replica, trouble: Trouble) -> None:
        until = min(self.clock.now + trouble.span, self.calm)
        if not trouble.dies:
            replica.stalled_until = until
            self.laws.stalls()
            return
        replica.life, replica.breaker = 0, None
        self.laws.dies()
        if not self.life.durable:
            self.wipe()
        self.clock.at(until, partial(self._restart, replica))

    def _restart(self, replica: Replica) -> None:
        replica.lives += 1
        replica.life = replica.lives
        replica.failures.clear()
        replica.listed.clear()
