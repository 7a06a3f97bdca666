"""An agent that opens a room again, which ended as the agent was asked for: whose it is, and what becomes of it."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import ROOM_FINISHED, Participant, RoomSid
from dispatcher.core.fold import fold
from dispatcher.core.rules import Policy
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.core.timing import REVIVED_MS
from tests.unit.core.scene import Scene
from tests.unit.core.world import NOW, agent, assignment, attempt, dispatch, event, job, person, policy, rule

LATE = agent("agent-AJ_1")
GREETERS = policy()


def ended(*assignments: Assignment, sid: str = "RM_0") -> Session:
    """A session of the lobby's name that had these assignments as its room ended, at NOW."""
    before = Session(room="lobby", sid=RoomSid(sid), assignments=assignments)
    return fold(before, event(ROOM_FINISHED), (rule(),), NOW)


def asked(*attempts: Attempt, under: Policy = GREETERS) -> Session:
    """One that had asked for the greeter, or had made these attempts."""
    return ended(assignment(*(attempts or (attempt(),)), policy=under))


def revived(*earlier: Session) -> Scene:
    """The room of the same name, opened again."""
    scene = Scene()
    scene.earlier = earlier or (asked(),)
    return scene


def test_an_agent_whose_room_died_as_it_was_asked_for_is_taken_back() -> None:
    """At once: it is alone, and an attempt at it was open as the session before ended."""
    scene = revived()
    scene.joins(LATE)
    scene.run(0.1)

    assert scene.agents() == []
    assert [entry.said for entry in scene.session.timeline] == [Said.AGENT_BELATED, Said.ATTEMPT_RETRACTED]
    assert scene.state() is State.FINISHED
    scene.run(120)
    assert scene.creates == []
    assert scene.told(Said.AGENT_UNREQUESTED) == 0


def test_it_is_known_though_the_end_is_heard_of_later() -> None:
    """LiveKit told of the new room first: one of the looks at an agent that nothing explains finds out."""
    scene = revived(replace(asked(), finished=False))
    scene.joins(LATE)
    scene.run(5)
    assert scene.agents() == ["agent-AJ_1"]

    scene.earlier = (asked(),)
    scene.run(5.5)
    assert (scene.agents(), scene.told(Said.AGENT_UNREQUESTED)) == ([], 0)


def test_whoever_joins_while_it_is_taken_back_has_an_agent_of_their_own() -> None:
    """The one that is late serves nobody, however it calls itself (law 15)."""
    scene = revived()
    scene.rules = (rule(extra_agents="report"),)
    scene.earlier = (asked(under=policy(extra_agents="report")),)
    scene.joins(LATE)
    scene.run(0.1)
    assert scene.agents() == ["agent-AJ_1"]  # reported, as its rule says: nothing is taken back

    scene.joins(person())
    scene.run(0.1)
    assert [step.number for step in scene.creates] == [2]


def test_one_that_somebody_had_ordered_is_taken_back_as_well() -> None:
    """The order was the session's; in this one nobody has ordered anything."""
    scene = revived(ended(assignment(attempt(), request="42", policy=policy(trigger="room_started"))))
    scene.joins(LATE)
    scene.run(60)

    assert (scene.agents(), scene.creates) == ([], [])
    assert scene.assignment("request:42").remnant


def test_several_that_come_are_each_taken_back() -> None:
    """Two rules had asked for the same agent: as many attempts as agents."""
    both = ended(assignment(attempt()), assignment(attempt(), name="second"))
    scene = revived(both)
    scene.enter(LATE)
    scene.joins(agent("agent-AJ_2"))
    scene.run(1)

    assert (scene.agents(), scene.told(Said.AGENT_BELATED)) == ([], 2)


GIVEN_UP = attempt(dispatch="AD_0", listed=True, verdict=Verdict.SILENT)


