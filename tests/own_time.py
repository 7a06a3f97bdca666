"""The clocks of a test stand still while the machine does something else.

Service and fake LiveKit run in the test's own process, on short limits: 0.4 s without an agent are LiveKit's silence.
A shared machine takes the processor away for longer than that, and what is nobody's silence would be taken for it.
So the thread of an event loop counts the time that it used (the processor's) and the time that it waited for, and what
went by besides is left out of the clocks whenever one is read. So no clock goes back in
that thread; in others one may. `python -m tests.stalled` shows that this holds.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

STEP_S: Final = 0.02  # a wait is made of such steps; what one takes beyond its length was not waited for
SLACK_S: Final = 0.002  # but for so much: timers are late, and clocks are not read at once

_monotonic_ns: Final = time.monotonic_ns
_time_ns: Final = time.time_ns
_sleep: Final = time.sleep


class _Lost:
    """What has been left out, in nanoseconds, since the test began; and how far the wall's clock was ahead then."""

    ns = 0
    ahead = _time_ns() - _monotonic_ns()


class _Counted(threading.local):
    """What this thread has counted so far: of each clock, where it stood."""

    looping = False  # whether the thread has an event loop: no other one counts
    seen = used = 0

    def ran(self) -> None:
        """What the thread used of the processor since this was called last counts, and nothing else."""
        self._counts(time.thread_time_ns() - self.used)

    def now(self) -> int:
        """The instant, on the monotonic clock; what is left out next cannot be before it."""
        if not self.looping:
            return _monotonic_ns() - _Lost.ns
        self.ran()
        return self.seen - _Lost.ns

    def waited(self, step: float) -> None:
        """All that went by since then counts, up to the length of a wait."""
        self._counts(int((step + SLACK_S) * 1e9))

    def _counts(self, span: int) -> None:
        now = _monotonic_ns()
        _Lost.ns += max(0, now - self.seen - span)
        self.seen, self.used = now, time.thread_time_ns()

    def begin(self, *, looping: bool) -> None:
        self.looping, self.seen, self.used = looping, _monotonic_ns(), time.thread_time_ns()


_COUNTED: Final = _Counted()


def _slept(seconds: float) -> None:
    if not _COUNTED.looping:
        return _sleep(seconds)
    _COUNTED.ran()
    _sleep(seconds)
    return _COUNTED.waited(seconds)


CLOCKS: Final[Mapping[str, Callable[..., float | None]]] = {
    "time": lambda: (_COUNTED.now() + _Lost.ahead) / 1e9,
    "monotonic": lambda: _COUNTED.now() / 1e9,
    "time_ns": lambda: _COUNTED.now() + _Lost.ahead,
    "monotonic_ns": _COUNTED.now,
    "sleep": _slept,
}


class _Steps(selectors.DefaultSelector):
    """Waits in steps, and leaves out what went by while the loop neither ran nor waited."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not _COUNTED.looping:
            _COUNTED.begin(looping=True)
        _COUNTED.ran()
        waited = 0.0
        while True:
            step = STEP_S if timeout is None else max(0.0, min(STEP_S, timeout - waited))
            events = super().select(step)
            _COUNTED.waited(step)
            waited += step
            if events or (timeout is not None and waited >= timeout):
                return events

    def close(self) -> None:
        super().close()
        _COUNTED.begin(looping=False)


def begin() -> None:
    """The clocks are right: nothing has been left out."""
    _Lost.ns, _Lost.ahead = 0, _time_ns() - _monotonic_ns()
    _COUNTED.begin(looping=False)


def event_loop() -> asyncio.SelectorEventLoop:
    """An event loop whose time the clocks of CLOCKS tell."""
    return asyncio.SelectorEventLoop(_Steps())
