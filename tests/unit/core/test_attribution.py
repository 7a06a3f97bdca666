import pytest
from msgspec.structs import replace

from dispatcher.core.attribution import ATTEMPT_IDENTITIES, attribute, bind
from dispatcher.core.facts import Participant
from dispatcher.core.rules import Rule, Target
from dispatcher.core.session import ASSIGNMENTS_MAX, Assignment, Attempt, Session
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.core.timeline import Said, Verdict
from dispatcher.core.timing import LINGER_MS
from tests.unit.core.world import (
    LOBBY,
    NOW,
    TAGS,
    agent,
    assignment,
    attempt,
    dispatch,
    job,
    policy,
    rule,
    seconds,
    session,
    tagged,
)

LATER = NOW + seconds(5)
RULES = (rule(), rule("each", "helper", per="participant"))


def bound(before: Session, *dispatches: Dispatch, rules: tuple[Rule, ...] = RULES) -> Session:
    """The session after a look that lists these."""
    snapshot = RoomSnapshot(room=LOBBY, dispatches=dispatches)
    return bind(before, snapshot, rules, TAGS.found(before, snapshot), LATER)


def only_attempt(after: Session) -> Attempt:
    """The one attempt of the one assignment."""
    [one] = after.assignments[0].attempts
    return one


def test_a_dispatch_is_bound_by_its_id_first() -> None:
    """The tag is not asked: a server before 1.13.2 has dropped it."""
    after = bound(session(assignment(attempt(dispatch="AD_1"))), dispatch("AD_1", "greeter", job("bot")))

    assert only_attempt(after) == attempt(dispatch="AD_1", listed=True, identities=("bot",))
    assert after.timeline == ()


def test_I3_a_lost_reply_is_bound_by_its_tag() -> None:  # noqa: N802
    """An attempt without an id finds its dispatch, and that is told."""
    after = bound(session(assignment(attempt())), tagged(1))

    assert only_attempt(after) == attempt(dispatch="AD_1", listed=True)
    assert [entry.said for entry in after.timeline] == [Said.DISPATCH_FOUND]


def test_a_lost_reply_is_bound_after_it_was_given_up() -> None:
    """So that what is left of it can be taken back."""
    silent = attempt(verdict=Verdict.SILENT, retract_at=LATER)

    assert only_attempt(bound(session(assignment(silent)), tagged(1))) == replace(silent, dispatch="AD_1", listed=True)


def test_a_dispatch_no_longer_listed_is_known_to_be_gone() -> None:
    """Its identities are remembered: its agent may still come."""
    before = attempt(dispatch="AD_1", listed=True, identities=("bot",))

    assert only_attempt(bound(session(assignment(before)))) == replace(before, listed=False)


def test_law_8_identities_of_an_attempt_are_capped() -> None:
    """A publisher worker has a job for each publisher; the newest are remembered, each once, and no worker's no."""
    jobs = [job(f"bot{number}") for number in range(40)]

    after = bound(
        session(assignment(attempt(dispatch="AD_1", identities=("bot39",)))),
        dispatch("AD_1", "greeter", *jobs, job("")),
    )

    identities = only_attempt(after).identities
    assert len(identities) == len(set(identities)) == ATTEMPT_IDENTITIES


