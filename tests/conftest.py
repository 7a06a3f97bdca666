"""Every test has clocks that stand still while the machine does something else."""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest

from tests.own_time import CLOCKS, begin, event_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Each test's loop tells its own time."""
    return {"own": event_loop}


@pytest.fixture(autouse=True)
def own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that reads a clock in this process reads that one."""
    begin()
    for name, clock in CLOCKS.items():
        monkeypatch.setattr(time, name, clock)
