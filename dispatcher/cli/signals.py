"""What a running service does on a signal: SIGHUP reloads, SIGTERM or SIGINT ends it in order, a second one at once.

`dispatcher.__main__` says what signals do before that.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from dispatcher.telemetry.output import Output

_STOP: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopping(at_once: Callable[[signal.Signals], None]) -> Iterator[asyncio.Event]:
    """Set the event at the first SIGTERM or SIGINT; at a second one call `at_once`, whatever the loop is doing."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def second(number: int, _frame: FrameType | None) -> None:
        at_once(signal.Signals(number))

    def first() -> None:
        for number in _STOP:
            loop.remove_signal_handler(number)
            signal.signal(number, second)
        stopped.set()

    before = {number: signal.getsignal(number) for number in _STOP}
    for number in _STOP:
        loop.add_signal_handler(number, first)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def on_hangup(wish: Callable[[], None]) -> None:
    """Call it at each SIGHUP from now on, and now if one has come while SIGHUP was blocked."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wish)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def end_now(output: Output, number: signal.Signals) -> None:
    """End the process here, as if the signal had killed it: with 128 and the signal's number."""
    output.log.warning("service.killed", signal=number.name)
    output.close()
    os._exit(128 + number)
