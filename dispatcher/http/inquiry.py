"""Why no agent came into a room: joins what the ledger, LiveKit, the rules, the workers and the service itself know."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from dispatcher.core.facts import Ms
from dispatcher.core.rules import Rule, named_by
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.troubles import TroubleKind
from dispatcher.core.workers import WorkersSeen
from dispatcher.explain import Known, UnknownRoom, absence, page_of, resembling
from dispatcher.http import shown
from dispatcher.http.live import Live, RuleAnswers
from dispatcher.http.resources import ToldRoom, ToldSession, ToldTrouble
from dispatcher.ledger import sessions
from dispatcher.ledger.sessions import KnownSession
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.probes import ProbeBoard
from dispatcher.telemetry.recorder import SessionRecorder

NAMES_MAX = 1_000  # live rooms of a project among which a name that resembles one is looked for


class Inquiry:
    """Answers about one room. Each answer begins with the service's own trouble, and holds no metadata."""

    def __init__(
        self,
        breaker: Breaker,
        pauses: PauseBoard,
        probes: ProbeBoard,
        holder: ConfigHolder,
        recorder: SessionRecorder,
        workers: Callable[[], WorkersSeen],
    ) -> None:
        self.breaker = breaker
        self.ledger = breaker.board.ledger
        self.pauses = pauses
        self.probes = probes
        self.holder = holder
        self.health = recorder.health
        self.mask = recorder.log.mask
        self.workers = workers
        self.live = Live(holder, self.mask)

    async def room(
        self, room: str, projects: Collection[str], *, rules: bool, present: bool = False
    ) -> ToldRoom | None:
        """Every session of the name that these projects know, newest first; None: they know none.

        With `rules`, each rule's answer to everybody in the room is told, also where an agent is there; with
        `present`, who is in the room.
        Raises LedgerUnavailable.
        """
        lives = [life for name in projects for life in await sessions.find(self.ledger, name, room)]
        if not lives:
            return None
        details = [await self._detail(life, rules=rules, present=present) for life in lives]
        return ToldRoom(
            troubles=self.troubles({life.key.project for life in lives}),
            room=self.mask.numbers(room),
            page=self._page(room),
            sessions=tuple(details),
            dry_run=self.health.dry_run,
        )

    def _page(self, room: str) -> str | None:
        """Where the page shows the room; None: there is none, or its address would tell what is masked."""
        told = self.holder.snapshot.config.ui.enabled and self.mask.numbers(room) == room
        return page_of(room) if told else None

    async def unknown(self, room: str, projects: Collection[str]) -> Mapping[str, Any]:
        """What can be said of a room name that the ledger does not know: fields of the problem."""
        return {"troubles": self.troubles(projects), **await self._absent(room, projects)}

    def troubles(self, projects: Collection[str]) -> tuple[ToldTrouble, ...]:
        """What is wrong with the service itself and these projects, and may keep an agent away."""
        told = shown.troubles(self.health, projects, several=len(self.holder.snapshot.projects) > 1)
        return tuple(one for one in told if one.kind is not TroubleKind.NOTICES_FAILING)

    def shown(self, life: KnownSession) -> Session:
        """The session as it may be shown: with marks for people, where identities are masked."""
        return shown.masked(life.session, self.mask)

    async def _detail(self, life: KnownSession, *, rules: bool, present: bool) -> ToldSession:
        """The session; where an agent is missing, with what LiveKit and the rules say of its room now."""
        session, configured = life.session, self.holder.rules_of(life.key.project)
        judged = not session.finished and (rules or shown.asks_for_rules(session))
        looked = judged or (present and not session.finished) or shown.asks_for_a_look(session)
        look = await self.live.look(life.key) if looked else None
        now = await self.ledger.now()
        known = Known(
            now=now,
            workers=self.workers(),
            look=look and self.live.shown(look),
            paused=await self.pauses.paused(life.key.project, now),
            agents=await self._agents(life, configured, now),
            probes={one: facts for one, facts in (await self.probes.facts(life.key.project)).items() if facts},
        )
        people = await self.live.judged(look, configured) if look and judged else None
        return shown.detail(life, self.shown(life), known, people)

    async def _agents(self, life: KnownSession, rules: tuple[Rule, ...], now: Ms) -> dict[str, Ms]:
        """When each agent that rules name, or that the session asks for, last showed a sign of life; 0: never."""
        asked = {one for assignment in life.session.assignments for one in assignment.policy.targets if one.name}
        targets = sorted(asked | named_by(rules), key=str)
        seen = {name: one.last_seen_at for name, one in self.workers().sightings.items()}
        for agent, at in (await self.breaker.seen(life.key.project, targets, now)).items():
            seen[agent] = max(seen.get(agent, 0), at)
        return seen

    async def _absent(self, room: str, projects: Collection[str]) -> Mapping[str, Any]:
        looks: list[RoomSnapshot] = []
        people: list[RuleAnswers] = []
        names: set[str] = set()
        asked = True
        for project in projects:
            look = await self.live.find(project, room)
            asked = asked and look is not None
            if look is not None and look.room is not None:
                looks.append(self.live.shown(look))
                people += await self.live.judged(look, self.holder.rules_of(project))
            names |= {life.key.room for life in await self.ledger.list(project, limit=NAMES_MAX)}
        meant = await asyncio.to_thread(resembling, room, names)  # 1,000 names take 50 ms
        absent = UnknownRoom(
            looks=tuple(looks),
            asked=asked,
            resembling=tuple(self.mask.numbers(name) for name in meant),
            sweep_every=self.holder.snapshot.config.sweep.every,
            kept=self.holder.snapshot.config.ended_rooms.keep,
        )
        told = {"diagnosis": tuple(absence(absent)), "resembling": absent.resembling}
        return {**told, "people": shown.people(people)}
