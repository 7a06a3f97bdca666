import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.retries import asked_after, backoff, crashed, failed, renewed
from dispatcher.core.session import Assignment
from dispatcher.core.timeline import Verdict
from tests.unit.core.world import NOW, assignment, policy, seconds

THREE = policy("a", "b", "c", attempts=2)
AT_ONCE = 0
RETRY = seconds(30)


@given(key=st.text(min_size=1), failures=st.integers(1, 1000))
def test_backoff_doubles_within_a_quarter_up_to_its_cap(key: str, failures: int) -> None:
    """0.5 s doubled with each failure, 30 s at most, ± 25 %; the same for the same assignment."""
    plain = min(30_000, 500 * 2 ** min(failures - 1, 10))

    assert 0.75 * plain - 1 <= backoff(key, failures) <= 1.25 * plain
    assert backoff(key, failures) == backoff(key, failures)


def test_backoff_spreads_assignments() -> None:
    """Assignments that failed together do not come back together."""
    assert len({backoff(f"greeter/{number}", 5) for number in range(100)}) > 50


def test_assignments_of_one_room_are_spread_by_when_and_never_by_who() -> None:
    """Due times are recorded and shown: who is masked must not be found by trying all numbers on them."""
    alice, bob, later = (
        failed(replace(assignment(name="callers"), identity=who, first_waiting_at=hoped), Verdict.SILENT, NOW)
        for who, hoped in (("alice", 1_000), ("bob", 1_000), ("alice", 2_000))
    )

    assert alice.due_at == bob.due_at != later.due_at


@pytest.mark.parametrize("verdict", [Verdict.SILENT, Verdict.NO_SHOW, Verdict.VANISHED, Verdict.FAILED])
def test_a_failure_is_paid_by_the_target_until_its_attempts_are_used_up(verdict: Verdict) -> None:
    """The same target again after a backoff, then the next one at once."""
    once = failed(assignment(policy=THREE), verdict, NOW)
    twice = failed(once, verdict, NOW)

    assert (once.next_target.agent, once.tries, once.due_at) == ("a", 1, NOW + backoff("greeter", 1))
    assert (twice.next_target.agent, twice.tries, twice.due_at) == ("b", 0, NOW + AT_ONCE)


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.REJECTED])
def test_a_no_leads_to_the_next_target_at_once(verdict: Verdict) -> None:
    """D7, D9: who said no is not asked again before the others were."""
    after = failed(assignment(policy=THREE), verdict, NOW)

    assert (after.next_target.agent, after.due_at) == ("b", NOW)


def test_a_rejection_by_the_only_target_is_a_failed_attempt() -> None:
    """With nobody else to ask, the same one is asked again, after a backoff."""
    after = failed(assignment(), Verdict.REJECTED, NOW)

    assert (after.tries, after.rounds, after.due_at) == (1, 0, NOW + backoff("greeter", 1))


def test_a_refusal_by_the_only_target_uses_the_round_up() -> None:
    """The same request never will be taken: no point in asking three times."""
    after = failed(assignment(), Verdict.REFUSED, NOW)

    assert (after.rounds, after.due_at) == (1, NOW + RETRY)


def test_every_target_used_up_starves_the_assignment() -> None:
    """From then on each target gets one attempt every `retry_every`, with no backoff between targets."""
    one = assignment(policy=THREE)
    dues: list[tuple[str, int, int]] = []
    for _ in range(10):
        target = one.next_target.agent
        one = failed(one, Verdict.SILENT, NOW)
        dues.append((target, one.rounds, one.due_at - NOW))

    assert [target for target, _, _ in dues] == [*"aabbcc", *"abc", "a"]
    assert [rounds for _, rounds, _ in dues] == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert [due for *_, due in dues[5:]] == [RETRY, AT_ONCE, AT_ONCE, RETRY, AT_ONCE]


