"""Carries out what drives ask for (`dispatcher.core.drive`): the only code that calls LiveKit and saves sessions.

The only code that acts. Between two drives it holds no state but what `Observer` and `Breaker` keep of projects. A
drive works from its beginning to its end under what was in force when it began. What happened to a session is told
only once it is saved: a lease that was lost tells nothing of what was not done.
"""

import math
from collections.abc import Sequence
from contextlib import closing
from typing import Final, assert_never

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import (
    Ask,
    Asked,
    Effect,
    FindEarlier,
    FoundEarlier,
    GiveWay,
    Observe,
    Observed,
    Outcome,
    Release,
    Released,
    Reply,
    Resumed,
    Save,
    Saved,
    TakeBack,
    TakenBack,
    Then,
    Turn,
    TurnToCreate,
    TurnToLook,
    Unobserved,
)
from dispatcher.core.facts import Ms, is_probe
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.engine.actions import Dispatches, Way
from dispatcher.engine.launches import Launches
from dispatcher.engine.neighbours import Neighbours
from dispatcher.engine.newer_records import NewerRecords
from dispatcher.engine.observer import Observer
from dispatcher.engine.slices import Slices
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Handover, Ledger
from dispatcher.ledger.sessions import LeasedSession, LeaseLost
from dispatcher.notices.outbox import NOBODY, Outbox
from dispatcher.runtime.sealing import Unsealable
from dispatcher.runtime.snapshot import ConfigHolder, ProjectRuntime
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.pauses import CHANGED, PauseBoard
from dispatcher.telemetry.recorder import SessionRecorder
from dispatcher.telemetry.tape import Tape
from dispatcher.telemetry.tracing import Conversation

LAPSES_MAX: Final = 3  # leases that run out one after the other, until a session is left alone


def alone_for(lapses: int) -> Ms:
    """How long a session is left alone after so many leases in a row have run out."""
    return min(timing.ALONE_CAP_MS, timing.ALONE_MS << min(lapses - LAPSES_MAX, 10))


class Reconciler:
    """Advances sessions it is handed. Safe to use for many at once: each drive keeps to itself."""

    def __init__(  # noqa: PLR0913 the dependencies
        self,
        *,
        ledger: Ledger,
        holder: ConfigHolder,
        breaker: Breaker,
        recorder: SessionRecorder,
        pauses: PauseBoard,
        outbox: Outbox = NOBODY,
        tape: Tape | None = None,
        shared: bool = True,
    ) -> None:
        self.ledger = ledger
        self.holder = holder
        self.breaker = breaker
        self.pacer = breaker.pacer
        self.recorder = recorder
        self.pauses = pauses
        self.outbox = outbox
        self.tape = tape
        self.observer = Observer(breaker.pacer, recorder.calls)
        self.newer_records = NewerRecords()
        self.neighbours = Neighbours(recorder, alone=not (shared or recorder.health.dry_run))

    async def drive(self, handover: Handover) -> Ms | None:
        """Advance the session as far as it goes now, and save it; in how many ms it is due, None: at rest or lost.

        Raises LedgerUnavailable: the lease runs out, and whoever claims it then goes on. A session that is left to a
        later release is due when the lease would have ended, and nothing is saved.
        """
        if self.newer_records.defers(handover):
            self.recorder.deferred(handover.lease.key)
            await self.ledger.release(handover.lease, alone_until=handover.lease.until)
            return None
        if handover.lapses >= LAPSES_MAX:
            return await self._leave_alone(handover)
        snapshot = self.holder.snapshot
        runtime = snapshot.projects.get(handover.lease.key.project)
        leased = LeasedSession(self.ledger, handover)
        try:
            if runtime is None:  # its project has left the configuration
                await leased.save(Save(session=leased.session, then=Then.REST))
                return None
            terms = await self._terms(leased, runtime)
            return await _Interpreter(self, leased, runtime).carry_out(self._begun(leased, terms))
        except LeaseLost:
            self.recorder.lost(leased.key)
            return None

    async def _terms(self, leased: LeasedSession, runtime: ProjectRuntime) -> Terms:
        """What is in force; who was made due by a pause sees it, whenever this replica has read it last."""
        changed = any(event.name == CHANGED for event in leased.inbox)
        return Terms(
            tags=runtime.tags,
            rules=self.breaker.rules(leased.key.project, runtime.rules),
            recollection=runtime.recollection,
            paused=frozenset(await self.pauses.paused(leased.key.project, leased.now, anew=changed)),
            limited=runtime.api_rate_limit is not None,
            dry_run=self.recorder.health.dry_run,
        )

    async def _leave_alone(self, handover: Handover) -> Ms:
        """In how many ms it is due: whoever drove it last did not live to tell, and so it shall not go round."""
        alone = alone_for(handover.lapses)
        await self.ledger.release(handover.lease, alone_until=handover.now + alone)
        self.recorder.left_alone(handover.lease.key, handover.lapses, alone)
        return alone

    def _begun(self, leased: LeasedSession, terms: Terms) -> Conversation:
        drive: Conversation
        if self.tape is None:
            drive = Drive(leased.session, leased.inbox, terms, leased.now)
        else:
            drive = self.tape.drive(leased.key.project, leased.session, leased.inbox, terms, leased.now)
        tracing = self.recorder.tracing
        return drive if tracing is None else tracing.drive(drive, leased.key, leased.session, leased.inbox)


