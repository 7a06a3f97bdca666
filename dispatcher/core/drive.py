"""One claim of one session as a conversation: fold what came in, then plan, look, act and save until all is done.

The only place that knows this order. It does no IO and reads no clock: `run` yields effects and is sent replies. The
service carries the effects out (`dispatcher.engine.reconciler`); the simulation, in which the laws are proved, plays
them; a tape has their replies (`dispatcher.offline.replay`).
"""

from collections.abc import Generator, Iterable
from typing import TypeVar, assert_never

from msgspec import Struct

from dispatcher.core import timing, transitions
from dispatcher.core.assignments import subject_of
from dispatcher.core.audience import OBLIVION, Audience, Recollection, judge
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
    Then,
    Turn,
    TurnToCreate,
    TurnToLook,
    Unobserved,
)
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.fold import fold
from dispatcher.core.late import due
from dispatcher.core.observe import conclude
from dispatcher.core.patience import concerned, informed
from dispatcher.core.pause import pause
from dispatcher.core.plan import Create, Look, Rest, Retract, Wait, plan
from dispatcher.core.revival import inherit, left_alone
from dispatcher.core.rules import Rule, named
from dispatcher.core.session import Assignment, Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.tags import Tagging

_R = TypeVar("_R", bound=Reply)


class Terms(Struct, frozen=True, kw_only=True):
    """What one drive works under from its beginning to its end, whatever a reload changes meanwhile."""

    tags: Tagging
    rules: tuple[Rule, ...]
    recollection: Recollection = OBLIVION  # of the rules' judgements
    paused: frozenset[str] = frozenset()
    limited: bool = False  # calls to the project take turns
    dry_run: bool = False  # decide and tell, but create and remove nothing


def rounds_max(session: Session) -> int:
    """How many plans one drive may make: 30,000 simulated lives needed 10 with one assignment, 14 with two or three."""
    return 16 + 4 * max(0, len(session.assignments) - 1)


class Drive:
    """Advances one session. `session` is how it stands; `rounds` counts the plans made."""

    def __init__(self, session: Session, inbox: Iterable[Event], terms: Terms, now: Ms) -> None:
        self.session = session
        self.terms = terms
        self.now = now
        self.rounds = 0
        self._snapshot: RoomSnapshot | None = None
        self._snapshot_at: Ms = 0
        self._audience: Audience | None = None
        self._just_looked = False
        self._fold(inbox)

    def run(self) -> Generator[Effect, Reply, Ms | None]:
        """The session is advanced as far as it goes now, and saved; in how many ms it is due, None: it is at rest."""
        while self.rounds < rounds_max(self.session):
            self.rounds += 1
            self.session = pause(self.session, self.terms.paused, self.now)
            step = plan(self.session, self.now, fresh=self._fresh)
            match step:
                case Look():
                    if (retry_in := (yield from self._look())) > 0:
                        return (yield from self._put_off(retry_in))
                case Create():
                    yield from self._create(step)
                case Retract():
                    yield from self._retract(step)
                case Wait(until):
                    if (due_in := (yield from self._wait(until))) is not None:
                        return due_in
                case Rest():
                    if not (yield from self._save(Then.OVER if self.session.final else Then.REST)):
                        return None
                case _:
                    assert_never(step)
        self.session = transitions.cut_off(self.session, self.now)
        return (yield from self._put_off(timing.AGAIN_MS))

    @property
    def _fresh(self) -> bool:
        return self._snapshot is not None and (self._just_looked or self.now <= self._snapshot_at + timing.FRESH_MS)

    def _fold(self, events: Iterable[Event]) -> None:
        for event in events:
            self.session = fold(self.session, event, self.terms.rules, self.now)

    def _look(self) -> Generator[Effect, Reply, Ms]:
        """The session is as LiveKit shows it; else, unchanged (law 6), in how many ms to try again."""
        if (wait := (yield from self._turn_to_look())) > 0:
            return wait
        about, late = concerned(self.session, self.now), due(self.session, self.now)
        reply = yield from self._effect(Observe(about=about, late=late))
        if isinstance(reply, Unobserved):
            return reply.retry_in
        observed = _as(Observed, reply)
        self._snapshot, self._snapshot_at, self._just_looked = observed.snapshot, observed.now, True
        self._audience = yield from self._judged(observed.snapshot)
        session = informed(self.session, observed.outlooks, observed.requested, observed.began)
        self.session = _concluded(session, observed, self._audience, self.terms)
        if alone := left_alone(self.session, observed.snapshot, observed.began):
            earlier = _as(FoundEarlier, (yield from self._effect(FindEarlier())))
            session = inherit(session, alone, earlier.sessions, observed.began)
            self.session = _concluded(session, observed, self._audience, self.terms)
        return 0

    def _judged(self, seen: RoomSnapshot) -> Generator[Effect, Reply, Audience | None]:
        """Who is there and what the rules say of them; others have their turn meanwhile."""
        judging = judge(seen, self.terms.rules, self.terms.recollection)
        while True:
            try:
                next(judging)
            except StopIteration as end:
                audience: Audience | None = end.value
                return audience
            _as(Resumed, (yield from self._effect(GiveWay())))

    def _turn_to_look(self) -> Generator[Effect, Reply, Ms]:
        """In how many ms the session's turn comes, where calls are limited; a turn once taken is kept."""
        slot = self.session.slot_at
        if not self.terms.limited or 0 < slot <= self.now <= slot + timing.SLOT_MS:
            slot = 0
        elif slot < self.now:
            turn = _as(Turn, (yield from self._effect(TurnToLook())))
            slot = self.now + turn.wait if turn.wait > 0 else 0
        self.session = transitions.with_look_slot(self.session, slot)
        return max(0, slot - self.now)

    def _create(self, step: Create) -> Generator[Effect, Reply, None]:
        """The agent was asked for, at its turn; or another target has the turn, as this one's circuit is open."""
        if self.terms.dry_run:
            self.session = transitions.would_ask(self.session, step, self.now)
            return
        assignment = self.session.assignment(step.assignment)
        turn = Turn(self.now, 0)
        if not 0 < assignment.slot_at <= self.now <= assignment.slot_at + timing.SLOT_MS:
            turn = _as(Turn, (yield from self._effect(_turn_to_create(step, assignment, self.terms.paused))))
        if turn.instead is not None:
            self.session = transitions.bypassed(self.session, step, turn.instead, self.now)
            return
        if turn.wait > 0:
            self.session = transitions.with_create_slot(self.session, step.assignment, self.now + turn.wait)
            return
        self.session, ask = _asking(self.session, step, turn, self.terms, self._audience)
        yield from self._save(Then.KEEP)  # the fence is checked, the lease renewed, and a successor finds the attempt
        self._just_looked = False
        asked = _as(Asked, (yield from self._effect(ask)))
        self.session = transitions.asked(self.session, step, asked)
        if asked.outcome in transitions.UNCERTAIN:
            self._snapshot = None  # law 4: only a look begun after this may lead to a Create

    def _retract(self, step: Retract) -> Generator[Effect, Reply, None]:
        """The agent, or the dispatch, was asked to go."""
        if self.terms.dry_run:
            self.session = transitions.retracted(self.session, step, self.now, reason="dry_run")
            return
        take_back = _taking_back(self.session, step, self._snapshot)
        self._just_looked = False
        back = _as(TakenBack, (yield from self._effect(take_back)))
        self.session = transitions.retracted(self.session, step, back.now, reason=back.reason)

    def _wait(self, until: Ms) -> Generator[Effect, Reply, Ms | None]:
        """In how many ms it is due; None: more came in, and the drive goes on."""
        if self.session.stale:  # a crowd waits for its look, and more comes in all the time: that is the next claim's
            return (yield from self._put_off(max(0, until - self.now)))
        return None if (yield from self._save(Then.DUE, until)) else max(0, until - self.now)

    def _put_off(self, due_in: Ms) -> Generator[Effect, Reply, Ms]:
        """Saved for later. What came in meanwhile makes it due at once, for the next claim."""
        if not (yield from self._save(Then.DUE, self.now + due_in)):
            return due_in
        yield from self._save(Then.KEEP)
        _as(Released, (yield from self._effect(Release())))
        return 0

    def _save(self, then: Then, due_at: Ms = 0) -> Generator[Effect, Reply, bool]:
        """Saved, behind the fence; True: more came in, is folded, and the session is still ours."""
        saved = _as(Saved, (yield from self._effect(Save(session=self.session, then=then, due_at=due_at))))
        self._fold(saved.more or ())
        return saved.more is not None

    def _effect(self, effect: Effect) -> Generator[Effect, Reply, Reply]:
        reply = yield effect
        self.now = reply.now
        return reply


