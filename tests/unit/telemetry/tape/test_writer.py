"""Who hands something over never waits: what does not fit is dropped, and counted."""

import threading
import time

from dispatcher.telemetry.tape import Line, Writer

LINE = Line(b"t" * 10_000, b"x" * 100)


class Disk:
    """Takes lines when it is let, and fails when it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked = threading.Event()
        self.fails = False
        self.lines: list[Line] = []

    def write(self, line: Line) -> None:
        self.asked.set()
        assert self.open.wait(30)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.lines.append(line)


class Count:
    def __init__(self) -> None:
        self.lost = 0

    def __call__(self) -> None:
        self.lost += 1


def test_a_disk_that_hangs_delays_nobody() -> None:
    """As much waits as may wait; the rest is lost at once, and the end comes in time."""
    disk, count = Disk(), Count()
    writer = Writer(disk.write, count, waiting_max=1_000)
    began = time.monotonic()
    with writer:
        writer.put(LINE)
        assert disk.asked.wait(30)  # that one is with the disk
        for _ in range(15):
            writer.put(LINE)
        assert count.lost == 5
        writer.close(0.05)
    assert time.monotonic() - began < 10
    disk.open.set()


def test_what_waits_is_written_before_the_end() -> None:
    """In its order, and nothing of it is lost."""
    disk, count = Disk(), Count()
    disk.open.set()
    lines = [Line(b"", b"%d" % number) for number in range(100)]
    with Writer(disk.write, count) as writer:
        for line in lines:
            writer.put(line)
        writer.close(30)

    assert (disk.lines, count.lost) == (lines, 0)


def test_what_was_written_makes_room() -> None:
    """The bound is of what waits, not of what there ever was."""
    disk, count = Disk(), Count()
    disk.open.set()
    with Writer(disk.write, count, waiting_max=len(LINE.claim)) as writer:
        for number in range(1, 20):
            writer.put(LINE)
            while len(disk.lines) < number:
                time.sleep(0.001)

    assert (len(disk.lines), count.lost) == (19, 0)


def test_a_disk_that_fails_costs_its_lines_and_says_why() -> None:
    """Once it takes them again, there is no trouble any more."""
    disk, count = Disk(), Count()
    disk.open.set()
    disk.fails = True
    with Writer(disk.write, count) as writer:
        for _ in range(3):
            writer.put(LINE)
        while count.lost < 3:
            time.sleep(0.001)
        assert writer.trouble == "No space left on device"
        disk.fails = False
        writer.put(LINE)
        writer.close(30)

    assert (len(disk.lines), count.lost, writer.trouble) == (1, 3, "")