def test_what_was_never_sent_costs_no_try() -> None:
    """I4: the same target again, after a backoff of its own that grows while nothing can be sent."""
    once = failed(assignment(policy=THREE, tries=1), Verdict.UNSENT, NOW)
    twice = failed(once, Verdict.UNSENT, NOW)

    assert (twice.next_target.agent, twice.tries, twice.unsent) == ("a", 1, 2)
    assert (once.due_at, twice.due_at) == (NOW + backoff("greeter", 1), NOW + backoff("greeter", 2))


@pytest.mark.parametrize(
    ("crashes", "stayed", "brake"),
    [
        pytest.param(0, 20, 1, id="the-first"),
        pytest.param(1, 20, 2, id="the-second"),
        pytest.param(4, 20, 16, id="the-fifth"),
        pytest.param(5, 20, 30, id="the-cap"),
        pytest.param(5_000, 20, 30, id="for-ever"),
        pytest.param(5, 59.9, 30, id="not-yet-steady"),
        pytest.param(5, 60, 1, id="one-that-stayed-60-s-takes-the-brake-off"),
    ],
)
def test_the_brake_on_crashes_grows(crashes: int, stayed: float, brake: float) -> None:
    """L1: a lost agent is replaced with a fresh budget, after 1 s·2ⁿ up to 30 s."""
    worn = assignment(policy=THREE, target_index=2, tries=1, rounds=4, unsent=3, crashes=crashes)

    after = crashed(worn, seconds(stayed), NOW)

    assert after.due_at == NOW + seconds(brake)
    assert (after.target_index, after.tries, after.rounds, after.unsent) == (0, 0, 0, 0)


def test_a_renewed_assignment_is_due_at_once_with_its_whole_budget() -> None:
    """Nothing of its failures is left, but for the brake."""
    worn: Assignment = assignment(target_index=2, tries=1, rounds=4, unsent=3, crashes=2, due_at=NOW, finished_at=NOW)

    assert renewed(worn) == assignment(crashes=2)


@pytest.mark.parametrize(
    ("index", "verdict", "lifeless", "agent", "wait"),
    [
        pytest.param(0, Verdict.SILENT, True, "b", AT_ONCE, id="D1-no-sign-of-life-the-next-at-once"),
        pytest.param(0, Verdict.SILENT, False, "a", backoff("greeter", 1), id="it-lives-the-same-again"),
        pytest.param(2, Verdict.SILENT, True, "c", backoff("greeter", 1), id="there-is-no-other"),
        pytest.param(0, Verdict.NO_SHOW, True, "a", backoff("greeter", 1), id="a-worker-took-the-job"),
        pytest.param(0, Verdict.UNSENT, True, "a", backoff("greeter", 1), id="nobody-was-asked"),
    ],
)
def test_a_silent_target_without_a_sign_of_life_makes_way(
    index: int, verdict: Verdict, agent: str, wait: int, *, lifeless: bool
) -> None:
    """Nobody waits for three attempts at a target that is not there; where it is the last one, all are made."""
    after = failed(assignment(policy=THREE, target_index=index), verdict, NOW, lifeless=lifeless)

    assert (after.next_target.agent, after.due_at) == (agent, NOW + wait)


@pytest.mark.parametrize("attempts", [1, 2, 3, 10])
@pytest.mark.parametrize("target", [0, 1, 3])
def test_a_fallback_is_asked_no_later_than_is_said(attempts: int, target: int) -> None:
    """Whatever the assignment's own jitter, which three names stand for; and not much sooner."""
    limits = policy("a", "b", "c", "d", attempts=attempts)
    said = asked_after(limits, target, limits.confirm_within)
    for name in ("one", "two", "three"):
        one, now = assignment(name=name), NOW
        one = replace(one, policy=limits)
        while one.target_index < target:
            one = failed(one, Verdict.SILENT, now + limits.confirm_within)
            now = max(one.due_at, now + limits.confirm_within)
        assert now - NOW <= said
        assert now - NOW >= said // 2
