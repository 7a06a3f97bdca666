"""What the jobs of a dispatch say of an attempt whose agent was never here."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from dispatcher.core.jobs import ended, queued, reason
from dispatcher.core.patience import patience
from dispatcher.core.plan import Create, Retract
from dispatcher.core.snapshot import Job, JobCondition
from dispatcher.core.targets import Outlook
from dispatcher.core.timeline import Because, Patience, Verdict
from dispatcher.core.verdicts import overdue
from tests.unit.core.scene import Scene
from tests.unit.core.world import GREETER, NO, NOW, assignment, attempt, dispatch, job, person, rule, seconds, session

YES, WELL = job(), job(ended=True)
QUEUED = Job(id="AJ_1", outcome=JobCondition.QUEUED)
RETRIED = Job(id="AJ_1", identity="agent-AJ_1", outcome=JobCondition.QUEUED)
FAILED = Job(id="AJ_1", identity="agent-AJ_1", ended=True, outcome=JobCondition.FAILED, error="out of memory")


def cancelled(outcome: JobCondition) -> Job:
    """A job that LiveKit has cancelled."""
    return Job(id="AJ_1", ended=True, outcome=outcome)


FULL = cancelled(JobCondition.NO_CAPACITY)
CLOSED = cancelled(JobCondition.ROOM_CLOSED)


@pytest.mark.parametrize(
    ("jobs", "verdict", "why", "waits"),
    [
        pytest.param([], None, "", False, id="none"),
        pytest.param([YES], None, "", False, id="a-yes"),
        pytest.param([WELL], None, "", False, id="I9-one-that-had-an-agent"),
        pytest.param([NO], Verdict.REJECTED, "", False, id="D7-a-no"),
        pytest.param([NO, YES], None, "", False, id="a-no-and-a-yes"),
        pytest.param([QUEUED], None, "", True, id="in-the-queue"),
        pytest.param([RETRIED], None, "", True, id="offered-again"),
        pytest.param([NO, QUEUED], None, "", True, id="a-no-and-one-in-the-queue"),
        pytest.param([YES, QUEUED], None, "", False, id="a-yes-and-one-in-the-queue"),
        pytest.param([FULL], Verdict.REJECTED, "no_capacity", False, id="no-worker-has-room"),
        pytest.param([CLOSED], None, "room_closed", False, id="nobodys-fault"),
        pytest.param([NO, CLOSED], None, "room_closed", False, id="whatever-was-before"),
        pytest.param(
            [cancelled(JobCondition.DISPATCH_DELETED)], Verdict.VANISHED, "dispatch_deleted", False, id="deleted"
        ),
        pytest.param([cancelled(JobCondition.CANCELLED)], Verdict.VANISHED, "cancelled", False, id="cancelled"),
        pytest.param([FAILED], Verdict.NO_SHOW, "failed: out of memory", False, id="failed"),
        pytest.param([replace(FAILED, error="")], Verdict.NO_SHOW, "failed", False, id="failed-and-says-nothing"),
    ],
)
def test_what_jobs_say(jobs: Sequence[Job], verdict: Verdict | None, why: str, *, waits: bool) -> None:
    """The table: how they end an attempt, why, and whether no worker has taken one yet."""
    assert (ended(jobs), reason(jobs), queued(jobs)) == (verdict, why, waits)


@pytest.mark.parametrize(("waited", "verdict"), [(11.999, None), (12, Verdict.SILENT)])
def test_a_job_in_the_queue_is_not_taken(waited: float, verdict: Verdict | None) -> None:
    """`confirm_within` runs, as if there were none; that other agents come fast does not count."""
    asked = attempt(dispatch="AD_1")
    listed = dispatch("AD_1", "greeter", QUEUED)

    assert overdue(session(), assignment(asked), asked, listed, NOW + seconds(waited)) is verdict


def test_before_another_is_asked_what_waits_in_the_queue_is_deleted() -> None:
    """Else a worker may still take it: delete first, then ask elsewhere; where that fails, it is tried again before."""
    scene = Scene(rule("greeter", "greeter", "backup", attempts=1))
    scene.joins(person())
    scene.look()
    scene.jobs(scene.request(), QUEUED)
    scene.wait(12)
    scene.look()

    assert scene.attempt().verdict is Verdict.SILENT
    assert scene.assignment().next_target.agent == "backup"
    step = scene.plan()
    assert isinstance(step, Retract)
    assert step.dispatch == "AD_1"
    waiting = scene.session.assignments[0]
    assert not waiting.waits
    scene.take_back()
    assert isinstance(scene.plan(), Create)


def test_a_queue_that_is_left_alone_holds_nobody_up() -> None:
    """A dispatch of somebody else's is not ours to delete."""
    left = attempt(dispatch="AD_1", ours=False, listed=True, queued=True, verdict=Verdict.SILENT)

    assert assignment(left).waits


def test_who_waits_for_a_queue_is_told_so() -> None:
    """By what the look before has shown; other agents that come fast do not count."""
    asked = attempt(dispatch="AD_1", queued=True)

    found = patience(assignment(asked), asked, Outlook(target=GREETER, usual=300), another=True)

    assert found == Patience(after=12_000, because=Because.QUEUED)
