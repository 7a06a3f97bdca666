from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.departures import NOTES_MAX, Note
from dispatcher.core.events import Event
from dispatcher.core.facts import ABORTED, AGENT_JOB_ENDED, JOINED, LEFT, ROOM_FINISHED, ROOM_STARTED, Ms, Participant
from dispatcher.core.fold import fold
from dispatcher.core.rules import Rule
from dispatcher.core.session import Assignment, Session
from dispatcher.core.timeline import Said, Verdict
from tests.unit.core.world import LIVEKIT_AHEAD, NOW, agent, assignment, attempt, event, person, rule, seconds, session

RULES = (rule(),)
EACH = rule("each", per="participant")
BOT = agent("bot", joined_at=NOW + LIVEKIT_AHEAD - seconds(90))
EACH_OF_ALICE = assignment(attempt(), name="each", identity="alice", policy=EACH.policy)
SERVED = assignment(attempt(agent_sid="PA_bot", agent_seen_at=NOW))


def heard(before: Session, *events: Event, rules: tuple[Rule, ...] = RULES) -> Session:
    """The session after these, heard at one instant."""
    for one in events:
        before = fold(before, one, rules, NOW)
    return before


@pytest.mark.parametrize(
    ("before", "name", "who", "rules", "stale"),
    [
        pytest.param(session(), JOINED, person(), RULES, True, id="somebody-of-whom-a-assignment-could-be-born"),
        pytest.param(session(), JOINED, person(), (), False, id="no-rule-covers-the-room"),
        pytest.param(session(), JOINED, person(hidden=True), RULES, False, id="T1-hidden"),
        pytest.param(session(), JOINED, person(recorder=True), RULES, False, id="T1-the-grant-of-a-recorder"),
        pytest.param(session(), JOINED, person(granted=True), RULES, True, id="the-grant-of-an-agent-is-an-agents"),
        pytest.param(session(), JOINED, person(kind="EGRESS"), RULES, False, id="T1-egress"),
        pytest.param(session(), JOINED, person(kind="INGRESS"), RULES, False, id="T1-ingress"),
        pytest.param(session(SERVED), JOINED, person(), RULES, False, id="the-audience-of-a-served-assignment"),
        pytest.param(session(assignment(attended=False)), JOINED, person(), RULES, True, id="the-assignment-is-idle"),
        pytest.param(session(assignment(finished_at=NOW)), JOINED, person(), RULES, True, id="the-assignment-is-done"),
        pytest.param(session(SERVED), JOINED, person("bob"), (EACH,), True, id="one-more-for-each"),
        pytest.param(session(SERVED), LEFT, person(), RULES, False, id="the-audience-leaves"),
        pytest.param(session(assignment(attempt())), LEFT, person(), RULES, True, id="L8-nobody-may-be-left"),
        pytest.param(session(assignment(attempt())), ABORTED, person(), RULES, True, id="W5-aborted-is-left"),
        pytest.param(
            session(assignment(finished_at=NOW)), LEFT, person(), RULES, False, id="leaving-a-done-assignment"
        ),
        pytest.param(session(EACH_OF_ALICE), LEFT, person(), (EACH,), True, id="who-waits-for-an-own-agent-leaves"),
        pytest.param(session(EACH_OF_ALICE), LEFT, person("bob"), (EACH,), False, id="nothing-was-wanted-for-them"),
        pytest.param(
            session(assignment(attempt())), LEFT, person(kind="EGRESS"), RULES, False, id="nobody-for-the-assignment"
        ),
        pytest.param(session(SERVED), JOINED, BOT, RULES, False, id="the-agent-that-serves"),
        pytest.param(session(SERVED), JOINED, replace(BOT, sid="PA_2"), RULES, True, id="L3-its-new-connection"),
        pytest.param(session(assignment(attempt())), JOINED, BOT, RULES, True, id="an-agent-not-known-yet"),
        pytest.param(
            session(assignment(attempt(agent_sid="PA_bot", verdict=Verdict.SURPLUS))),
            JOINED,
            BOT,
            RULES,
            True,
            id="one-of-a-closed-attempt",
        ),
        pytest.param(session(), LEFT, BOT, (), True, id="an-agent-left"),
        pytest.param(session(), ABORTED, BOT, (), True, id="W5-an-agent-never-connected"),
        pytest.param(session(), "track_published", BOT, RULES, False, id="an-event-that-is-not-heard"),
        pytest.param(session(), ROOM_STARTED, None, RULES, False, id="a-room-without-people"),
        pytest.param(
            session(), ROOM_STARTED, None, (rule(trigger="room_started"),), True, id="a-room-that-assignments-an-agent"
        ),
        pytest.param(
            session(assignment(policy=rule(trigger="room_started").policy)),
            ROOM_STARTED,
            None,
            (rule(trigger="room_started"),),
            False,
            id="and-has-it",
        ),
        pytest.param(session(), "swept", None, (), True, id="the-sweep"),
        pytest.param(session(assignment(attempt())), AGENT_JOB_ENDED, None, RULES, True, id="a-job-without-an-agent"),
        pytest.param(
            session(assignment(attempt(agent_sid="PA_bot"))),
            AGENT_JOB_ENDED,
            None,
            RULES,
            False,
            id="one-with-its-agent",
        ),
        pytest.param(session(assignment(attempt())), "agent_job_started", None, RULES, False, id="a-job-at-once"),
        pytest.param(
            session(assignment(attempt(started_at=NOW - 2_000))),
            "agent_job_started",
            None,
            RULES,
            True,
            id="a-job-late",
        ),
        pytest.param(
            session(assignment(attempt(started_at=NOW - 2_000))),
            "agent_job_pending",
            None,
            RULES,
            True,
            id="a-job-queued",
        ),
        pytest.param(session(), AGENT_JOB_ENDED, None, RULES, False, id="a-job-that-nobody-waits-for"),
        pytest.param(session(stale=True), JOINED, person(), (), True, id="stale-stays-stale"),
    ],
)
def test_a_session_is_stale_when_a_look_could_show_something(
    before: Session, name: str, who: Participant | None, rules: tuple[Rule, ...], stale: bool
) -> None:
    """A big audience costs nothing and is never stored."""
    after = heard(before, event(name, who), rules=rules)

    assert after.stale is stale
    assert after.assignments == before.assignments


