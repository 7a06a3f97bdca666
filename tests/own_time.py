"""The clocks of a test stand still while the machine does something else.

Service and fake LiveKit run in the test's own process, on short limits: 0.4 s without an agent are LiveKit's silence.
A shared machine takes the processor away for longer than that, and what is nobody's silence would be taken for it.
So each event loop of a test counts the time that it used (the processor's) and the time that it waited for, and what
went by besides is left out of `time.time` and `time.monotonic`. `python -m tests.stalled` shows that this holds.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Final

STEP_S: Final = 0.02  # a wait is made of such steps; what one takes beyond its length was not waited for
SLACK_S: Final = 0.002  # but for so much: timers are late, and clocks are not read at once


class _Lost:
    """What has been left out, in nanoseconds, since the test began."""

    ns = 0


_monotonic_ns: Final = time.monotonic_ns


def _standing(clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: clock() - _Lost.ns / 1e9


def _standing_ns(clock: Callable[[], int]) -> Callable[[], int]:
    return lambda: clock() - _Lost.ns


CLOCKS: Final[Mapping[str, Callable[[], float]]] = {
    "time": _standing(time.time),
    "monotonic": _standing(time.monotonic),
    "time_ns": _standing_ns(time.time_ns),
    "monotonic_ns": _standing_ns(time.monotonic_ns),
}


class _Steps(selectors.DefaultSelector):
    """Waits in steps, and leaves out what went by while the loop neither ran nor waited."""

    def __init__(self) -> None:
        super().__init__()
        self._seen, self._used = _monotonic_ns(), time.thread_time_ns()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._left_out((time.thread_time_ns() - self._used) / 1e9)  # what ran since the last wait
        waited = 0.0
        while True:
            step = STEP_S if timeout is None else max(0.0, min(STEP_S, timeout - waited))
            events = super().select(step)
            self._left_out(step)
            waited += step
            if events or (timeout is not None and waited >= timeout):
                self._used = time.thread_time_ns()
                return events

    def _left_out(self, counts: float) -> None:
        """So many seconds count of those since this was called last."""
        now = _monotonic_ns()
        _Lost.ns += max(0, now - self._seen - int((counts + SLACK_S) * 1e9))
        self._seen = now


def begin() -> None:
    """The clocks are right: nothing has been left out."""
    _Lost.ns = 0


def event_loop() -> asyncio.SelectorEventLoop:
    """An event loop whose time the clocks of CLOCKS tell."""
    return asyncio.SelectorEventLoop(_Steps())
