"""One claim of one session: what `dispatcher.core.drive.Drive` asks for, as a process of the simulation."""

import math
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any, Final, TypeVar, assert_never

from msgspec import Struct

from dispatcher.core import transitions
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
    Release,
    Released,
    Reply,
    Resumed,
    Save,
    Saved,
    TakeBack,
    TakenBack,
    Turn,
    TurnToCreate,
    TurnToLook,
    Unobserved,
)
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.patience import CROWD
from dispatcher.core.rules import Target
from dispatcher.core.session import entries_since
from dispatcher.core.timing import CALL_MS, RETRY_MS, TROUBLE_MS
from dispatcher.ledger import record, sessions
from dispatcher.ledger.interface import Handover, Ledger, SaveResult, Standing, Telling
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.breaker import Breaker
from dispatcher.telemetry.tape import Tape
from tests.simulation.calls import Line, Unseen, asked, taken_back
from tests.simulation.clock import Clock
from tests.simulation.laws import Laws

PROJECT: Final = "default"

T = TypeVar("T")


def at_once(operation: Coroutine[Any, Any, T]) -> T:
    """What an operation of the memory ledger gives: it never waits."""
    try:
        operation.send(None)
    except StopIteration as stop:
        answer: T = stop.value
        return answer
    raise AssertionError("an operation of the memory ledger waited")


class LostError(Exception):
    """Another holds the session now."""


class Setting(Struct, frozen=True, kw_only=True):
    """What is in force, what is known of targets, how far apart looks are (0: all at once), and a tape."""

    terms: Terms
    site: ProjectRuntime
    breaker: Breaker
    looks: float = 0
    tape: Tape | None = None


class Claimed:
    """A session in the hands of a simulated process, whose `failures` are its looks that failed in a row."""

    def __init__(
        self,
        handover: Handover,
        clock: Clock,
        line: Line,
        ledger: Callable[[], Ledger],
        setting: Setting,
        *,
        laws: Laws,
    ) -> None:
        self.clock = clock
        self.line = line
        self.ledger = ledger  # whose content may be another one's after it was emptied
        self.setting = setting
        self.terms = setting.terms
        self.laws = laws
        self.lease = handover.lease
        self.upto = handover.upto
        session = record.load(handover.record, handover.lease.key.room, RoomSid(handover.lease.key.sid))
        self._told = session.entries_total
        given = session, self._hold(handover), setting.terms, clock.now
        recorded = setting.tape.drive(handover.lease.key.project, *given) if setting.tape else None
        self.drive = recorded.drive if recorded else Drive(*given)
        self.conversation = recorded.run() if recorded else self.drive.run()
        self.failures: list[Ms] = []

    def run(self, failures: list[Ms]) -> Iterator[Ms]:
        """The session is advanced as far as it goes now, and saved."""
        self.failures = failures
        with closing(self.conversation), suppress(StopIteration, LostError):
            effect = next(self.conversation)
            while True:
                self.laws.rounds(self.drive.session, self.drive.rounds)
                effect = self.conversation.send((yield from self._reply(effect)))

    def _reply(self, effect: Effect) -> Generator[Ms, None, Reply]:
        match effect:
            case TurnToLook():
                return self._turn("looks", self.setting.looks)
            case TurnToCreate():
                return at_once(self.setting.breaker.turn(PROJECT, effect, self.setting.site, self.clock.now))
            case Observe(about):
                return (yield from self._look(about))
            case GiveWay():
                return Resumed(self.clock.now)
            case Ask():
                return (yield from self._ask(effect))
            case TakeBack():
                return (yield from self._take_back(effect))
            case Save():
                return (yield from self._save(effect))
            case _:
                return self._of_ledger(effect)

    def _of_ledger(self, effect: Release | FindEarlier) -> Reply:
        match effect:
            case Release():
                at_once(self.ledger().release(self.lease))
                return Released(self.clock.now)
            case FindEarlier():
                earlier = sessions.earlier(self.ledger(), self.lease.key)
                return FoundEarlier(self.clock.now, at_once(earlier))
            case _:
                assert_never(effect)

    def _turn(self, name: str, interval: float) -> Turn:
        wait = at_once(self.ledger().pace(name, interval=interval, burst=1)).wait if interval else 0
        return Turn(self.clock.now, math.ceil(wait))

    def _save(self, save: Save) -> Generator[Ms, None, Saved]:
        asked_at = self.drive.now  # as the drive knows it: its process may have stood still since
        yield 1
        made = record.dump(save.session)
        index = tuple(Standing(one.state, one.next_target.agent) for one in save.session.assignments)
        saved = at_once(
            self.ledger().save(self.lease, made, self.upto, save.then, due_at=save.due_at, telling=Telling(index=index))
        )
        yield 1
        if saved.result is SaveResult.LOST:
            raise LostError
        self.laws.saved(save, made, asked_at)
        self.setting.breaker.board.learn(PROJECT, save.session, entries_since(save.session, self._told))
        self._told = save.session.entries_total
        inbox = self._hold(saved.handover) if saved.handover is not None else ()
        return Saved(self.clock.now, inbox if saved.result is SaveResult.MORE else None)

    def _hold(self, handover: Handover) -> tuple[Event, ...]:
        self.lease, self.upto = handover.lease, handover.upto
        return tuple(record.load_event(entry) for entry in handover.inbox)

    def _look(self, about: Sequence[Target]) -> Generator[Ms, None, Observed | Unobserved]:
        breaker = self.setting.breaker
        outlooks = at_once(breaker.outlooks(PROJECT, about, self.clock.now))
        requested = at_once(breaker.board.requested(PROJECT, self.clock.now)) if about else 0
        requested += CROWD if self.laws.life.crowd else 0
        yield from self._renew()
        began = self.clock.now
        session = self.drive.session
        try:
            snapshot = yield from self.line.look(session.sid)
        except Unseen as error:
            self.failures.append(began)
            wait = TROUBLE_MS if error.unauthorized else RETRY_MS[min(len(self.failures), len(RETRY_MS)) - 1]
            return Unobserved(self.clock.now, wait)
        self.failures.clear()
        self.laws.looked(session, snapshot, self.terms, began)
        return Observed(self.clock.now, began, snapshot, outlooks, requested)

    def _renew(self) -> Iterator[Ms]:
        if self.lease.until - self.clock.now >= CALL_MS:
            return
        yield 1
        lease = at_once(self.ledger().renew(self.lease))
        if lease is None:
            raise LostError
        self.lease = lease

    def _ask(self, ask: Ask) -> Generator[Ms, None, Asked]:
        session = self.drive.session
        self.laws.asks(session, ask.step, self.lease, self.terms)
        answered = yield from self.line.ask(ask)
        answer = asked(answered, self.line.target(ask.step), self.clock.now)
        self.laws.answered(session, self.lease, known=answer.outcome not in transitions.UNCERTAIN)
        return answer

    def _take_back(self, back: TakeBack) -> Generator[Ms, None, TakenBack]:
        yield from self._renew()
        self.laws.retracts(self.drive.session, back.step, self.lease, self.terms)
        rooms = self.line.rooms
        do = partial(rooms.delete, back.step.dispatch) if back.step.dispatch else partial(rooms.remove, back.identity)
        if back.launcher:
            do = partial(self.line.launchers.stop, back.step.dispatch)
        return taken_back((yield from self.line.retract(do)), self.clock.now)
