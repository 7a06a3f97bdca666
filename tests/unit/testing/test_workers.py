import pytest

from dispatcher.testing import JobOutcome, Worker

SERVES, DROPS, CRASHES = JobOutcome.SERVES, JobOutcome.DROPS, JobOutcome.CRASHES


@pytest.mark.parametrize(
    ("worker", "met"),
    [
        (Worker(agent="a"), [SERVES, SERVES, SERVES]),
        (Worker(agent="a", drop=2), [DROPS, DROPS, SERVES]),
        (Worker(agent="a", outcomes=(CRASHES, SERVES)), [CRASHES, SERVES, SERVES]),
        (Worker(agent="a", outcomes=(CRASHES, SERVES), drop=1), [DROPS, CRASHES, SERVES]),
        (Worker(agent="a", drop_rate=1.0), [DROPS, DROPS, DROPS]),
    ],
    ids=["serves", "drops the first two", "crashes once", "drops, then crashes", "drops all"],
)
def test_jobs_meet_their_outcomes_in_turn(worker: Worker, met: list[JobOutcome]) -> None:
    """The first requests are dropped, then each job meets the next outcome, and the last one from then on."""
    assert [worker.next_outcome() for _ in met] == met
    assert worker.asked == len(met)


def test_a_share_of_requests_is_dropped_the_same_in_every_run() -> None:
    """`drop_rate` loses about its share, and which ones is the same for each worker made alike."""
    first, second = ([worker.next_outcome() for _ in range(200)] for worker in (flaky(), flaky()))

    assert first == second
    assert 60 <= first.count(DROPS) <= 100


def flaky() -> Worker:
    """A worker that loses two requests of five."""
    return Worker(agent="a", drop_rate=0.4)