@pytest.mark.parametrize(
    ("before", "asked_for", "stale"),
    [
        pytest.param(session(), ("greeter",), True, id="a-rule-asks-for-them"),
        pytest.param(session(), None, True, id="not-known"),
        pytest.param(session(), (), False, id="no-rule-asks-for-them"),
        pytest.param(session(SERVED), ("greeter",), False, id="one-that-has-its-agent"),
        pytest.param(session(assignment(attended=False)), (), True, id="somebody-is-there-for-an-idle-assignment"),
        pytest.param(session(stale=True), (), True, id="for-another-reason"),
        pytest.param(session(looked_at=0), (), True, id="nobody-has-looked-yet"),
    ],
)
def test_whom_no_rule_asks_for_is_no_reason_to_look(
    before: Session, asked_for: tuple[str, ...] | None, stale: bool
) -> None:
    """As the webhook shows them, which has their metadata and attributes."""
    assert heard(before, replace(event(JOINED, person()), asked_for=asked_for)).stale is stale


def test_why_an_agent_left_is_noted() -> None:
    """The one thing about it that no look can show; how long it stayed is by LiveKit's clock alone."""
    after = heard(session(), event(LEFT, replace(BOT, disconnect_reason="CONNECTION_TIMEOUT")))

    left = (NOW + LIVEKIT_AHEAD) // 1000 * 1000
    expected = Note(
        sid="PA_bot",
        identity="bot",
        reason="CONNECTION_TIMEOUT",
        received_at=NOW,
        left_at=left + 999,
        joined_at=BOT.joined_at,
    )
    assert after.notes == (expected,)
    assert expected.stayed == left - BOT.joined_at