@pytest.mark.parametrize(
    ("before", "found", "numbers", "verdict"),
    [
        pytest.param(assignment(), tagged(1), [1], None, id="law-10-an-emptied-ledger"),
        pytest.param(assignment(), tagged(7), [7], None, id="law-10-its-own-number"),
        pytest.param(assignment(attempt(2)), tagged(3), [2, 3], None, id="R3-a-crash-before-saving"),
        pytest.param(assignment(attempt(5)), tagged(3), [3, 5], Verdict.SILENT, id="long-given-up-and-forgotten"),
        pytest.param(assignment(attempt(2, dispatch="AD_0")), tagged(2), [2, 3], None, id="its-number-is-another's"),
    ],
)
def test_a_dispatch_of_ours_that_no_attempt_knows_is_adopted(
    before: Assignment, found: Dispatch, numbers: list[int], verdict: Verdict | None
) -> None:
    """Whatever made us forget it, it is ours again, under its own number where that is free."""
    after = bound(session(before), found)

    attempts = after.assignments[0].attempts
    [adopted] = [one for one in attempts if one.dispatch == "AD_1"]
    assert [one.number for one in attempts] == numbers
    assert (adopted.ours, adopted.verdict, adopted.started_at, adopted.listed) == (True, verdict, LATER, True)
    told = [] if verdict else [(Said.DISPATCH_ADOPTED, "ours")]
    if before.attempts and before.attempts[-1].dispatch:
        told.insert(
            0, (Said.DISPATCH_DUPLICATED, "")
        )  # somebody else made it: two processes, and no ledger that they share
    assert [(entry.said, entry.reason) for entry in after.timeline] == told


def test_law_10_our_dispatches_are_adopted_in_the_order_they_were_made() -> None:
    """However LiveKit lists them, so that no number is taken for a forgotten one."""
    after = bound(session(assignment()), tagged(3, id_="AD_1"), tagged(1, id_="AD_3"), tagged(2, id_="AD_2"))

    assert [(one.number, one.dispatch, one.open) for one in after.assignments[0].attempts] == [
        (1, "AD_3", True),
        (2, "AD_2", True),
        (3, "AD_1", True),
    ]


@pytest.mark.parametrize(
    ("key", "identity"),
    [pytest.param("greeter", "", id="per-room"), pytest.param("each/a/b#c", "a/b#c", id="per-participant")],
)
def test_a_dispatch_of_ours_whose_assignment_does_not_exist_is_surplus(key: str, identity: str) -> None:
    """A revived room, say: taken back a minute later, as its launch may be queued; its agent as soon as it is seen."""
    after = bound(session(), tagged(4, key))

    [revived] = after.assignments
    assert (revived.key, revived.identity) == (key, identity)
    assert (only_attempt(after).verdict, only_attempt(after).retract_at) == (Verdict.SURPLUS, LATER + LINGER_MS)


