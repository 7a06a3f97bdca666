import pytest
from msgspec.structs import replace

from dispatcher.core.closing import ON_PURPOSE, Why, close
from dispatcher.core.rules import Policy
from dispatcher.core.session import Attempt
from dispatcher.core.timeline import Because, Patience, Said, Verdict
from dispatcher.core.timing import LINGER_MS
from tests.unit.core.world import NOW, assignment, attempt, policy, seconds, session

LATER = NOW + seconds(20)
NEVER, AT_ONCE, IN_A_MINUTE = 0, LATER, LATER + LINGER_MS
ASKED = attempt(dispatch="AD_1", listed=True)
HERE = attempt(dispatch="AD_1", listed=True, agent_sid="PA_bot", agent_seen_at=NOW)
FOREIGN = attempt(dispatch="AD_1", listed=True, ours=False, agent_sid="PA_bot")
REPORT = policy(extra_agents="report")


@pytest.mark.parametrize(
    ("verdict", "one", "rule", "when"),
    [
        pytest.param(Verdict.SILENT, ASKED, policy(), IN_A_MINUTE, id="its-launch-may-be-queued"),
        pytest.param(Verdict.NO_SHOW, ASKED, policy(), IN_A_MINUTE, id="its-agent-may-be-late"),
        pytest.param(Verdict.REJECTED, ASKED, policy(), IN_A_MINUTE, id="rejected"),
        pytest.param(Verdict.CRASHED, HERE, policy(), IN_A_MINUTE, id="its-agent-may-come-back"),
        pytest.param(Verdict.ENDED, HERE, policy(), IN_A_MINUTE, id="ended"),
        pytest.param(Verdict.SURPLUS, HERE, policy(), AT_ONCE, id="one-too-many-is-here"),
        pytest.param(Verdict.SURPLUS, ASKED, policy(), IN_A_MINUTE, id="D3-one-too-many-may-be-coming"),
        pytest.param(Verdict.SURPLUS, HERE, REPORT, NEVER, id="only-reported"),
        pytest.param(Verdict.REFUSED, ASKED, policy(), NEVER, id="there-is-no-dispatch"),
        pytest.param(Verdict.UNSENT, ASKED, policy(), NEVER, id="there-never-was-one"),
        pytest.param(Verdict.FINISHED, HERE, policy(), NEVER, id="it-did-its-work"),
        pytest.param(Verdict.REMOVED, HERE, policy(), NEVER, id="somebody-else-took-it-back"),
        pytest.param(Verdict.LEFT, HERE, policy(), IN_A_MINUTE, id="L2-its-agent-may-come-back-too"),
        pytest.param(Verdict.SURPLUS, FOREIGN, policy(), NEVER, id="law-13-not-ours"),
        pytest.param(Verdict.SILENT, FOREIGN, policy(), NEVER, id="law-13-not-ours-either"),
    ],
)
def test_what_is_left_of_an_attempt_is_taken_back(verdict: Verdict, one: Attempt, rule: Policy, when: int) -> None:
    """At once where its agent is one too many; else after a minute, as a late agent must be known as ours."""
    after = close(session(assignment(one, policy=rule)), "greeter", 1, verdict, LATER)

    assert after.assignments[0].attempts[0].retract_at == when


@pytest.mark.parametrize(
    "verdict", [*sorted(ON_PURPOSE), Verdict.LEFT, Verdict.CRASHED, Verdict.ENDED, Verdict.SURPLUS]
)
def test_an_attempt_that_did_not_fail_costs_nothing(verdict: Verdict) -> None:
    """The last try is still to be had, and nobody is said to starve."""
    after = close(session(assignment(HERE, tries=2)), "greeter", 1, verdict, LATER)

    assert (after.assignments[0].tries, after.assignments[0].rounds, after.assignments[0].due_at) == (2, 0, 0)
    assert [entry.said for entry in after.timeline] == [Said.ATTEMPT_ENDED]


def test_starving_is_told_once() -> None:
    """When the last target is used up for the first time."""
    first = close(session(assignment(ASKED, tries=2)), "greeter", 1, Verdict.SILENT, LATER)
    again = close(session(assignment(ASKED, rounds=1)), "greeter", 1, Verdict.SILENT, LATER)

    assert [entry.said for entry in first.timeline] == [Said.ATTEMPT_ENDED, Said.ASSIGNMENT_STARVED]
    assert [entry.said for entry in again.timeline] == [Said.ATTEMPT_ENDED]


def test_closing_is_told_with_its_reason_and_how_long_it_took() -> None:
    """The verdict, and LiveKit's reason where there is one."""
    plain = close(session(assignment(ASKED)), "greeter", 1, Verdict.SILENT, LATER)
    more = close(session(assignment(ASKED)), "greeter", 1, Verdict.CRASHED, LATER, Why("migration"))

    assert [(one.timeline[0].verdict, one.timeline[0].reason, one.timeline[0].took) for one in (plain, more)] == [
        (Verdict.SILENT, "", seconds(20)),
        (Verdict.CRASHED, "migration", seconds(20)),
    ]


@pytest.mark.parametrize(("lifeless", "agent"), [(True, "b"), (False, "a")])
def test_a_silent_attempt_says_why_then_and_leads_on_where_its_target_shows_no_life(
    agent: str, *, lifeless: bool
) -> None:
    """Its patience is in the timeline; another verdict has none."""
    few = Patience(after=9_000, because=Because.FEW)
    waited_for = replace(ASKED, patience=few, lifeless=lifeless)
    before = session(assignment(waited_for, policy=policy("a", "b")))

    after = close(before, "greeter", 1, Verdict.SILENT, LATER)

    assert after.timeline[-1].patience == few
    assert after.assignments[0].next_target.agent == agent
    assert close(before, "greeter", 1, Verdict.NO_SHOW, LATER).timeline[-1].patience is None