@pytest.mark.parametrize("verdict", [Verdict.SILENT, Verdict.NO_SHOW, Verdict.REFUSED, Verdict.CANCELLED])
def test_one_that_was_given_up_and_comes_late_is_taken_back(verdict: Verdict) -> None:
    """Its dispatch was listed yet as the room ended: a launch already queued survives both."""
    scene = revived(asked(replace(GIVEN_UP, verdict=verdict)))
    scene.joins(LATE)
    scene.run(1)

    assert scene.agents() == []


def test_the_late_agent_of_a_given_up_attempt_and_that_of_the_next_are_both_taken_back() -> None:
    """The first was silent for too long; the second had been asked for as the room ended."""
    scene = revived(asked(GIVEN_UP, attempt(2)))
    scene.enter(LATE)
    scene.joins(agent("agent-AJ_2"))
    scene.run(1)

    assert (scene.agents(), scene.told(Said.AGENT_BELATED)) == ([], 2)


def test_attempts_that_one_look_has_adopted_each_explain_an_agent() -> None:
    """The ledger had been emptied: all began in the instant of that look, and the agent of one of them has come."""
    given_up = replace(GIVEN_UP, verdict=Verdict.SURPLUS)
    queued = replace(given_up, number=2, dispatch="AD_2", identities=("agent-AJ_2",))
    serves = attempt(3, dispatch="AD_3", listed=True, agent_sid="PA_3", last_agent_sid="PA_3")
    scene = revived(asked(given_up, queued, serves))
    scene.joins(agent("agent-AJ_2"))
    scene.run(1)
    assert scene.agents() == []

    scene.joins(LATE)
    scene.run(1)
    assert (scene.agents(), scene.told(Said.AGENT_BELATED)) == ([], 2)


def test_an_attempt_whose_dispatch_was_found_in_a_later_session_explains_nobody_else() -> None:
    """As its own session ended nobody knew the id; the agent has been taken back in the one between."""
    found = attempt(dispatch="AD_1", verdict=Verdict.SURPLUS, last_agent_sid="PA_9")
    scene = revived(asked(), ended(assignment(found, remnant=True), sid="RM_00"))
    scene.joins(LATE)
    scene.run(30)

    assert scene.agents() == ["agent-AJ_1"]


def test_attempts_of_two_sessions_whose_ids_nobody_knows_are_known_by_their_beginnings() -> None:
    """Neither Create was answered; the agent of the first has come, and that of the second comes now."""
    first = attempt(started_at=NOW - 5_000, verdict=Verdict.SURPLUS, last_agent_sid="PA_9")
    scene = revived(asked(attempt(2)), replace(asked(first), sid=RoomSid("RM_00")))
    scene.joins(LATE)
    scene.run(1)

    assert scene.agents() == []


def test_attempts_of_one_number_that_two_sessions_cut_short_each_explain_an_agent() -> None:
    """The room ended twice within a minute as its agent was asked for, and both agents open it again."""
    first = replace(asked(attempt(started_at=NOW - 5_000)), sid=RoomSid("RM_00"))
    scene = revived(asked(), first)
    scene.joins(LATE)
    scene.run(1)
    scene.joins(agent("agent-AJ_2"))
    scene.run(30)

    assert (scene.agents(), scene.told(Said.AGENT_BELATED)) == ([], 2)
    assert scene.told(Said.AGENT_UNREQUESTED) == 0


def test_an_attempt_is_that_of_the_agent_whose_job_was_listed() -> None:
    """The other one's job was not, and it is that of the other attempt."""
    known = attempt(identities=("agent-AJ_2",), started_at=NOW - 5_000)
    scene = revived(ended(assignment(known), assignment(attempt(), name="second")))
    scene.enter(agent("agent-AJ_2"))
    scene.wait(0.1)
    scene.joins(LATE)
    scene.run(1)

    owners = {one.identities: one_of.key for one_of in scene.session.assignments for one in one_of.attempts}
    assert owners == {("agent-AJ_2",): "greeter", ("agent-AJ_1",): "second"}