class _Interpreter:
    """Carries out the effects of one drive."""

    def __init__(self, reconciler: Reconciler, leased: LeasedSession, runtime: ProjectRuntime) -> None:
        self.reconciler = reconciler
        self.leased = leased
        self.runtime = runtime
        self.project = leased.key.project
        self.slices = Slices()
        self.seen: RoomSnapshot | None = None  # by the last look

    async def carry_out(self, drive: Conversation) -> Ms | None:
        """Carry out one effect after the other until the drive is done; its result. Raises LeaseLost."""
        with closing(drive.run()) as conversation:
            try:
                effect = next(conversation)
                while True:
                    effect = conversation.send(await self._reply(effect))
            except StopIteration as end:
                due_in: Ms | None = end.value
                return due_in

    async def _reply(self, effect: Effect) -> Reply:
        leased, pacer, runtime = self.leased, self.reconciler.pacer, self.runtime
        match effect:
            case TurnToLook():
                return self._turn(await pacer.to_look(self.project, runtime.api_rate_limit))
            case TurnToCreate():
                return await self.reconciler.breaker.turn(self.project, effect, runtime, leased.now)
            case Observe():
                return await self._look(effect)
            case GiveWay():
                if await self.slices.give_way():
                    await leased.renew()
                return Resumed(leased.now)
            case Ask():
                return await self._ask(effect)
            case TakeBack():
                return await self._take_back(effect)
            case _:
                return await self._of_ledger(effect)

    async def _of_ledger(self, effect: Save | Release | FindEarlier) -> Reply:
        leased = self.leased
        match effect:
            case Save():
                return await self._save(effect)
            case Release():
                await leased.release()
                return Released(leased.now)
            case FindEarlier():
                return FoundEarlier(leased.now, await sessions.earlier(self.reconciler.ledger, leased.key))
            case _:
                assert_never(effect)

    async def _look(self, look: Observe) -> Observed | Unobserved:
        """Look at the room, knowing what is known of its targets: nobody waits for what is not asked for."""
        leased, breaker, about = self.leased, self.reconciler.breaker, look.about
        if look.late:
            self.reconciler.recorder.metrics.late_looks_total.inc()
        outlooks = await breaker.outlooks(self.project, about, leased.now)
        requested = await breaker.board.requested(self.project, leased.now) if about else 0
        await leased.renew()
        looked = await self.reconciler.observer.look(leased.key, self.runtime, leased.arrivals, lambda: leased.now)
        if isinstance(looked, Unobserved):
            return looked
        self.seen = looked.snapshot
        return replace(looked, outlooks=outlooks, requested=requested)

    async def _ask(self, ask: Ask) -> Asked:
        """Ask for the agent; with the metadata that was ordered for it, or not at all."""
        leased, runtime = self.leased, self.runtime
        way = self._way(ask.step.target.launcher)
        if ask.sealed:
            try:
                ask = replace(ask, metadata=runtime.seals.open(ask.sealed, leased.key.sid, ask.step.assignment))
            except Unsealable:
                return Asked(now=leased.now, outcome=Outcome.REFUSED, reason="metadata_unsealable")
        return await way.ask(leased.key, ask, lambda: leased.now)

    async def _take_back(self, back: TakeBack) -> TakenBack:
        """Ask the agent, or what was asked for, to go."""
        leased = self.leased
        if not back.launcher:
            await self.reconciler.pacer.taking_back(self.project, self.runtime.api_rate_limit)
        await leased.renew()
        return await self._way(back.launcher).take_back(leased.key, back, lambda: leased.now)

    def _way(self, launcher: str) -> Way:
        """How such an agent is asked for."""
        runtime = self.runtime
        return Launches(runtime.launchers, runtime.signer) if launcher else Dispatches(runtime.livekit)

    def _notices(self, save: Save) -> Sequence[bytes]:
        """What receivers are told of with this save."""
        leased, outbox = self.leased, self.reconciler.outbox
        if not outbox.used or is_probe(leased.key.room):
            return ()
        entries = leased.new_entries(save.session)
        return outbox.of_session(leased.key, leased.session, save.session, entries, leased.now)

    def _turn(self, wait: float) -> Turn:
        return Turn(self.leased.now, math.ceil(wait))

    async def _save(self, save: Save) -> Saved:
        """Save the session if we still hold the lease; then tell what is new, and let the pace follow it."""
        saved, entries = await self.leased.save(save, self._notices(save))
        self.reconciler.recorder.tell(self.leased.key, entries)
        self.reconciler.neighbours.consider(self.leased.key, self.seen, save.session, entries)
        self.reconciler.breaker.learn(self.project, save.session, entries)
        if not is_probe(self.leased.key.room):
            await self.reconciler.pacer.learn(self.project, self.runtime, entries)
        return saved
