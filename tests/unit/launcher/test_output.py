"""What a process writes: read as it comes, cut, and bounded on disk and in speed."""

import asyncio
import os
from pathlib import Path

import pytest

from dispatcher.launcher.output import LINE_MAX, LOG, LOG_MAX, OLD_LOG, SECOND_MAX, BoundedLog, WorkerOutput, tail


class Heard:
    """A pipe, and the lines that were read of it."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[bytes] = []
        self.output = WorkerOutput(folder, self.lines.extend)
        self.writer = self.output.open()

    async def until(self, lines: int) -> None:
        """So many have come."""
        async with asyncio.timeout(20):
            while len(self.lines) < lines:
                await asyncio.sleep(0.01)


async def test_lines_are_heard_as_they_come_and_the_rest_at_the_end(tmp_path: Path) -> None:
    """A line may come in pieces; a long one is several; an empty one is one."""
    heard = Heard(tmp_path)
    os.write(heard.writer, b"one\n\ntw")
    await heard.until(2)
    os.write(heard.writer, b"o\n" + b"x" * (LINE_MAX + 1) + b"\n" + b"y" * (LINE_MAX + 3))
    await heard.until(6)
    os.close(heard.writer)
    heard.output.close()
    heard.output.close()  # a second time changes nothing

    assert heard.lines == [b"one", b"", b"two", b"x" * LINE_MAX, b"x", b"y" * LINE_MAX, b"y" * 3]


async def test_what_is_left_in_the_pipe_is_taken_at_the_end(tmp_path: Path) -> None:
    """Before the loop had its turn, and without anybody who may still write."""
    heard = Heard(tmp_path)
    os.write(heard.writer, b"last words\n")
    heard.output.close()
    os.close(heard.writer)

    assert heard.lines == [b"last words"]


async def test_when_nobody_holds_the_pipe_any_more_it_is_left_alone(tmp_path: Path) -> None:
    """An end of file is always readable: the loop must not turn on it."""
    heard = Heard(tmp_path)
    os.close(heard.writer)
    await asyncio.sleep(0.05)

    assert not asyncio.get_running_loop().remove_reader(heard.output._descriptor)  # noqa: SLF001
    heard.output.close()
    assert heard.lines == []


async def test_whoever_writes_too_fast_waits_for_the_next_second(tmp_path: Path) -> None:
    """So it costs the others no more than that; then it is read on, unless it was closed meanwhile."""
    heard = Heard(tmp_path)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    line = b"x" * 1_023 + b"\n"
    count = SECOND_MAX // len(line) + 64
    await asyncio.to_thread(lambda: [os.write(heard.writer, line) for _ in range(count)])
    await heard.until(count)
    assert loop.time() - begun >= 0.5  # the seconds begin when it was first read

    heard.output.close()
    heard.output._resume(99_999)  # noqa: SLF001 a turn that comes too late
    os.close(heard.writer)


async def test_a_pipe_that_is_there_is_used_again(tmp_path: Path) -> None:
    """By a second try; and one that is not there is no pipe to read."""
    first = Heard(tmp_path)
    first.output.close()
    second = Heard(tmp_path)
    os.write(second.writer, b"again\n")
    await second.until(1)
    second.output.close()
    os.close(first.writer)
    os.close(second.writer)

    with pytest.raises(FileNotFoundError):
        WorkerOutput(tmp_path / "nowhere", first.lines.extend).read()


def test_the_log_on_disk_is_bounded_and_its_end_is_kept(tmp_path: Path) -> None:
    """In two files, of which the older one is replaced; whoever opens it anew goes on with it."""
    lines = [f"{number:06}".encode() + b"x" * 1_000 for number in range(3_000)]
    for part in (lines[:1_500], lines[1_500:]):
        log = BoundedLog(tmp_path)
        for line in part:
            log.add([line])
    sizes = [(tmp_path / name).stat().st_size for name in (OLD_LOG, LOG)]

    assert LOG_MAX // 2 - 2_000 < sum(sizes) <= LOG_MAX
    assert tail(tmp_path, 700) == [line.decode() for line in lines[-700:]]
    assert tail(tmp_path / "nowhere", 10) == []