def test_a_stay_is_never_negative() -> None:
    """LiveKit stamps events with whole seconds: an agent that left at once may have left before it came."""
    [noted] = heard(session(), event(LEFT, replace(BOT, joined_at=NOW + LIVEKIT_AHEAD))).notes

    assert noted.stayed == 0


def test_law_8_notes_are_capped() -> None:
    """The newest are kept."""
    agents = [agent(f"bot{number}") for number in range(40)]

    after = heard(session(), *(event(LEFT, one) for one in agents))

    assert [noted.sid for noted in after.notes] == [one.sid for one in agents[-NOTES_MAX:]]


@pytest.mark.parametrize("reason", ["ROOM_CLOSED", "ROOM_DELETED"])
def test_an_agent_that_leaves_because_the_room_ends_asks_for_no_look(reason: str) -> None:
    """room_finished follows; if it does not, a look 5 s later finds out."""
    after = heard(session(SERVED), event(LEFT, replace(BOT, disconnect_reason=reason)))

    assert (after.stale, after.missed_at) == (False, NOW)


def test_a_room_that_is_closing_already_is_missed_since_it_began_to() -> None:
    """The second agent's leaving puts nothing off."""
    before = session(SERVED, missed_at=NOW - 1)

    assert heard(before, event(LEFT, replace(BOT, disconnect_reason="ROOM_CLOSED"))).missed_at == NOW - 1


def test_room_finished_is_final() -> None:
    """Nothing is owed any more, and it is told once."""
    busy = session(
        SERVED,
        stale=True,
        missed_at=NOW,
        notes=(Note(sid="1", identity="", reason="", received_at=0, joined_at=0, left_at=0),),
    )

    after = heard(busy, event(ROOM_FINISHED), event(ROOM_FINISHED))

    assert (after.finished, after.final, after.stale, after.missed_at, after.notes) == (True, True, False, 0, ())
    assert [(entry.said, entry.reason) for entry in after.timeline] == [(Said.ROOM_FINISHED, ROOM_FINISHED)]


@pytest.mark.parametrize("who", [None, person(), BOT])
@pytest.mark.parametrize("name", [ROOM_STARTED, JOINED, LEFT, "swept"])
def test_W4_what_comes_after_room_finished_changes_nothing(name: str, who: Participant | None) -> None:  # noqa: N802
    """The SID never lives again: a room that comes back has another."""
    over = heard(session(), event(ROOM_FINISHED))

    assert heard(over, event(name, who)) == over


@pytest.mark.parametrize(("looked_at", "remembered"), [(0, ["alice"]), (NOW, [])])
def test_who_leaves_before_the_first_look_may_be_somebody_an_agent_is_bound_to(
    looked_at: Ms, remembered: list[str]
) -> None:
    """Of a session whose ledger was emptied, nobody knows yet who serves: whoever comes back is new."""
    after = heard(session(looked_at=looked_at), event(LEFT, person()))

    assert [gone.identity for gone in after.departed] == remembered


def test_over_by_look_is_undone_by_whoever_says_that_it_lives() -> None:
    """Only room_finished is final: the sweep lists the SID, somebody joins."""
    over = session(finished=True)

    assert not heard(over, event("swept")).finished
    assert not heard(over, event(JOINED, person())).finished


STORY = [
    event(ROOM_STARTED),
    event(JOINED, person()),
    event(JOINED, BOT),
    event(LEFT, person()),
    event(LEFT, replace(BOT, disconnect_reason="CLIENT_INITIATED")),
]
AFTERMATH = [*STORY[2:], event(LEFT, replace(agent("late"), disconnect_reason="ROOM_CLOSED")), event(ROOM_FINISHED)]


