"""A target may be a launcher: it starts a process, which LiveKit lists nowhere, and which is known by its identity."""

import pytest
from msgspec.structs import replace

from dispatcher.core import transitions
from dispatcher.core.closing import close
from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import Ask, Asked, Observed, Outcome, Save, Saved, TakeBack, Turn
from dispatcher.core.facts import AGENT, LAUNCHER, TAG, Participant, RoomSid
from dispatcher.core.news import news
from dispatcher.core.observe import observe
from dispatcher.core.patience import concerned
from dispatcher.core.plan import Create, Look, Retract, Wait, plan
from dispatcher.core.rules import Target, is_launch
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.tags import Tag, Tags
from dispatcher.core.timeline import Part, Said, Verdict
from dispatcher.core.timing import LINGER_MS
from tests.unit.core.world import (
    GREETER,
    INSTANCE,
    LOBBY,
    NOW,
    TAGS,
    Pen,
    assignment,
    attempt,
    dispatch,
    person,
    policy,
    rule,
    seconds,
    session,
)

AVATAR = Target("", launcher="avatar")
STEP = Create(assignment="greeter", number=1, target=AVATAR)
RULES = (replace(rule(), policy=policy(targets=(AVATAR,))),)
OR_GREETER = policy(targets=(AVATAR, GREETER))


def launched(number: int = 1, *, tags: Tags = TAGS, life: Session | None = None, **fields: object) -> Participant:
    """The agent of this attempt's launch, ACTIVE in the room."""
    step, life = replace(STEP, number=number), life or session()
    attributes = {TAG: tags.of(life, step), LAUNCHER: "avatar"}
    identity = tags.identity(life, step)
    usual = replace(person(identity), kind=AGENT, attributes=attributes, sid=f"PA_{number}")
    return replace(usual, **fields)


def asked(number: int = 1, **fields: object) -> Attempt:
    """An open attempt at the launcher, which has started its process."""
    identity = TAGS.identity(session(), replace(STEP, number=number))
    usual = attempt(number, target=AVATAR, identities=(identity,), dispatch=f"L{number}", listed=True)
    return replace(usual, **fields)


def wanted(*attempts: Attempt, **fields: object) -> Session:
    """Alice waits for an avatar."""
    return session(replace(assignment(*attempts, policy=policy(targets=(AVATAR,))), **fields))


def seen(before: Session, *people: Participant, at: int = NOW, alice: bool = True) -> Session:
    """The session after a look that shows these people, and alice."""
    here = (person(), *people) if alice else people
    return observe(before, RoomSnapshot(room=LOBBY, participants=here), RULES, tags=TAGS, now=at)


def the(one: Session) -> Assignment:
    """Its only assignment."""
    [found] = one.assignments
    return found


# Names ---------------------------------------------------------------------------------------------------------------


def test_people_call_a_launcher_by_a_name_that_no_agent_has() -> None:
    """In the log, the metrics, and where somebody pauses it."""
    assert (str(AVATAR), AVATAR.name) == ("launch:avatar", "launch:avatar")
    assert (str(Target("greeter", "canary")), Target("greeter", "canary").name) == ("greeter@canary", "greeter")
    assert (is_launch("launch:avatar"), is_launch("avatar")) == (True, False)


# Whose is it ---------------------------------------------------------------------------------------------------------


def found(one: Participant) -> list[Tag]:
    """What the look says of launches of ours."""
    snapshot = RoomSnapshot(room=LOBBY, participants=(person(), one)).with_launches
    return list(TAGS.found(session(), snapshot).values())


def test_an_identity_is_the_same_for_the_same_attempt_and_nobody_else_s() -> None:
    """So whoever asks again asks for the same process; a session remembers all of a long launcher's."""
    again, other = launched(), launched(2)
    long = TAGS.identity(session(), replace(STEP, target=Target("", launcher="x" * 64)))

    assert launched().identity == again.identity != other.identity
    assert launched(life=replace(session(), sid=RoomSid("RM_2"))).identity != again.identity
    assert again.identity.startswith("avatar-")
    assert long.startswith("x" * 15 + "-")


def test_what_we_have_launched_bears_our_tag() -> None:
    """The ledger may have lost it."""
    assert found(launched()) == [Tag("greeter", 1)]


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(launched(identity="avatar-1"), id="our tag, copied to another identity"),
        pytest.param(launched(tags=Tags(INSTANCE, Pen("theirs"))), id="another secret's"),
        pytest.param(launched(tags=Tags("blue", TAGS.signer)), id="another installation's"),
        pytest.param(launched(attributes={LAUNCHER: "avatar"}), id="no tag"),
        pytest.param(launched(attributes={**launched().attributes, LAUNCHER: "bot"}), id="another launcher's"),
        pytest.param(
            launched(
                identity=launched().identity.replace("avatar", "bot"),
                attributes={**launched().attributes, LAUNCHER: "bot"},
            ),
            id="another launcher's, under a name to match",
        ),
        pytest.param(launched(kind="STANDARD"), id="a person"),
        pytest.param(launched(active=False), id="not there yet"),
    ],
)
def test_law_13_who_only_says_that_we_have_launched_it_is_not_ours(foreign: Participant) -> None:
    """Anybody in a room reads an agent's attributes."""
    assert found(foreign) == []
    assert foreign.sid not in {one.agent_sid for one in the(seen(wanted(), foreign)).attempts}


