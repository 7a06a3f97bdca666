"""A story's stage: one session, the room that LiveKit shows, a clock, and a reconciler without IO."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from msgspec.structs import replace

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
    Outcome,
    Reply,
    Resumed,
    Save,
    Saved,
    TakeBack,
    TakenBack,
    Then,
    Turn,
    TurnToCreate,
)
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, LEFT, Ms, Participant, Room
from dispatcher.core.fold import fold
from dispatcher.core.observe import observe
from dispatcher.core.plan import Create, Rest, Retract, Step, Wait, plan
from dispatcher.core.rules import Rule
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.snapshot import Dispatch, Job, RoomSnapshot
from dispatcher.core.timeline import Said
from tests.unit.core.world import LIVEKIT_AHEAD, LOBBY, NOW, TAGS, agent, job, rule, seconds

SWEEP_EVERY = seconds(30)


class Stage(ABC):
    """The world: a clock, and the room as LiveKit shows it."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules or (rule(),)
        self.session = Session(room=LOBBY.name, sid=LOBBY.sid)
        self.now: Ms = NOW
        self.room: Room | None = LOBBY
        self.present: dict[str, Participant] = {}
        self.listed: dict[str, Dispatch] = {}
        self.swept: Ms = NOW
        self.spins = 0  # waits for an instant that had passed: a reconciler would turn for ever
        self.creates: list[Create] = []
        self.earlier: tuple[Session, ...] = ()  # of the room's name, in the ledger
        self.on_create: Callable[[str], object] = lambda _dispatch: None

    @abstractmethod
    def hear(self, name: str, who: Participant | None = None) -> None:
        """A webhook of this event has come."""

    def wait(self, count: float) -> None:
        """Time passes, and nothing else happens."""
        self.now += seconds(count)

    def enter(self, who: Participant) -> Participant:
        """Somebody is in the room, and no webhook says so."""
        self.present[who.sid] = replace(who, joined_at=self.now + LIVEKIT_AHEAD)
        return self.present[who.sid]

    def joins(self, who: Participant) -> Participant:
        """Somebody has joined, and we hear of it."""
        who = self.enter(who)
        self.hear(JOINED, who)
        return who

    def goes(self, who: Participant) -> None:
        """Somebody is out of the room, and no webhook says so."""
        self.present.pop(who.sid, None)

    def leaves(self, who: Participant, reason: str = "CLIENT_INITIATED") -> None:
        """Somebody has left, and we hear of it."""
        self.goes(who)
        self.hear(LEFT, replace(who, disconnect_reason=reason))

    def lists(self, made: Dispatch) -> str:
        """LiveKit lists this dispatch, whoever made it."""
        self.listed[made.id] = made
        return made.id

    def jobs(self, dispatch: str, *jobs: Job) -> None:
        """Workers have answered this dispatch."""
        made = self.listed[dispatch]
        self.listed[dispatch] = replace(made, jobs=(*made.jobs, *jobs))

    def comes(self, dispatch: str, identity: str = "", sid: str = "") -> Participant:
        """The dispatch's job is listed and its agent has joined, and we hear of it."""
        identity = identity or f"agent-{dispatch}"
        self.jobs(dispatch, job(identity))
        return self.joins(agent(identity, self.listed[dispatch].agent, sid=sid or f"PA_{identity}"))


