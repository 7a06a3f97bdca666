"""One claim as a conversation: what it asks for, in which order, and what each answer makes of the session."""

from collections.abc import Generator

import pytest
from msgspec.structs import replace

from dispatcher.core.drive import Drive, Terms, rounds_max
from dispatcher.core.effects import (
    Ask,
    Asked,
    Effect,
    FindEarlier,
    FoundEarlier,
    Observe,
    Observed,
    Outcome,
    Release,
    Released,
    Reply,
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
from dispatcher.core.facts import JOINED, LEFT, ROOM_FINISHED, Ms, Participant, RoomSid
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Rule, Target
from dispatcher.core.session import Assignment, Session
from dispatcher.core.snapshot import Dispatch, Job, RoomSnapshot
from dispatcher.core.targets import Outlook
from dispatcher.core.timeline import Because, Entry, Part, Patience, Said, Verdict
from dispatcher.core.timing import AGAIN_MS, SLOT_MS
from tests.unit.core.world import (
    GREETER,
    LOBBY,
    NOW,
    TAGS,
    agent,
    assignment,
    attempt,
    event,
    person,
    rule,
    seconds,
    session,
)

TERMS = Terms(tags=TAGS, rules=(rule(),))
ALICE = RoomSnapshot(room=LOBBY, participants=(person(),))
CREATE = Create(assignment="greeter", number=1, target=GREETER)
NEW = session(stale=True)


class Talk:
    """A drive, and the conversation with it. Every reply comes 1 ms after the one before."""

    def __init__(self, before: Session = NEW, *events: Event, terms: Terms = TERMS) -> None:
        self.drive = Drive(before, events, terms, NOW)
        self.now = NOW
        self._run: Generator[Effect, Reply, Ms | None] = self.drive.run()
        self.effect: Effect | None = next(self._run)
        self.due_in: Ms | None = None

    @property
    def session(self) -> Session:
        """As the drive has it now."""
        return self.drive.session

    def answer(self, reply: Reply) -> Effect | None:
        """The effect that follows this reply; None: the drive is done."""
        try:
            self.effect = self._run.send(reply)
        except StopIteration as end:
            self.effect, self.due_in = None, end.value
        return self.effect

    def saved(self, *more: Event) -> Effect | None:
        """What the drive asked to save is saved; meanwhile this came in."""
        self.now += 1
        return self.answer(Saved(self.now, more or None))

    def shown(self, snapshot: RoomSnapshot = ALICE) -> Effect | None:
        """The look that the drive asked for shows this."""
        assert self.effect == Observe()
        self.now += 1
        return self.answer(Observed(self.now, self.now - 1, snapshot))

    def turn(self, wait: Ms = 0) -> Effect | None:
        """The turn that the drive asked for comes then."""
        self.now += 1
        return self.answer(Turn(self.now, wait))

    def asked(self, outcome: Outcome = Outcome.TAKEN, **said: object) -> Effect | None:
        """The CreateDispatch that the drive asked for ended so."""
        assert isinstance(self.effect, Ask), self.effect
        self.now += 1
        return self.answer(Asked(now=self.now, outcome=outcome, **said))  # type: ignore[arg-type]


def asking(**terms: object) -> Talk:
    """A drive that has saved its attempt, and asks."""
    talk = Talk(terms=replace(TERMS, **terms))
    talk.shown()
    talk.turn()
    talk.saved()
    return talk


def test_an_ordinary_join() -> None:
    """Look, take a turn, save the open attempt, ask; then wait for what a look will show."""
    talk = Talk()
    assert talk.shown() == TurnToCreate(GREETER)
    saving = talk.turn()
    assert isinstance(saving, Save)
    assert (saving.then, saving.session.assignments[0].open[0].number) == (Then.KEEP, 1)
    assert talk.saved() == Ask(step=CREATE, metadata="", tag=TAGS.of(NEW, CREATE))
    waiting = talk.asked(dispatch="AD_1")
    assert isinstance(waiting, Save)
    assert (waiting.then, waiting.due_at) == (Then.DUE, NOW + 2 + seconds(2))
    assert waiting.session.assignments[0].open[0].dispatch == "AD_1"
    assert talk.saved() is None
    assert talk.due_in == NOW + 2 + seconds(2) - talk.now


@pytest.mark.parametrize(
    ("outcome", "verdict", "due_in"),
    [
        (Outcome.TAKEN, None, None),
        (Outcome.UNKNOWN, None, None),
        (Outcome.UNSENT, Verdict.UNSENT, 7_000),
        (Outcome.UNAUTHORIZED, Verdict.UNSENT, 30_000),
        (Outcome.REFUSED, Verdict.REFUSED, 30_000),
    ],
)
def test_how_the_session_stands_after_each_outcome_of_a_create(
    outcome: Outcome, verdict: Verdict | None, due_in: Ms | None
) -> None:
    """What LiveKit has, or may have, stays open; what it has not is asked for again in time."""
    talk = asking()
    talk.asked(outcome, dispatch="AD_1" if outcome is Outcome.TAKEN else "", retry_in=7_000)

    stands = talk.session.assignments[0]
    assert stands.attempts[0].verdict is verdict
    assert due_in is None or stands.due_at == talk.now + due_in


@pytest.mark.parametrize(
    ("outcome", "then"), [(Outcome.UNSENT, TurnToCreate(GREETER)), (Outcome.ROOM_ABSENT, Observe())]
)
def test_law_4_no_create_after_an_outcome_that_leaves_the_room_unknown_without_a_look(
    outcome: Outcome, then: Effect
) -> None:
    """Where nothing had happened at all, the look of less than a second ago will do."""
    talk = asking()
    waiting = talk.asked(outcome)
    assert isinstance(waiting, Save)
    talk.now = waiting.due_at
    assert talk.saved(event(JOINED, person("eve", hidden=True))) == then


def test_d9_a_server_that_ignores_the_deployment_is_found_out() -> None:
    """The dispatch is another agent's: refused, and taken back."""
    canary = rule("greeter", targets=(Target("greeter", "canary"),))
    talk = asking(rules=(canary,))
    talk.asked(dispatch="AD_1", deployment="")

    assert [entry.said for entry in talk.session.timeline][-3:] == [
        Said.DEPLOYMENT_IGNORED,
        Said.ATTEMPT_ENDED,
        Said.ASSIGNMENT_STARVED,
    ]
    assert talk.session.assignments[0].attempts[0].verdict is Verdict.REFUSED


def test_what_came_in_is_folded_before_anything_is_done() -> None:
    """A room that has ended is over without a look."""
    talk = Talk(session(assignment()), event(ROOM_FINISHED))

    assert isinstance(talk.effect, Save)
    assert (talk.effect.then, talk.effect.session.final) == (Then.OVER, True)
    assert talk.saved() is None
    assert talk.due_in is None


def test_what_comes_in_during_a_drive_is_folded_before_its_end() -> None:
    """The session is still ours, and looked at again."""
    talk = Talk(session(assignment(attended=False)))
    assert [talk.saved(event(JOINED, person())), talk.session.stale] == [Observe(), True]


def test_law_6_a_failed_look_changes_nothing_but_the_due_time() -> None:
    """Whatever came in is kept, and what comes in meanwhile makes it due at once."""
    talk = Talk()
    before = talk.session
    saving = talk.answer(Unobserved(NOW + 5, 2_000))
    assert isinstance(saving, Save)
    assert (saving.then, saving.due_at, saving.session) == (Then.DUE, NOW + 2_005, before)
    assert talk.saved() is None
    assert talk.due_in == 2_000


def test_what_came_in_during_a_failed_look_is_left_for_the_next_claim() -> None:
    """Saved with what came in, and given back."""
    talk = Talk()
    talk.answer(Unobserved(NOW + 5, 2_000))
    checkpoint = talk.saved(event(LEFT, person()))
    assert isinstance(checkpoint, Save)
    assert checkpoint.then is Then.KEEP
    assert talk.saved() == Release()
    assert talk.answer(Released(talk.now)) is None
    assert talk.due_in == 0


def test_a_look_takes_its_turn_where_calls_are_limited_and_keeps_it() -> None:
    """A turn that is not now is waited for; one that was not used in time is lost."""
    limited = replace(TERMS, limited=True)
    talk = Talk(terms=limited)
    assert talk.effect == TurnToLook()
    saving = talk.turn(700)
    assert isinstance(saving, Save)
    assert (saving.then, saving.session.slot_at) == (Then.DUE, NOW + 701)
    assert Talk(replace(NEW, slot_at=NOW - 1), terms=limited).effect == Observe()
    assert Talk(replace(NEW, slot_at=NOW - SLOT_MS - 1), terms=limited).effect == TurnToLook()


def test_a_create_waits_for_its_turn() -> None:
    """Its slot is kept in the session, and used once."""
    talk = Talk()
    talk.shown()
    saving = talk.turn(300)
    assert isinstance(saving, Save)
    assert (saving.then, saving.due_at) == (Then.DUE, NOW + 2 + 300)
    kept = Talk(session(assignment(slot_at=NOW, due_at=NOW, attended=True), stale=True))
    checkpoint = kept.shown()
    assert isinstance(checkpoint, Save)
    assert checkpoint.then is Then.KEEP


def test_a_dry_run_decides_and_asks_nothing_of_livekit() -> None:
    """What it would ask for is told; what it would take back is put off."""
    dry = replace(TERMS, dry_run=True)
    talk = Talk(terms=dry)
    saving = talk.shown()
    assert isinstance(saving, Save)
    assert saving.session.timeline[-1].said is Said.DISPATCH_SIMULATED
    leftover = attempt(verdict=Verdict.SURPLUS, dispatch="AD_1", listed=True, retract_at=NOW)
    listed = RoomSnapshot(room=LOBBY, dispatches=(Dispatch(id="AD_1", agent="greeter"),))
    back = Talk(session(assignment(leftover), stale=True), terms=dry)
    saving = back.shown(listed)
    assert isinstance(saving, Save)
    assert (saving.session.timeline[-1].said, saving.session.timeline[-1].reason) == (Said.ATTEMPT_RETRACTED, "dry_run")


def test_an_agent_alone_is_looked_up_in_the_sessions_before() -> None:
    """The look is judged once more with what they say, and the agent taken back."""
    talk = Talk()
    assert talk.shown(RoomSnapshot(room=LOBBY, participants=(agent(),))) == FindEarlier()
    over = Entry(at=NOW - 1_000, said=Said.ROOM_FINISHED)
    before = session(assignment(attempt()), sid=RoomSid("RM_0"), finished=True, timeline=(over,))
    back = Retract(assignment="greeter", number=1, agent_sid="PA_agent-AJ_1")
    assert talk.answer(FoundEarlier(talk.now, (before,))) == TakeBack(step=back, identity="agent-AJ_1")
    assert [entry.said for entry in talk.session.timeline] == [Said.AGENT_BELATED]


def test_without_a_session_before_nothing_is_done_to_an_agent_alone() -> None:
    """It is looked at again, as any that no job explains."""
    talk = Talk()
    talk.shown(RoomSnapshot(room=LOBBY, participants=(agent(),)))
    saving = talk.answer(FoundEarlier(talk.now))
    assert isinstance(saving, Save)
    assert (saving.then, saving.due_at) == (Then.DUE, NOW + seconds(2))


@pytest.mark.parametrize(("reason", "then"), [("", Part.AGENT), ("timeout", Part.AGENT)])
def test_what_is_too_much_is_taken_back_by_the_identity_that_the_look_showed(reason: str, then: Part) -> None:
    """By the SID of its connection: another of the same identity is another agent."""
    two = (
        attempt(dispatch="AD_1", identities=("agent-AJ_1",)),
        attempt(2, dispatch="AD_2", identities=("agent-AJ_2",)),
    )
    here = RoomSnapshot(
        room=LOBBY,
        participants=(person(), agent("agent-AJ_1", joined_at=1), agent("agent-AJ_2", joined_at=2)),
        dispatches=tuple(
            Dispatch(id=f"AD_{n}", agent="greeter", jobs=(Job(id=f"AJ_{n}", identity=f"agent-AJ_{n}"),)) for n in (1, 2)
        ),
    )
    talk = Talk(session(assignment(*two, last_number=2), stale=True))
    assert talk.shown(here) == TakeBack(
        step=Retract(assignment="greeter", number=2, agent_sid=agent("agent-AJ_2").sid), identity="agent-AJ_2"
    )
    talk.answer(TakenBack(talk.now + 1, reason))
    entry = talk.session.timeline[-1]
    assert (entry.said, entry.part, entry.reason) == (Said.ATTEMPT_RETRACTED, then, reason)


def test_a_paused_agent_is_not_asked_for() -> None:
    """The assignment is held, and the session rests."""
    talk = Talk(terms=replace(TERMS, paused=frozenset({"greeter"})))
    saving = talk.shown()
    assert isinstance(saving, Save)
    assert (saving.then, saving.session.assignments[0].paused) == (Then.REST, True)


def test_a_drive_that_finds_no_end_is_cut_off_and_told() -> None:
    """More comes in with every save: after so many plans the session goes on in a new claim."""
    talk = Talk(session(assignment(attended=False)))
    while isinstance(talk.effect, Save) and talk.effect.then is Then.REST:
        talk.saved(event(JOINED, person(hidden=True)))
    assert isinstance(talk.effect, Save)
    assert (talk.effect.then, talk.effect.due_at) == (Then.DUE, talk.now + AGAIN_MS)
    assert talk.session.timeline[-1].said is Said.ROUNDS_EXCEEDED
    assert talk.drive.rounds == rounds_max(talk.session)


def test_many_assignments_need_many_rounds_and_have_them() -> None:
    """One agent for each of 20 people is asked for in one claim."""
    each = replace(TERMS, rules=(rule("each", per="participant"),))
    crowd = RoomSnapshot(room=LOBBY, participants=tuple(person(f"guest-{n}") for n in range(20)))
    talk = Talk(terms=each)
    asked = 0
    while talk.effect is not None:
        match talk.effect:
            case Observe():
                talk.shown(crowd)
            case TurnToCreate():
                talk.turn()
            case Save():
                talk.saved()
            case Ask():
                asked += 1
                talk.asked(dispatch=f"AD_{asked}")
    assert asked == 20
    assert all(entry.said is not Said.ROUNDS_EXCEEDED for entry in talk.session.timeline)


TELLING = replace(rule(), metadata=lambda room, who: f"{room.name} for {_name(who)}")


@pytest.mark.parametrize(
    ("rules", "wanted", "text"),
    [
        ((rule("another"), TELLING), assignment(), "lobby for alice"),
        ((rule(),), assignment(), ""),
        ((rule("another"),), assignment(), ""),
    ],
    ids=["the-rules", "none", "its-rule-is-gone"],
)
def test_the_metadata_is_what_the_rule_says_of_the_look_just_made(
    rules: tuple[Rule, ...], wanted: Assignment, text: str
) -> None:
    """For the earliest who waits; a rule that a reload took away is told, and sends none."""
    talk = Talk(session(replace(wanted, attended=True), stale=True), terms=replace(TERMS, rules=rules))
    talk.shown()
    talk.turn()
    talk.saved()

    assert isinstance(talk.effect, Ask)
    assert talk.effect.metadata == text
    gone = all(one.name != "greeter" for one in rules)
    assert any(entry.said is Said.RULE_REMOVED for entry in talk.session.timeline) is gone


def _name(who: Participant | None) -> str:
    return who.identity if who else "nobody"


def test_a_reply_of_another_effect_is_a_defect_of_who_answers() -> None:
    """It is raised, and never taken for an answer."""
    with pytest.raises(TypeError, match="answered with Turn, not Observed"):
        Talk().turn()


def test_the_room_of_another_life_is_not_asked_into() -> None:
    """Law 14: LiveKit does not list the session's own SID."""
    talk = Talk()
    saving = talk.shown(RoomSnapshot(room=None))
    assert isinstance(saving, Save)
    assert (saving.then, saving.session.missed_at) == (Then.DUE, NOW)


THREE = rule("greeter", "greeter", "backup", "last")
BACKUP, LAST = Target("backup"), Target("last")
WAITING = session(assignment(policy=THREE.policy), stale=True)


def turn_of(before: Session = WAITING, **terms: object) -> Talk:
    """A drive that asks for the turn of a Create."""
    talk = Talk(before, terms=replace(TERMS, rules=(THREE,), **terms))
    talk.shown()
    return talk


def test_whose_circuit_is_open_makes_way_for_who_is_asked_instead() -> None:
    """However far behind; that is told, and the one asked instead takes a turn of its own."""
    talk = turn_of()
    assert talk.effect == TurnToCreate(target=GREETER, ahead=(BACKUP, LAST))
    following = talk.answer(Turn(NOW + 2, 500, instead=LAST))

    assert following == TurnToCreate(target=LAST)
    bypassed = talk.session.timeline[-1]
    assert (bypassed.said, bypassed.agent) == (Said.TARGET_BYPASSED, "greeter")
    talk.turn()
    assert [one.target for one in talk.session.assignments[0].attempts] == [LAST]


def test_a_paused_target_is_nobody_to_ask_instead() -> None:
    """It is not named among those ahead."""
    assert turn_of(paused=frozenset({"backup"})).effect == TurnToCreate(target=GREETER, ahead=(LAST,))


@pytest.mark.parametrize("probe", [True, False])
def test_a_probe_is_remembered(*, probe: bool) -> None:
    """Nobody makes two of them."""
    talk = turn_of()
    talk.answer(Turn(NOW + 2, 0, probe=probe))
    assert talk.session.assignments[0].attempts[0].probe is probe

    again = replace(attempt(probe=probe, verdict=Verdict.SILENT), listed=False)
    talk = turn_of(session(assignment(again, policy=THREE.policy), stale=True))
    assert talk.effect == TurnToCreate(target=GREETER, ahead=(BACKUP, LAST), may_probe=not probe)


def test_who_had_to_wait_for_a_turn_is_one_of_many() -> None:
    """So it is waited for as long as the rule says."""
    for slot, crowded in ((NOW - 1, True), (0, False)):
        talk = Talk(
            session(assignment(policy=THREE.policy, slot_at=slot), stale=True), terms=replace(TERMS, rules=(THREE,))
        )
        talk.shown()
        if not crowded:
            talk.turn()
        assert talk.session.assignments[0].attempts[0].crowded is crowded


def test_a_look_at_who_waits_long_knows_what_is_known() -> None:
    """It asks about the targets of those alone, and what it is told decides what it means."""
    asked = attempt(dispatch="AD_1", started_at=NOW - seconds(6), listed=True)
    talk = Talk(session(assignment(asked, policy=THREE.policy), stale=True), terms=replace(TERMS, rules=(THREE,)))
    assert talk.effect == Observe(about=(GREETER, BACKUP, LAST))
    snapshot = replace(ALICE, dispatches=(Dispatch(id="AD_1", agent="greeter"),))
    known = Outlook(target=GREETER, usual=300)
    following = talk.answer(Observed(NOW + 1, NOW, snapshot, outlooks=(known,), requested=1))

    ended = talk.session.timeline[-1]
    assert (ended.verdict, ended.patience) == (
        Verdict.SILENT,
        Patience(after=6_000, because=Because.FAST, usual=300),
    )
    assert following == TurnToCreate(target=BACKUP, ahead=(LAST,))