def _concluded(session: Session, seen: Observed, audience: Audience | None, terms: Terms) -> Session:
    return conclude(session, seen.snapshot, audience, terms.rules, tags=terms.tags, now=seen.began)


def _asking(session: Session, step: Create, turn: Turn, terms: Terms, audience: Audience | None) -> tuple[Session, Ask]:
    """The session with its attempt open, and what is asked for it."""
    assignment = session.assignment(step.assignment)
    rule = named(terms.rules, assignment.rule)
    rule_gone = rule is None and bool(assignment.rule)
    identity = terms.tags.identity(session, step) if step.target.launcher else ""
    ask = Ask(
        step=step,
        metadata=_metadata(rule, assignment, audience),
        sealed=assignment.sealed,
        tag=terms.tags.of(session, step),
        identity=identity,
        started_at=turn.now if identity else 0,
    )
    asked = transitions.ask(session, step, turn.now, identity=identity, rule_gone=rule_gone, probe=turn.probe)
    return asked, ask


def _taking_back(session: Session, step: Retract, snapshot: RoomSnapshot | None) -> TakeBack:
    """Who is asked to go: an agent by its identity; a launch by that of whom it has started."""
    if step.dispatch:
        attempt = session.assignment(step.assignment).attempt(step.number)
        identity = "".join(attempt.identities[-1:]) if attempt.launched else ""
        return TakeBack(step=step, identity=identity, launcher=attempt.target.launcher)
    here = snapshot.participants if snapshot else ()
    return TakeBack(step=step, identity=next((one.identity for one in here if one.sid == step.agent_sid), ""))


def _turn_to_create(step: Create, assignment: Assignment, paused: frozenset[str]) -> TurnToCreate:
    ahead = tuple(target for target in assignment.ahead if target.name not in paused)
    probed = any(attempt.probe for attempt in assignment.attempts)  # nobody waits for two of them
    return TurnToCreate(target=step.target, ahead=ahead, may_probe=not probed)


def _metadata(rule: Rule | None, assignment: Assignment, audience: Audience | None) -> str:
    """What the rule says of the look just made; empty when a reload took the rule away."""
    if rule is None or rule.metadata is None or audience is None or assignment.sealed:
        return ""
    return rule.metadata(audience.room, subject_of(assignment, audience))


def _as(kind: type[_R], reply: Reply) -> _R:
    """The reply, which is of the kind that answers its effect."""
    if not isinstance(reply, kind):
        raise TypeError(f"answered with {type(reply).__name__}, not {kind.__name__}")
    return reply