class Scene(Stage):
    """What is in the room is the world's; what the session knows of it came by `hear` and `look`."""

    # The core

    def hear(self, name: str, who: Participant | None = None) -> None:
        """A webhook (or the sweep, by any other name) reaches the session."""
        at = (self.now + LIVEKIT_AHEAD) // 1000 * 1000
        heard = Event(id="", name=name, created_at=at, room=LOBBY, participant=who)
        self.session = fold(self.session, heard, self.rules, self.now)

    @property
    def shows(self) -> RoomSnapshot:
        """What a look would show now."""
        if self.room is None:
            return RoomSnapshot(room=None)
        return RoomSnapshot(
            room=self.room, participants=tuple(self.present.values()), dispatches=tuple(self.listed.values())
        )

    def look(self) -> Session:
        """The session has seen what LiveKit shows."""
        self.session = observe(self.session, self.shows, self.rules, tags=TAGS, now=self.now)
        assert self.told(Said.PASSES_EXCEEDED) == 0, "no end in one look"
        return self.session

    def plan(self, *, fresh: bool = True) -> Step:
        """The next step, asked for right after a look unless it is not `fresh`."""
        return plan(self.session, self.now, fresh=fresh)

    def ask(self) -> Create:
        """The Create that is due has been sent; no answer yet."""
        step = self.plan()
        assert isinstance(step, Create), step
        self.session = transitions.ask(self.session, step, self.now)
        self.creates.append(step)
        return step

    def _made(self, step: Create, label: str) -> str:
        """LiveKit has made the dispatch that a drive asks for."""
        self.creates.append(step)
        made = Dispatch(id=f"AD_{len(self.creates)}", agent=step.target.agent, tag=label)
        self.lists(made)
        self.on_create(made.id)
        return made.id

    def request(self, *, answered: bool = True) -> str:
        """The Create that is due has been sent, and LiveKit lists its dispatch; the answer may be lost."""
        step = self.ask()
        made = Dispatch(id=f"AD_{len(self.creates)}", agent=step.target.agent, tag=TAGS.of(self.session, step))
        self.lists(made)
        lost = transitions.unanswered(self.session, step, self.now, "timeout")
        self.session = transitions.answered(self.session, step, made.id) if answered else lost
        self.on_create(made.id)
        return made.id

    def take_back(self) -> Retract:
        """The Retract that is due has been carried out."""
        step = self.plan()
        assert isinstance(step, Retract), step
        self._taken_back(step)
        self.session = transitions.retracted(self.session, step, self.now)
        return step

    def _taken_back(self, step: Retract) -> None:
        """LiveKit has removed the agent, or the dispatch with its agents."""
        if step.agent_sid:
            self.present.pop(step.agent_sid, None)
        elif made := self.listed.pop(step.dispatch, None):
            identities = {one.identity for one in made.jobs}
            self.present = {sid: one for sid, one in self.present.items() if one.identity not in identities}

    def settle(self) -> Wait | Rest:
        """All that is to be done now is done, as a drive does it."""
        drive = Drive(self.session, (), Terms(tags=TAGS, rules=tuple(self.rules)), self.now)
        conversation = drive.run()
        effect = next(conversation)
        while not (isinstance(effect, Save) and effect.then is not Then.KEEP):
            effect = conversation.send(self._reply(effect))
        self.session = effect.session
        assert self.told(Said.ROUNDS_EXCEEDED) == 0, f"no end in {drive.rounds} rounds"
        return Wait(effect.due_at) if effect.then is Then.DUE else Rest()

    def _reply(self, effect: Effect) -> Reply:
        match effect:
            case Observe():
                return Observed(self.now, self.now, self.shows)
            case FindEarlier():
                return FoundEarlier(self.now, self.earlier)
            case GiveWay():
                return Resumed(self.now)
            case TurnToCreate():
                return Turn(self.now, 0)
            case Save(session=session):
                self.session = session
                return Saved(self.now)
            case Ask(step=step, tag=label):
                made = self._made(step, label)
                return Asked(now=self.now, outcome=Outcome.TAKEN, dispatch=made, deployment=step.target.deployment)
            case TakeBack(step=step):
                self._taken_back(step)
                return TakenBack(self.now)
            case _:
                raise AssertionError(effect)

    def run(self, count: float, *, sweep: bool = True) -> None:
        """So many seconds go by, with a reconciler at work and a sweep every 30 s."""
        end = self.now + seconds(count)
        sweeps = sweep and self.room is not None
        while True:
            if sweeps and self.now >= self.swept + SWEEP_EVERY:
                self.swept = self.now
                self.hear("swept")
            step = self.settle()
            if self.now >= end:
                return
            until = step.until if isinstance(step, Wait) else end
            if until <= self.now:
                self.spins += 1
                until = self.now + seconds(1)
            self.now = min(end, until, self.swept + SWEEP_EVERY if sweeps else end)

    # What the tests ask

    def assignment(self, key: str = "greeter") -> Assignment:
        """The assignment of this key."""
        return self.session.assignment(key)

    def state(self, key: str = "greeter") -> State:
        """Where the assignment stands."""
        return self.assignment(key).state

    def attempt(self, number: int = 1, key: str = "greeter") -> Attempt:
        """The assignment's attempt of this number."""
        return self.assignment(key).attempt(number)

    def agents(self) -> list[str]:
        """Identities of the agents in the room."""
        return [one.identity for one in self.present.values() if one.is_agent]

    def told(self, said: Said) -> int:
        """How many entries of this kind the timeline holds."""
        return sum(entry.said is said for entry in self.session.timeline)