def test_law_13_a_launch_s_tag_makes_no_dispatch_ours() -> None:
    """It is signed for the launcher."""
    copied = dispatch("AD_1", "avatar", tag=launched().attributes[TAG])

    assert TAGS.found(session(), RoomSnapshot(room=LOBBY, dispatches=(copied,))) == {}


# Asked, and served ---------------------------------------------------------------------------------------------------


def test_law_9_an_attempt_knows_its_agent_before_anybody_is_asked() -> None:
    """Whoever dies then leaves a record by which its agent is known."""
    conversation = Drive(wanted(), (), Terms(tags=TAGS, rules=RULES), NOW).run()
    next(conversation)
    look = Observed(NOW, NOW, RoomSnapshot(room=LOBBY, participants=(person(),)))
    conversation.send(look)
    saved = conversation.send(Turn(NOW, 0))
    asks = conversation.send(Saved(NOW))

    assert isinstance(saved, Save)
    assert the(saved.session).attempts[0].identities == (launched().identity,)
    assert isinstance(asks, Ask)
    assert (asks.identity, asks.started_at, asks.tag) == (launched().identity, NOW, launched().attributes[TAG])


def test_it_serves_as_soon_as_it_is_seen() -> None:
    """No job has to be listed first."""
    after = seen(wanted(asked()), launched())

    assert (the(after).state, the(after).attempts[0].agent_sid) == (State.SERVED, "PA_1")


def test_i3_whose_answer_was_lost_serves_all_the_same() -> None:
    """The launch answered late, or whoever asked has died."""
    after = seen(wanted(asked(dispatch="", listed=False)), launched())

    assert the(after).state is State.SERVED


@pytest.mark.parametrize(
    ("one", "within", "verdict"),
    [
        (asked(), RULES[0].policy.join_within, Verdict.NO_SHOW),
        (asked(dispatch="", listed=False), RULES[0].policy.confirm_within, Verdict.SILENT),
    ],
)
def test_who_does_not_join_is_given_up(one: Attempt, within: int, verdict: Verdict) -> None:
    """A process that runs is waited for as long as a job; where nobody knows of one, as long as for a job."""
    assert the(seen(wanted(one), at=NOW + within - 1)).attempts[0].verdict is None
    assert the(seen(wanted(one), at=NOW + within)).attempts[0].verdict is verdict


def test_publishers_are_not_waited_for() -> None:
    """That is about LiveKit's workers."""
    one = wanted(asked(), policy=policy(targets=(AVATAR,), worker_type="publisher"))

    assert isinstance(plan(one, NOW + RULES[0].policy.join_within, fresh=False), Look)


def test_a_launcher_without_a_place_makes_way_for_the_next_target_at_once() -> None:
    """With none, it is asked again after the backoff, and its tries are counted."""
    reply = Asked(now=NOW, outcome=Outcome.DECLINED, reason="at_capacity")
    free = asked(dispatch="", listed=False)
    after = transitions.asked(wanted(free, policy=OR_GREETER), STEP, reply)
    alone = transitions.asked(wanted(free), STEP, reply)

    assert (the(after).attempts[0].verdict, the(after).next_target, the(after).due_at) == (
        Verdict.REJECTED,
        GREETER,
        NOW,
    )
    assert (the(alone).tries, the(alone).due_at > NOW) == (1, True)
    assert after.timeline[-1].reason == "at_capacity"
    assert the(after).attempts[0].retract_at > 0
    assert not the(after).attempts[0].shows


def test_nothing_is_learnt_of_workers_or_of_silence() -> None:
    """A launcher has no workers, and no circuit."""
    ended = seen(wanted(asked()), at=NOW + seconds(30))

    assert concerned(wanted(asked()), NOW + seconds(9)) == ()
    assert [type(one).__name__ for _, one in news(ended, ended.timeline)] == ["AttemptOutcome"]


# Taken back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "after"),
    [
        (Verdict.NO_SHOW, 0),
        (Verdict.CRASHED, 0),
        (Verdict.FAILED, 0),
        (Verdict.SURPLUS, 0),
        (Verdict.CANCELLED, 0),
        (Verdict.LEFT, LINGER_MS),
        (Verdict.ENDED, LINGER_MS),
        (Verdict.FINISHED, None),
        (Verdict.REMOVED, None),
    ],
)
def test_what_is_left_of_a_launch_is_ended(verdict: Verdict, after: int | None) -> None:
    """At once, so that its place is free; later, where its process may be at its last work; else by its launcher."""
    closed = close(wanted(asked()), "greeter", 1, verdict, NOW)

    assert the(closed).attempts[0].retract_at == (0 if after is None else NOW + after)


