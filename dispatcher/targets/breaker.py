"""Who has the turn of a create, and what a look should know: the circuit of each target, and its agents' pace.

Where a target's circuit is open, and another can be asked, that one is. Every PROBE_EVERY_MS somebody asks all the
same; so does whoever has no other.
"""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.effects import Turn, TurnToCreate
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Rule, Target, named_by
from dispatcher.core.session import Session
from dispatcher.core.splits import Side
from dispatcher.core.targets import Circuit, Outlook, TargetFacts, circuit, instead, outlook
from dispatcher.core.timeline import Entry
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.board import Board
from dispatcher.targets.rate import Pacer, queue_of
from dispatcher.targets.splits import Splits


class KnownTarget(Struct, frozen=True, kw_only=True):
    """A target as it stands, for people."""

    project: str
    target: Target
    circuit: Circuit
    facts: TargetFacts


class Breaker:
    """Gives out the turns of creates. Each process has one; they agree through the board."""

    def __init__(self, board: Board, pacer: Pacer, splits: Splits | None = None) -> None:
        self.board = board
        self.pacer = pacer
        self.splits = splits  # None: nobody guards them

    async def turn(self, project: str, asked: TurnToCreate, runtime: ProjectRuntime, now: Ms) -> Turn:
        """Take a turn, or name another target that had better be asked. Raises LedgerUnavailable."""
        slot = await self.pacer.to_create(project, asked.target, runtime)
        wait = math.ceil(slot.wait)
        state = circuit(self.board.heard(project, asked.target, slot.memo, now), now)
        if self._is_stopped(project, asked.target):
            state = Circuit.OPEN
        if state is Circuit.CLOSED:
            return Turn(now, wait)
        if state is Circuit.HALF_OPEN and asked.may_probe and await self._may_probe(project, asked.target):
            return Turn(now, wait, probe=True)
        return Turn(now, wait, instead=instead(await self.outlooks(project, asked.ahead, now)))

    async def outlooks(self, project: str, targets: Sequence[Target], now: Ms) -> tuple[Outlook, ...]:
        """Read the outlook of each target. Raises LedgerUnavailable."""
        facts = await self.board.facts(project, targets, now)
        found = (outlook(target, one, now) for target, one in zip(targets, facts, strict=True))
        return tuple(replace(one, open=True) if self._is_stopped(project, one.target) else one for one in found)

    def rules(self, project: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """The project's rules, whose splits leave out the sides that are stopped."""
        return rules if self.splits is None else self.splits.rules(project, rules)

    def learn(self, project: str, session: Session, entries: Sequence[Entry]) -> None:
        """Take in what a session's new entries tell of its targets, and of the splits that chose them."""
        self.board.learn(project, session, entries)
        if self.splits is not None:
            self.splits.learn(project, session, entries)

    def stops(self, project: str, target: Target) -> list[tuple[str, Side]]:
        """Each rule whose split has stopped the target, by its name, and what is known of that side."""
        return sorted(self.splits.stops(project, target), key=itemgetter(0)) if self.splits is not None else []

    async def resume(self, project: str, agent: str, *, by: str) -> None:
        """No split of the project has stopped the agent any more. Raises LedgerUnavailable."""
        if self.splits is not None:
            await self.splits.resume(project, agent, by=by)

    def _is_stopped(self, project: str, target: Target) -> bool:
        return self.splits is not None and self.splits.is_stopped(project, target)

    async def known(self, projects: Mapping[str, ProjectRuntime], now: Ms) -> list[KnownTarget]:
        """Read how every target stands that the projects' rules name outright. Raises LedgerUnavailable."""
        found: list[KnownTarget] = []
        for project, runtime in projects.items():
            named = sorted(named_by(runtime.rules), key=str)
            for target, facts in zip(named, await self.board.facts(project, named, now), strict=True):
                state = Circuit.OPEN if self._is_stopped(project, target) else circuit(facts, now)
                found.append(KnownTarget(project=project, target=target, circuit=state, facts=facts))
        return found

    async def seen(self, project: str, targets: Sequence[Target], now: Ms) -> Mapping[str, Ms]:
        """Read when each agent of these targets last showed a sign of life; 0: never. Raises LedgerUnavailable."""
        seen: dict[str, Ms] = {}
        for target, facts in zip(targets, await self.board.facts(project, targets, now), strict=True):
            seen[target.name] = max(seen.get(target.name, 0), facts.seen_at)
        return seen

    async def _may_probe(self, project: str, target: Target) -> bool:
        return await self.board.ledger.turn(f"probe/{queue_of(project, target)}", timing.PROBE_EVERY_MS)