def test_law_8_people_come_before_remnants() -> None:
    """Where half of the assignments that a session may have are there, none is made for what is to be taken back."""
    full = session(*(assignment(name="each", identity=f"p{number}") for number in range(ASSIGNMENTS_MAX // 2)))
    assert bound(full, tagged(1, "greeter")) == full


def test_surplus_of_a_revived_room_is_only_reported_where_the_rule_says_so() -> None:
    """`extra_agents: report` removes nothing, here as elsewhere."""
    after = bound(session(), tagged(4), rules=(rule(extra_agents="report"),))

    assert (only_attempt(after).verdict, only_attempt(after).retract_at) == (Verdict.SURPLUS, 0)


BACKUP = assignment(policy=policy("greeter", "backup"))


@pytest.mark.parametrize(
    ("before", "found"),
    [
        pytest.param(assignment(), dispatch(), id="a-token's"),
        pytest.param(assignment(attended=False), dispatch(), id="nobody-there-yet"),
        pytest.param(BACKUP, dispatch(name="backup"), id="a-fallback's"),
        pytest.param(assignment(attempt(verdict=Verdict.SILENT)), dispatch(), id="after-ours-was-given-up"),
        pytest.param(assignment(), dispatch(tag="default:greeter#1"), id="a-tag-that-is-not-ours"),
        pytest.param(assignment(), tagged(key="deleted"), id="ours-of-a-rule-that-is-gone"),
    ],
)
def test_a_foreign_dispatch_is_adopted_by_an_assignment_it_suits(before: Assignment, found: Dispatch) -> None:
    """Law 13: as an attempt that is not ours, and so is never taken back."""
    after = bound(session(before), found)

    adopted = after.assignments[0].attempts[-1]
    assert (adopted.number, adopted.dispatch, adopted.ours, adopted.open) == (
        before.last_number + 1,
        "AD_1",
        False,
        True,
    )
    assert [(entry.said, entry.reason) for entry in after.timeline] == [(Said.DISPATCH_ADOPTED, "foreign")]


@pytest.mark.parametrize(
    ("before", "found"),
    [
        pytest.param(assignment(attempt(dispatch="AD_0")), dispatch(), id="an-attempt-is-open"),
        pytest.param(
            assignment(attempt()), dispatch(tag="other:greeter#1"), id="a-lost-reply-is-not-another-installation's"
        ),
        pytest.param(
            replace(BACKUP, attempts=(attempt(),), last_number=1),
            dispatch(name="backup"),
            id="a-lost-reply-is-of-its-target",
        ),
        pytest.param(assignment(finished_at=NOW), dispatch(), id="the-assignment-is-done"),
        pytest.param(assignment(), dispatch(name="stranger"), id="an-agent-nobody-assignments"),
        pytest.param(assignment(remnant=True), dispatch(), id="nobody-assignments-it-any-more"),
        pytest.param(assignment(), replace(dispatch(), deployment="canary"), id="D9-another-deployment"),
        pytest.param(assignment(policy=policy("")), dispatch(name=""), id="I8-the-implicit-dispatch-of-every-room"),
    ],
)
def test_a_foreign_dispatch_that_no_assignment_has_a_place_for_is_left_alone(
    before: Assignment, found: Dispatch
) -> None:
    """It is only reported, by its agent."""
    assert bound(session(before), found) == session(before)


def test_a_lost_reply_is_bound_where_the_server_drops_tags() -> None:
    """Before 1.13.2: it cannot be told from a token's, so it takes the attempt's place and is never taken back."""
    after = bound(session(assignment(attempt(dispatch="AD_0"), attempt(2))), dispatch("AD_0"), dispatch("AD_1"))

    assert after.assignments[0].attempts[1] == attempt(2, dispatch="AD_1", listed=True, ours=False)
    assert [entry.said for entry in after.timeline] == [Said.DISPATCH_FOUND]


def test_foreign_dispatches_go_to_the_oldest_assignments_first() -> None:
    """One each."""
    before = session(
        *(assignment(name="each", identity=one, policy=policy("helper")) for one in ("alice", "bob", "carol"))
    )

    after = bound(before, dispatch("AD_1", "helper"), dispatch("AD_2", "helper"))

    assert [[one.dispatch for one in each.attempts] for each in after.assignments] == [["AD_1"], ["AD_2"], []]


def tied(before: Session, *agents: Participant) -> tuple[list[str], list[str]]:
    """For each attempt the SID of its agent; then the SIDs of those that no attempt accounts for."""
    after, unattributed = attribute(before, agents, LATER)
    return [one.agent_sid for each in after.assignments for one in each.attempts], [one.sid for one in unattributed]


BOT = attempt(identities=("bot",))


@pytest.mark.parametrize(
    ("attempts", "agents"),
    [
        pytest.param([BOT], ["PA_bot"], id="by-its-job's-identity"),
        pytest.param([replace(BOT, verdict=Verdict.SILENT)], ["PA_bot"], id="D3-a-late-one"),
        pytest.param(
            [replace(BOT, verdict=Verdict.CRASHED), replace(BOT, number=2)], ["", "PA_bot"], id="open-before-closed"
        ),
        pytest.param([BOT, replace(BOT, number=2, started_at=LATER)], ["", "PA_bot"], id="the-latest-first"),
        pytest.param([BOT, replace(BOT, number=2)], ["", "PA_bot"], id="of-the-same-instant-the-later-number"),
        pytest.param(
            [BOT, replace(BOT, number=8, started_at=LATER, verdict=Verdict.SILENT)],
            ["PA_bot", ""],
            id="open-before-closed-and-later",
        ),
    ],
)
def test_fixed_identities_recur(attempts: list[Attempt], agents: list[str]) -> None:
    """One agent belongs to one attempt: open ones claim first, the latest first."""
    assert tied(session(assignment(*attempts)), agent("bot")) == (agents, [])


def test_an_agent_of_an_unknown_identity_is_unattributed() -> None:
    """Its job may be listed later; by time of joining."""
    late, early = agent("late", joined_at=LATER), agent("early", joined_at=NOW)

    assert tied(session(assignment(BOT)), late, early) == ([""], ["PA_early", "PA_late"])


def test_of_several_agents_of_one_attempt_the_first_stays_its_agent() -> None:
    """`worker_type: publisher`: one job for each publisher; as it should be."""
    two = replace(BOT, identities=("bot", "second"))
    first, second = agent("bot", joined_at=NOW), agent("second", joined_at=LATER)
    publisher = policy(worker_type="publisher")

    assert tied(session(assignment(two, policy=publisher)), second, first) == (["PA_bot"], [])
    assert tied(session(assignment(replace(two, agent_sid="PA_second"), policy=publisher)), second, first) == (
        ["PA_second"],
        [],
    )


def test_of_two_agents_of_one_dispatch_one_is_unattributed() -> None:
    """`worker_type: room`: the server's own retries made a second; the one that serves stays its agent."""
    two = replace(BOT, identities=("bot", "second"))
    first, second = agent("bot", joined_at=NOW), agent("second", joined_at=LATER)

    assert tied(session(assignment(two)), second, first) == (["PA_bot"], ["PA_second"])
    assert tied(session(assignment(replace(two, agent_sid="PA_second"))), second, first) == (["PA_second"], ["PA_bot"])


def test_an_agent_that_is_missed_is_remembered() -> None:
    """Since when, and which it was: a webhook may say why."""
    [missed] = (
        attribute(session(assignment(replace(BOT, agent_sid="PA_bot", agent_seen_at=NOW))), [], LATER)[0]
        .assignments[0]
        .attempts
    )

    assert (missed.agent_sid, missed.agent_seen_at, missed.agent_missed_at, missed.serving) == (
        "PA_bot",
        NOW,
        LATER,
        False,
    )
    [again] = attribute(session(assignment(missed)), [], LATER + 1)[0].assignments[0].attempts
    assert again == missed


def test_L3_an_agent_that_rejoins_under_a_new_sid_is_the_same_agent() -> None:  # noqa: N802
    """Nothing is missed any more, and when it first came stays."""
    missed = replace(BOT, agent_sid="PA_old", agent_seen_at=NOW, agent_missed_at=NOW + 1)

    [back] = attribute(session(assignment(missed)), [agent("bot", sid="PA_new")], LATER)[0].assignments[0].attempts

    assert (back.agent_sid, back.agent_seen_at, back.agent_missed_at) == ("PA_new", NOW, 0)


def test_a_closed_attempt_has_no_agent_once_it_is_gone() -> None:
    """Nothing more is to be found out about it."""
    [closed] = (
        attribute(session(assignment(replace(BOT, agent_sid="PA_bot", verdict=Verdict.SURPLUS))), [], LATER)[0]
        .assignments[0]
        .attempts
    )

    assert (closed.agent_sid, closed.agent_missed_at) == ("", 0)


def test_assignments_have_their_own_agents() -> None:
    """I7: two assignments of a session, two agents, each its own."""
    sales, vip = assignment(attempt(identities=("bot",))), assignment(attempt(identities=("vip",)), name="vip")

    assert tied(session(sales, vip), agent("vip"), agent("bot")) == (["PA_bot", "PA_vip"], [])


def test_a_deployment_is_part_of_who_is_adopted() -> None:
    """D9: a canary's dispatch is the canary target's, not production's."""
    canary = assignment(policy=replace(policy(), targets=(Target("greeter", "canary"),)))

    after = bound(session(assignment(), replace(canary, rule="canary")), replace(dispatch(), deployment="canary"))

    assert [len(each.attempts) for each in after.assignments] == [0, 1]