def test_the_agent_goes_first_and_then_its_launch() -> None:
    """The launcher is told whose it is; once it has answered, nothing is owed."""
    serving = asked(2, agent_sid="PA_2", agent_seen_at=NOW)
    spare = asked(verdict=Verdict.SURPLUS, agent_sid="PA_1", retract_at=NOW)
    both = wanted(spare, serving)

    first = plan(both, NOW, fresh=True)
    after = transitions.retracted(both, Retract(assignment="greeter", number=1, agent_sid="PA_1"), NOW)
    gone = seen(after, launched(2), at=NOW + seconds(1))
    second = plan(gone, NOW + seconds(2), fresh=True)

    assert first == Retract(assignment="greeter", number=1, agent_sid="PA_1")
    assert second == Retract(assignment="greeter", number=1, dispatch="L1")
    stopped = transitions.retracted(gone, second, NOW + seconds(2))
    assert stopped.timeline[-1].part is Part.LAUNCH
    assert the(stopped).attempts[0].listed is False
    assert not isinstance(plan(stopped, NOW + seconds(9), fresh=True), Retract)


def test_a_launch_that_could_not_be_ended_is_tried_again() -> None:
    """Its launcher may be away."""
    step = Retract(assignment="greeter", number=1, dispatch="L1")
    after = transitions.retracted(wanted(asked(verdict=Verdict.NO_SHOW, retract_at=NOW)), step, NOW, reason="refused")

    one = the(after).attempts[0]
    assert (one.listed, one.retract_at > NOW) == (True, True)
    assert isinstance(plan(after, NOW, fresh=True), Create | Wait)


def test_whoever_takes_a_launch_back_knows_its_launcher_and_its_identity() -> None:
    """Of a dispatch LiveKit knows all that."""
    given_up = wanted(asked(verdict=Verdict.NO_SHOW, retract_at=NOW))
    conversation = Drive(given_up, (), Terms(tags=TAGS, rules=RULES), NOW).run()
    next(conversation)
    back = conversation.send(Observed(NOW, NOW, RoomSnapshot(room=LOBBY, participants=(person(),))))

    assert isinstance(back, TakeBack)
    assert (back.launcher, back.identity, back.step.dispatch) == ("avatar", launched().identity, "L1")


# What the ledger has lost, and other lives of the room ---------------------------------------------------------------


def test_law_10_an_emptied_ledger_finds_it_by_its_tag() -> None:
    """It serves on, as the attempt that it was; nobody else is asked."""
    after = seen(session(), launched(3))

    [one] = the(after).attempts
    assert (the(after).state, one.number, one.ours, one.dispatch) == (State.SERVED, 3, True, "")
    assert [entry.said for entry in after.timeline] == [
        Said.ASSIGNMENT_CREATED,
        Said.DISPATCH_ADOPTED,
        Said.AGENT_JOINED,
    ]


def test_law_14_one_that_opened_a_dead_room_again_is_taken_back() -> None:
    """Nobody is there."""
    before = replace(session(), sid=RoomSid("RM_0"))
    after = seen(session(), launched(life=before), alice=False)

    [one] = the(after).attempts
    assert (the(after).remnant, one.verdict) == (True, Verdict.SURPLUS)
    assert plan(after, NOW, fresh=True) == Retract(assignment="greeter", number=1, agent_sid="PA_1")


def test_one_of_the_life_before_is_an_attempt_of_its_own() -> None:
    """Its number may be that of one that is under way here; of two agents who came first stays."""
    before = replace(session(), sid=RoomSid("RM_0"))
    stray, own = launched(life=before, sid="PA_0"), launched()
    late = seen(wanted(asked(dispatch="", listed=False)), stray)
    both = seen(late, stray, own, at=NOW + seconds(1))

    assert [one.agent_sid for one in the(late).attempts] == ["", "PA_0"]
    assert [(one.agent_sid, one.verdict) for one in the(both).attempts] == [("PA_1", Verdict.SURPLUS), ("PA_0", None)]
    assert Said.DISPATCH_DUPLICATED not in [entry.said for entry in both.timeline]


def test_one_that_the_record_has_forgotten_is_surplus() -> None:
    """While another serves."""
    serving = asked(12, agent_sid="PA_12", agent_seen_at=NOW)
    after = seen(wanted(serving), launched(12), launched(2))

    assert [(one.number, one.verdict) for one in the(after).attempts] == [(2, Verdict.SILENT), (12, None)]
    assert plan(after, NOW, fresh=True) == Retract(assignment="greeter", number=2, agent_sid="PA_2")


def test_a_process_that_was_started_is_owed_its_end() -> None:
    """By its id, once that is known; of a dispatch LiveKit's list says so."""
    after = transitions.answered(wanted(asked(dispatch="", listed=False)), STEP, "L1")

    assert (the(after).attempts[0].dispatch, the(after).attempts[0].listed) == ("L1", True)