def matters(one: Session) -> object:
    """What of a session may not depend on the order of events."""
    return (
        one.final,
        one.finished,
        one.stale,
        one.missed_at,
        sorted(one.notes, key=lambda noted: noted.sid),
        one.assignments,
        one.entries_total,
    )


@pytest.mark.parametrize("events", [STORY, AFTERMATH], ids=["a-life", "its-end"])
@pytest.mark.parametrize("before", [session(), session(assignment(attempt())), session(SERVED), session(finished=True)])
def test_law_2_W1_every_order_of_events_folds_to_the_same_session(before: Session, events: list[Event]) -> None:  # noqa: N802
    """Left before joined, finished before started: what matters comes out the same."""
    expected = matters(heard(before, *events))

    assert all(matters(heard(before, *order)) == expected for order in permutations(events))


PEOPLE = st.builds(
    person, st.sampled_from(["alice", "bob"]), kind=st.sampled_from(["STANDARD", "SIP", "EGRESS"]), hidden=st.booleans()
)
REASONS = ["", "CLIENT_INITIATED", "CONNECTION_TIMEOUT", "ROOM_CLOSED", "DUPLICATE_IDENTITY"]
AGENTS = st.sampled_from([agent(f"bot{number}", disconnect_reason=reason) for number, reason in enumerate(REASONS)])
EVENTS = st.one_of(
    st.builds(event, st.sampled_from([ROOM_STARTED, "swept"])),
    st.builds(event, st.sampled_from([JOINED, LEFT, ABORTED]), PEOPLE | AGENTS),
)
ASSIGNMENTS: list[tuple[Assignment, ...]] = [
    (),
    (assignment(),),
    (assignment(attempt()),),
    (SERVED,),
    (assignment(finished_at=NOW), assignment(name="other")),
]
SESSIONS = st.builds(
    lambda assignments, over, missed: session(*assignments, finished=over, missed_at=missed),
    st.sampled_from(ASSIGNMENTS),
    st.booleans(),
    st.sampled_from([0, 1]),
)


@given(before=SESSIONS, events=st.lists(EVENTS, max_size=8), finished=st.booleans(), data=st.data())
def test_law_2_the_same_events_in_any_order_and_number(
    before: Session, events: list[Event], finished: bool, data: st.DataObject
) -> None:
    """Shuffled and repeated, the same events fold to the same session."""
    events = [*events, event(ROOM_FINISHED)] if finished else events
    repeated = data.draw(
        st.permutations([*events, *data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))])
    )

    assert matters(heard(before, *repeated)) == matters(heard(before, *events))


@pytest.mark.parametrize(
    ("key", "number", "stale"),
    [("greeter", 2, True), ("greeter", 1, False), ("other", 2, False), ("", 0, True)],
    ids=["of-this-attempt", "of-one-before", "of-another-assignment", "of-nothing-of-ours"],
)
def test_a_job_is_a_reason_to_look_where_its_attempt_waits(key: str, number: int, stale: bool) -> None:
    """The tag of its dispatch says which attempt that is; without one it may be any."""
    ended = replace(event(AGENT_JOB_ENDED), assignment=key, number=number)
    before = session(assignment(attempt(1, verdict=Verdict.SILENT), attempt(2)))

    assert heard(before, ended).stale is stale


@pytest.mark.parametrize(
    ("said", "told"), [("", "room_finished"), ("ROOM_END_API_DELETE", "api_delete"), ("SOMETHING", "something")]
)
def test_why_a_room_has_ended_is_told_as_livekit_says_it(said: str, told: str) -> None:
    """Servers before 1.13.7 say nothing."""
    over = heard(session(), replace(event(ROOM_FINISHED), end_reason=said))

    assert [entry.reason for entry in over.timeline] == [told]


def test_the_end_of_a_job_does_not_say_that_its_room_lives() -> None:
    """It may end because the room has."""
    over = session(assignment(attempt()), finished=True)

    assert heard(over, event(AGENT_JOB_ENDED)) == over
