"""One line of the log: made, written at once, handed to the thread that writes it, and lost since it does not fit.

    python bench/log.py

Rounds are interleaved, so that a busy machine slows all alike; medians of the processor's time, the writing thread's
included. About five seconds.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.output import Output

LINES: Final = 1_000  # a round
ROUNDS: Final = 40
PAUSE_S: Final = 0.005  # between rounds: the thread ends what it has


def main() -> None:
    """Prints microseconds a line."""
    with ExitStack() as stack:
        writer = stack.enter_context(pipe())
        at_once = stack.enter_context(os.fdopen(os.dup(writer), "w", buffering=1))
        handed = stack.enter_context(Output(writer, time.time, style="json"))
        lost = stack.enter_context(Output(writer, time.time, style="json", waiting_max=0))
        logs = {
            "made, written nowhere": Log(lambda _: None, time.time),
            "written at once": Log(at_once.write, time.time),
            "handed to the thread": handed.log,
            "lost": lost.log,
        }
        for name, spent in zip(logs, interleaved(*logs.values()), strict=True):
            print(f"{name:<22} {spent:7.1f} µs a line")
        assert handed.log.dropped() == 0
        assert lost.log.dropped() == LINES * ROUNDS


@contextmanager
def pipe() -> Iterator[int]:
    """Its end to write to; somebody reads the other one."""
    reader, writer = os.pipe()
    thread = threading.Thread(target=drain, args=(reader,))
    thread.start()
    yield writer
    os.close(writer)
    thread.join()
    os.close(reader)


def drain(reader: int) -> None:
    """To its end."""
    while os.read(reader, 1 << 16):
        pass


def interleaved(*logs: Log) -> list[float]:
    """The median microseconds that a line costs, for each, measured in turns."""
    bound = [log.bind(project="default", room="lobby", sid="RM_apUu3eMjQLST") for log in logs]
    rounds = [[timed(log.info) for log in bound] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def timed(say: Callable[..., None]) -> float:
    """Microseconds of one line, from LINES of them."""
    start = time.process_time()
    for _ in range(LINES):
        say("served", assignment="everyone", number=2, agent="greeter", ms=12764)
    time.sleep(PAUSE_S)
    return (time.process_time() - start) / LINES * 1e6


if __name__ == "__main__":
    main()
