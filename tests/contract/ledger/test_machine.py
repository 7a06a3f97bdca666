from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.ledger.homes import HOMES, Home
from tests.contract.ledger.machine import LedgerMachine
from tests.examples import examples

LIVES = {"memory": 60, "redis": 20}  # a life costs Redis 0.3 s


@pytest.mark.slow("random lives of each home")
@pytest.mark.hypothesis
@pytest.mark.no_cover  # tracing doubles its time; other tests cover what it walks through
@pytest.mark.parametrize(("open_home", "lives"), [(home, LIVES[name]) for name, home in HOMES.items()], ids=HOMES)
def test_whatever_happens_the_ledger_does_as_the_model(open_home: Callable[[], Home], lives: int) -> None:
    """Laws 3 and 7, and no accepted event lost before it was drained, over random lives of three sessions."""

    class Machine(LedgerMachine):
        def open_home(self) -> Home:
            return open_home()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples(lives),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