def test_each_attempt_explains_one_agent() -> None:
    """A second one that comes is told as one that nobody asked for."""
    scene = revived()
    scene.joins(LATE)
    scene.run(1)
    scene.joins(agent("agent-AJ_2"))
    scene.run(30)

    assert scene.agents() == ["agent-AJ_2"]
    assert scene.told(Said.AGENT_UNREQUESTED) == 1


def test_an_attempt_whose_dispatch_came_into_this_session_explains_nobody_else() -> None:
    """The Create took so long that it opened the room again: its agent was here, and has been taken back."""
    scene = revived(asked(attempt(2)))
    late = attempt(2, started_at=NOW + 3_000, verdict=Verdict.SURPLUS, last_agent_sid="PA_9")
    scene.session = replace(scene.session, assignments=(assignment(late, attended=False, remnant=True),))
    scene.joins(LATE)
    scene.run(30)

    assert scene.agents() == ["agent-AJ_1"]


def test_who_bears_its_identity_after_it_is_somebody_else() -> None:
    """It was one connection: whoever comes under its name later is not ours."""
    scene = revived()
    scene.joins(LATE)
    scene.run(1)
    scene.joins(agent("agent-AJ_1", sid="PA_another"))
    scene.run(120)

    assert scene.agents() == ["agent-AJ_1"]


def test_only_so_many_assignments_are_remembered_for_it() -> None:
    """People come first (law 8)."""
    many = [assignment(attempt(), name=f"rule-{number}") for number in range(40)]
    scene = revived(ended(*many[:20]), ended(*many[20:], sid="RM_00"))
    for number in range(40):
        scene.joins(agent(f"agent-AJ_{number}"))
        scene.run(0.1)

    assert len(scene.session.assignments) == 16


def a_person_is_there(scene: Scene) -> None:
    """An agent may be wanted."""
    scene.enter(person())


def somebody_is_hidden(scene: Scene) -> None:
    """Nobody for a rule, and no agent."""
    scene.enter(person("spy", hidden=True))


def somebody_is_coming(scene: Scene) -> None:
    """Their media is not connected yet."""
    scene.enter(person("bob", active=False))


def another_agent_is_coming(scene: Scene) -> None:
    """The same, of an agent."""
    scene.enter(agent("agent-AJ_2", active=False))


def its_name_is_dispatched(scene: Scene) -> None:
    """Its job may be listed later."""
    scene.lists(dispatch("AD_9"))


def this_session_waits_for_it(scene: Scene) -> None:
    """An attempt of its own is open, whose job is not listed yet; whoever it was for has left."""
    scene.session = replace(scene.session, assignments=(assignment(attempt(dispatch="AD_8"), attended=False),))
    scene.lists(dispatch("AD_8", "another"))


