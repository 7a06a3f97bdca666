"""One claim of one session: what `dispatcher.driver.Drive` does, as a process of the simulation."""

from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from dispatcher.core import acts, record
from dispatcher.core.events import Ms, RoomSid
from dispatcher.core.fold import fold
from dispatcher.core.plan import Create, Look, Rest, Retract, Wait, plan
from dispatcher.core.rules import Rule
from dispatcher.core.see import see
from dispatcher.core.seen import Seen
from dispatcher.ledger.interface import Held, Ledger, SaveResult, Then
from tests.simulation.calls import Line, Unseen, judged, taken_back
from tests.simulation.clock import Clock
from tests.simulation.laws import Laws
from tests.unit.core.world import TAGS

ROUNDS_MAX: Final = 16
AGAIN_MS: Final = 1_000
FRESH_MS: Final = 1_000
CALL_MS: Final = 7_000
RETRY_MS: Final = (1_000, 2_000, 4_000, 8_000)

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


class Drive:
    """`failures` counts the looks that failed in a row, of this process."""

    def __init__(
        self, held: Held, clock: Clock, line: Line, ledger: Callable[[], Ledger], rules: Sequence[Rule], laws: Laws
    ) -> None:
        self.clock = clock
        self.line = line
        self.ledger = ledger  # whose content may be another one's after it was emptied
        self.rules = rules
        self.laws = laws
        self.failures: list[Ms] = []
        self.key = held.lease.key
        self.session = record.load(held.record, self.key.room, RoomSid(self.key.sid))
        self.seen: Seen | None = None
        self.seen_until: Ms = 0
        self.just_looked = False
        self._hold(held)

    def _hold(self, held: Held) -> None:
        self.lease, self.upto = held.lease, held.upto
        for entry in held.inbox:
            event = record.load_event(entry)
            if event is not None:
                self.session = fold(self.session, event, self.rules, self.clock.now)

    def run(self, failures: list[Ms]) -> Iterator[Ms]:
        """The session is advanced as far as it goes now, and saved."""
        self.failures = failures
        try:
            yield from self._advance()
        except LostError:
            return

    def _advance(self) -> Iterator[Ms]:
        for number in range(1, ROUNDS_MAX + 1):
            step = plan(self.session, self.clock.now, fresh=self._fresh)
            self.laws.rounds(self.session, number, step)
            match step:
                case Look():
                    failed = yield from self._look()
                    if failed:
                        yield from self._put_down(failed)
                        return
                case Create():
                    yield from self._create(step)
                case Retract():
                    yield from self._retract(step)
                case Wait(until):
                    if not (yield from self._save(Then.DUE, until)):
                        return
                case Rest():
                    if not (yield from self._save(Then.OVER if self.session.final else Then.REST)):
                        return
        yield from self._put_down(AGAIN_MS)

    @property
    def _fresh(self) -> bool:
        return self.seen is not None and (self.just_looked or self.clock.now <= self.seen_until + FRESH_MS)

    def _put_down(self, due_in: Ms) -> Iterator[Ms]:
        if (yield from self._save(Then.DUE, self.clock.now + due_in)):
            yield from self._save(Then.KEEP)
            at_once(self.ledger().release(self.lease))

    def _save(self, then: Then, due_at: Ms = 0) -> Generator[Ms, None, bool]:
        """True: more came in, and the session is still ours."""
        yield 1
        made = record.dump(self.session)
        saved = at_once(self.ledger().save(self.lease, made, self.upto, then, due_at=due_at))
        yield 1
        if saved.result is SaveResult.LOST:
            raise LostError
        self.laws.saved(self.session, made, then)
        if saved.held is not None:
            self._hold(saved.held)
        return saved.result is SaveResult.MORE

    def _look(self) -> Generator[Ms, None, Ms]:
        """The session is as LiveKit shows it; else, unchanged, in how many ms to try again."""
        yield from self._renew()
        began = self.clock.now
        try:
            seen = yield from self.line.look(self.session.sid)
        except Unseen as error:
            self.seen = None
            self.failures.append(began)
            return acts.TROUBLE_MS if error.unauthorized else RETRY_MS[min(len(self.failures), len(RETRY_MS)) - 1]
        self.failures.clear()
        self.seen, self.seen_until, self.just_looked = seen, self.clock.now, True
        self.session = see(self.session, seen, self.rules, tags=TAGS, now=began)
        self.laws.looked(self.session, seen, self.rules, TAGS, began)
        return 0

    def _renew(self) -> Iterator[Ms]:
        if self.lease.until - self.clock.now >= CALL_MS:
            return
        yield 1
        lease = at_once(self.ledger().renew(self.lease))
        if lease is None:
            raise LostError
        self.lease = lease

    def _create(self, step: Create) -> Iterator[Ms]:
        self.laws.creates(self.session, step, self.lease)
        self.session = acts.ask(self.session, step, self.clock.now)
        yield from self._save(Then.KEEP)
        self.just_looked = False
        self.laws.sends(self.session, step, self.lease)
        answered = yield from self.line.create(step, TAGS.of(self.session, step))
        self.session, known = judged(self.session, step, answered, self.clock.now)
        self.laws.answered(self.session, self.lease, known=known)
        if not known:
            self.seen = None

    def _retract(self, step: Retract) -> Iterator[Ms]:
        yield from self._renew()
        self.just_looked = False
        self.laws.retracts(self.session, step, self.lease)
        if step.dispatch:
            reply = yield from self.line.retract(partial(self.line.rooms.delete, step.dispatch))
        else:
            there = self.seen.participants if self.seen else ()
            identity = next((one.identity for one in there if one.sid == step.agent), "")
            reply = yield from self.line.retract(partial(self.line.rooms.remove, identity))
        self.session = taken_back(self.session, step, reply, self.clock.now)
