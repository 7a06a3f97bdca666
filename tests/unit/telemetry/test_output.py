"""Lines are written by a thread: nobody waits for it, and each line is written or counted."""

import fcntl
import json
import os
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.output import NOWHERE, Output

NOON = 1_795_262_584.1239
PIPE = 4096  # bytes that a pipe of these tests holds
SOON_S = 5.0
LINE_MAX = 1_000


class Pipe:
    """Holds PIPE bytes."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE)
        self.received: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read)

    def read(self) -> None:
        """From now on all of it is read, in a thread."""
        self._reading.start()

    def lines(self) -> list[dict[str, Any]]:
        """All lines ever written, once no more will come; `read` before."""
        os.close(self.writer)
        self._reading.join(SOON_S)
        assert not self._reading.is_alive()
        return self.received

    def _read(self) -> None:
        with os.fdopen(self.reader) as file:
            self.received.extend(map(json.loads, file))


@contextmanager
def output_to(fd: int, waiting_max: int = 1 << 20) -> Iterator[Output]:
    """An output at a fixed instant."""
    with Output(fd, lambda: NOON, style="json", waiting_max=waiting_max) as output:
        yield output


def wait_until(claim: Callable[[], bool]) -> None:
    """It becomes true: a thread does not say when it has come so far."""
    end = time.monotonic() + SOON_S
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.001)


def number(log: Log, count: int, *, start: int = 0) -> None:
    """So many numbered lines."""
    for one in range(start, start + count):
        log.info("said", number=one)


def gaps(lines: list[dict[str, Any]]) -> list[int]:
    """The sizes of the gaps that are told; they stand where numbers are missing, and nowhere else."""
    expected, told = 0, []
    for line in lines:
        if line["action"] == "log.dropped":
            told.append(line["lines"])
            expected += line["lines"]
        else:
            assert line["number"] == expected
            expected += 1
    return told


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_come_out_whole_and_in_order(blocking: bool) -> None:
    """Those of a descriptor that somebody else has made non-blocking, too."""
    pipe = Pipe()
    os.set_blocking(pipe.writer, blocking)
    with output_to(pipe.writer) as output:
        number(output.log, 200)
        wait_until(lambda: waiting(pipe.reader) > PIPE - LINE_MAX)
        pipe.read()
    lines = pipe.lines()
    assert [line["number"] for line in lines] == list(range(200))
    assert (gaps(lines), output.log.dropped()) == ([], 0)


def waiting(reader: int) -> int:
    """Bytes written to a pipe that nobody has read."""
    found = fcntl.ioctl(reader, termios.FIONREAD, bytes(4))
    return int.from_bytes(found, "little")


def test_p3_while_nobody_reads_nobody_waits_and_what_does_not_fit_is_counted() -> None:
    """Where lines are missing one says how many, once somebody reads; then the log goes on."""
    pipe = Pipe()
    with output_to(pipe.writer, waiting_max=2_000) as output:
        number(output.log, 500)
        lost = output.log.dropped()
        assert 0 < lost < 500
        pipe.read()
        wait_until(lambda: sum(gaps(pipe.received)) == lost)
        number(output.log, 10, start=500)
    told = gaps(pipe.lines())
    assert told
    assert sum(told) == output.log.dropped() == lost


def test_p3_without_a_reader_all_lines_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    """Standard error is told once; nothing is raised."""
    pipe = Pipe()
    os.close(pipe.reader)
    with output_to(pipe.writer) as output:
        for batch in range(3):
            number(output.log, 10)
            wait_until(lambda lost=10 * (batch + 1): output.log.dropped() == lost)  # type: ignore[misc]
    os.close(pipe.writer)
    told = "dispatcher: the log cannot be written (Broken pipe); the service goes on without it\n"
    assert capfd.readouterr().err == told


def test_nowhere_is_a_descriptor_that_takes_nothing() -> None:
    """It is never another file's number."""
    with output_to(NOWHERE) as output:
        number(output.log, 10)
    assert output.log.dropped() == 10


def test_a_line_that_breaks_off_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    """The reader goes in mid-line, and another one comes: it finds the rest of the old line on a line of its own."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    with output_to(writer) as output:
        output.log.info("said", number=0, texts=["x" * 200] * 30)
        wait_until(lambda: waiting(reader) == PIPE)
        os.close(reader)
        wait_until(lambda: output.log.dropped() == 1)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        broken = os.read(reader, PIPE)
        number(output.log, 1, start=1)
    os.close(writer)
    with os.fdopen(reader) as file:
        first, *later = file.read().splitlines()
    assert len(broken) == PIPE
    assert first == ""
    assert gaps([json.loads(line) for line in later]) == [1]


def test_the_end_waits_for_a_reader_but_not_for_ever() -> None:
    """What could not be written by then is lost with the process."""
    pipe = Pipe()
    output = Output(pipe.writer, lambda: NOON, style="json")
    with output:
        number(output.log, 100)
        wait_until(lambda: waiting(pipe.reader) > PIPE - LINE_MAX)
        began = time.monotonic()
        output.close(0.1)
        assert 0.1 <= time.monotonic() - began < SOON_S
        pipe.read()
    assert len(pipe.lines()) == 100


@pytest.mark.parametrize("nth", range(8))
def test_a_line_that_is_logged_in_the_midst_of_another_one_does_not_hang(nth: int) -> None:
    """As a finalizer's, or a signal handler's, which run between any two steps: here, before the nth."""
    pipe = Pipe()
    pipe.read()
    output = Output(pipe.writer, lambda: NOON, style="json").__enter__()
    steps = 0

    def step(frame: FrameType, event: str, _found: object) -> Callable[..., Any] | None:
        nonlocal steps
        if frame.f_code.co_name != "_put":
            return None
        if event == "line":
            steps += 1
            if steps == nth + 1:
                number(output.log, 1, start=10)
        return step

    def outer() -> None:
        sys.settrace(step)
        number(output.log, 1)

    thread = threading.Thread(target=outer, daemon=True)
    thread.start()
    thread.join(SOON_S)
    assert not thread.is_alive()
    assert steps >= nth
    wait_until(lambda: len(pipe.received) == min(2, 1 + steps // (nth + 1)))
    output.close()
    assert sorted(line["number"] for line in pipe.lines()) == ([0, 10] if steps > nth else [0])