STRANGE: dict[str, tuple[Callable[[Scene], object] | None, Participant, tuple[Session, ...]]] = {
    "a-person-is-there": (a_person_is_there, LATE, (asked(),)),
    "somebody-is-hidden": (somebody_is_hidden, LATE, (asked(),)),
    "somebody-is-coming": (somebody_is_coming, LATE, (asked(),)),
    "another-agent-is-coming": (
        another_agent_is_coming,
        LATE,
        (ended(assignment(attempt()), assignment(attempt(), name="second")),),
    ),
    "its-name-is-dispatched": (its_name_is_dispatched, LATE, (asked(),)),
    "this-session-waits-for-it": (this_session_waits_for_it, LATE, (asked(),)),
    "without-the-grant-of-a-job": (None, agent(granted=False), (asked(),)),
    "without-a-name": (None, agent(name=""), (asked(),)),
    "of-another-name": (None, agent(name="another"), (asked(),)),
    "no-session-before": (None, LATE, ()),
    "nothing-was-asked-for": (None, LATE, (ended(),)),
    "its-room-had-not-ended": (None, LATE, (replace(asked(), finished=False),)),
    "it-ended-long-ago": (None, LATE, (replace(asked(), timeline=()),)),
    "its-dispatch-was-taken-back": (None, LATE, (asked(replace(GIVEN_UP, listed=False)),)),
    "a-worker-had-said-no": (None, LATE, (asked(replace(GIVEN_UP, verdict=Verdict.REJECTED)),)),
    "its-agent-had-come": (None, LATE, (asked(attempt(last_agent_sid="PA_0")),)),
    "the-attempt-was-another-system-s": (None, LATE, (asked(attempt(ours=False)),)),
    "another-system-had-asked-as-well": (
        None,
        LATE,
        (asked(), ended(assignment(attempt(ours=False), name="app"), sid="RM_00")),
    ),
    "another-system-had-given-up-as-well": (
        None,
        LATE,
        (asked(), ended(assignment(replace(GIVEN_UP, ours=False), name="app"), sid="RM_00")),
    ),
    "its-job-was-another-agent-s": (None, LATE, (asked(attempt(identities=("agent-AJ_7",))),)),
}


@pytest.mark.parametrize(("happens", "who", "earlier"), STRANGE.values(), ids=STRANGE)
def test_law_13_an_agent_that_nothing_shows_to_be_ours_is_never_taken_back(
    happens: Callable[[Scene], object] | None, who: Participant, earlier: tuple[Session, ...]
) -> None:
    """However alike it looks: one thing is missing each time."""
    scene = Scene()
    scene.earlier = earlier
    if happens is not None:
        happens(scene)
    scene.joins(who)
    scene.run(25)

    assert who.identity in scene.agents()
    assert scene.told(Said.AGENT_BELATED) == 0


def test_law_13_of_more_agents_than_were_asked_for_none_is_taken_back() -> None:
    """One attempt, two agents: nobody could tell which of them is ours."""
    scene = revived()
    scene.enter(LATE)
    scene.joins(agent("agent-AJ_2"))
    scene.run(30)

    assert scene.agents() == ["agent-AJ_1", "agent-AJ_2"]


def test_law_13_an_agent_that_comes_more_than_a_minute_later_is_never_taken_back() -> None:
    """A launch that waited for so long was seen nowhere."""
    scene = revived()
    scene.wait(REVIVED_MS / 1000)
    scene.joins(LATE)
    scene.run(30)

    assert scene.agents() == ["agent-AJ_1"]


def test_an_agent_that_has_been_there_for_a_minute_is_looked_up_no_more() -> None:
    """What it costs is bounded, whatever sessions there are."""
    scene = revived(ended())
    scene.joins(LATE)
    scene.run(REVIVED_MS / 1000)
    scene.earlier = (replace(asked(), timeline=(Entry(at=scene.now, said=Said.ROOM_FINISHED),)),)
    scene.run(40)

    assert scene.agents() == ["agent-AJ_1"]


def test_where_the_room_itself_wants_an_agent_it_serves_as_any_that_no_job_explains() -> None:
    """For `join_within`; then another is asked for (law 15)."""
    scene = Scene(rule(trigger="room_started"))
    scene.earlier = (asked(under=policy(trigger="room_started")),)
    scene.joins(LATE)
    scene.run(25)
    assert (scene.state(), scene.agents(), scene.creates) == (State.SERVED, ["agent-AJ_1"], [])

    scene.run(10)
    assert [step.number for step in scene.creates] == [1]


def test_a_job_that_is_listed_shows_whose_the_agent_is() -> None:
    """The dispatch of another system's: no earlier session is asked for, and the agent stays."""
    scene = revived()
    scene.lists(dispatch("AD_app", "greeter", job("agent-AJ_1")))
    scene.joins(LATE)
    scene.run(30)

    assert scene.agents() == ["agent-AJ_1"]
