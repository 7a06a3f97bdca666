"""How long an attempt without a job is waited for, by what is known of its target."""

import pytest
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.patience import CROWD, concerned, informed, patience
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt
from dispatcher.core.targets import Outlook
from dispatcher.core.timeline import Because, Patience
from tests.unit.core.world import GREETER, NOW, assignment, attempt, policy, seconds, session

ASKED = attempt(dispatch="AD_1", lifeless=True)
TWO = policy("greeter", "backup")
BACKUP = Target("backup")
KNOWN = Outlook(target=GREETER, seen_at=NOW - seconds(60))
FAST = replace(KNOWN, usual=300)
OPEN = Outlook(target=GREETER, open=True)


@pytest.mark.parametrize(
    ("asked", "outlook", "another", "found"),
    [
        pytest.param(ASKED, KNOWN, True, (9, Because.FEW), id="few-are-asked-for"),
        pytest.param(ASKED, FAST, True, (6, Because.FAST), id="its-agents-come-fast"),
        pytest.param(replace(ASKED, crowded=True), FAST, True, (12, Because.LIMIT), id="D4-many-are-asked-for"),
        pytest.param(replace(ASKED, dispatch=""), FAST, True, (12, Because.LIMIT), id="I3-its-create-may-come-late"),
        pytest.param(ASKED, OPEN, True, (1.5, Because.CIRCUIT), id="its-circuit-is-open"),
        pytest.param(ASKED, OPEN, False, (9, Because.FEW), id="and-nobody-else-can-be-asked"),
        pytest.param(replace(ASKED, lifeless=False), OPEN, True, (9, Because.FEW), id="but-an-agent-was-seen"),
        pytest.param(replace(ASKED, crowded=True), OPEN, True, (1.5, Because.CIRCUIT), id="however-many-wait-for-it"),
    ],
)
def test_how_long_an_attempt_is_waited_for(
    asked: Attempt, outlook: Outlook, *, another: bool, found: tuple[float, Because]
) -> None:
    """The table: what is known of the target, and whether another can be asked."""
    one = patience(assignment(asked, policy=TWO), asked, outlook, another=another)

    assert (one.after, one.because) == (seconds(found[0]), found[1])
    assert one.usual == (outlook.usual if one.because is Because.FAST else 0)


@pytest.mark.parametrize("outlook", [KNOWN, FAST])
@pytest.mark.parametrize("limit", [0.4, 5, 6])
def test_confirm_within_is_the_bound(limit: float, outlook: Outlook) -> None:
    """Nobody waits longer than the rule says."""
    quick = assignment(ASKED, policy=policy(confirm_within=seconds(limit)))

    assert patience(quick, ASKED, outlook, another=True) == Patience(after=seconds(limit), because=Because.LIMIT)


@pytest.mark.parametrize("outlook", [KNOWN, FAST])
def test_a_rule_may_want_its_own_span(outlook: Outlook) -> None:
    """`confirm_early: false`: what is learnt counts for nothing."""
    fixed = assignment(ASKED, policy=policy(confirm_early=False))

    assert patience(fixed, ASKED, outlook, another=True) == Patience(after=12_000, because=Because.LIMIT)


@pytest.mark.parametrize(
    ("one", "after", "asked"),
    [
        pytest.param(ASKED, 1.499, (), id="just-asked"),
        pytest.param(ASKED, 1.5, (GREETER, BACKUP), id="no-agent-yet"),
        pytest.param(replace(ASKED, agent_sid="PA_bot"), 60, (), id="served"),
        pytest.param(attempt(verdict="silent"), 60, (), id="given-up"),
    ],
)
def test_an_ordinary_join_asks_for_nothing(one: Attempt, after: float, asked: tuple[Target, ...]) -> None:
    """Only who waits for an agent longer than usual needs to know."""
    assert concerned(session(assignment(one, policy=TWO)), NOW + seconds(after)) == asked


@pytest.mark.parametrize(
    ("requested", "seen", "crowded", "lifeless"),
    [
        pytest.param(CROWD - 1, NOW, False, True, id="few-and-no-sign-of-life"),
        pytest.param(CROWD, NOW, True, True, id="many"),
        pytest.param(1, NOW + 1, False, False, id="an-agent-was-seen-since-it-was-asked"),
        pytest.param(1, 0, False, True, id="none-was-ever-seen"),
    ],
)
def test_an_attempt_is_informed(requested: int, seen: int, *, crowded: bool, lifeless: bool) -> None:
    """How many waited with it, and whether its target has shown life since."""
    before = session(assignment(attempt(dispatch="AD_1")))

    after = informed(before, [Outlook(target=GREETER, seen_at=seen)], requested, NOW + seconds(2))

    one = after.assignment("greeter").attempt(1)
    assert (one.crowded, one.lifeless) == (crowded, lifeless)
    assert one.patience is not None
    assert one.patience.because is (Because.LIMIT if crowded else Because.FEW)


def test_whether_livekit_has_heard_of_it_counts() -> None:
    """I3: where nobody knows whether it was asked, no target is to blame."""
    before = session(assignment(attempt(), policy=TWO))

    one = informed(before, [KNOWN], 1, NOW + seconds(2)).assignment("greeter").attempt(1)

    assert not one.lifeless


def test_who_was_one_of_many_stays_so() -> None:
    """The others are served, and its own launch may still wait for its place."""
    before = session(assignment(attempt(dispatch="AD_1", crowded=True)))

    one = informed(before, [FAST], 1, NOW + seconds(6)).assignment("greeter").attempt(1)

    assert one.patience == Patience(after=12_000, because=Because.LIMIT)


@pytest.mark.parametrize(
    ("backup", "after"),
    [
        pytest.param([Outlook(target=BACKUP)], 1.5, id="it-can"),
        pytest.param([Outlook(target=BACKUP, open=True)], 9, id="its-circuit-is-open-too"),
        pytest.param([], 9, id="nothing-is-known-of-it"),
    ],
)
def test_an_open_circuit_counts_where_another_target_can_be_asked(backup: list[Outlook], after: float) -> None:
    """Else there is nothing better to do than to wait."""
    before = session(assignment(attempt(dispatch="AD_1"), policy=TWO))

    one = informed(before, [OPEN, *backup], 1, NOW + seconds(2)).assignment("greeter").attempt(1)

    assert one.patience is not None
    assert one.patience.after == seconds(after)


def test_nothing_is_known_of_a_target_that_was_not_asked_about() -> None:
    """The attempt is as it was."""
    before = session(assignment(attempt(dispatch="AD_1")))

    assert informed(before, [], 9, NOW + seconds(2)) == before


def test_the_spans_are_looks() -> None:
    """An attempt is looked at when silence may be known."""
    assert {timing.SILENT_FAST_MS, timing.SILENT_FEW_MS} < set(timing.ATTEMPT_LOOKS_MS)
