"""Whatever becomes of standard output, webhooks get their agents, and what was not written is counted."""

import asyncio
import fcntl
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import pytest

from dispatcher.telemetry.output import FLUSH_S
from dispatcher.testing import FakeLiveKit, Timings
from tests.attack.running_service import SERVE, lines_of, running_service, true_soon
from tests.integration.house import SPEED

STOP_S = 4.0  # an idle service ends at once; on a busy machine not much later
UNDECODABLE = b'{"event": 7}'


@pytest.fixture
async def livekit() -> AsyncIterator[FakeLiveKit]:
    """A LiveKit with a worker."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        yield livekit


@contextmanager
def pipe_without_reader() -> Iterator[int]:
    """As `dispatcher serve | head -1` leaves it, once it has its line."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk() -> Iterator[int]:
    """ENOSPC, whatever is written."""
    writer = os.open("/dev/full", os.O_WRONLY)
    yield writer
    os.close(writer)


@contextmanager
def pipe_that_nobody_reads() -> Iterator[int]:
    """Full, so that the first line blocks."""
    reader, writer = os.pipe()
    os.write(writer, bytes(fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)))
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("output", [pipe_without_reader, full_disk])
async def test_p3_without_a_place_for_its_log_it_gives_agents_and_counts(
    output: object, livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """It is ready, serves, says how many lines are lost, tells standard error once, and ends in order."""
    assert callable(output)
    with output() as stdout:
        async with running_service(livekit, tmp_path, stdout) as service:
            await service.ready()
            await service.gives_an_agent(livekit, "lobby")
            assert await service.status("/readyz") == 200
            await service.drops(3)
            service.process.send_signal(SIGTERM)
            assert await service.ended() == 0
    (told,) = (tmp_path / "stderr").read_text().splitlines()
    assert told.startswith("dispatcher: the log cannot be written (")


async def test_p3_started_without_a_standard_output_it_gives_agents_and_counts(
    livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """Its number is another file's by then: no line is written into that."""
    without = ("sh", "-c", 'exec "$@" >&-', "sh", *SERVE)
    async with running_service(livekit, tmp_path, asyncio.subprocess.DEVNULL, command=without) as service:
        await service.ready()
        await service.gives_an_agent(livekit, "lobby")
        await service.drops(3)
        service.process.send_signal(SIGTERM)
        assert await service.ended() == 0


async def test_p3_a_log_that_nobody_reads_holds_nothing_up(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """Not strangers' requests without end, not an agent, not the end: that waits FLUSH_S for a reader."""
    with pipe_that_nobody_reads() as stdout:
        async with running_service(livekit, tmp_path, stdout) as service:
            await service.ready()
            for _ in range(500):
                assert await service.post(b"{}", signed=False) == 401
            assert await service.status("/healthz") == 200
            await service.gives_an_agent(livekit, "lobby")
            began = time.monotonic()
            service.process.send_signal(SIGTERM)
            assert await service.ended() == 0
            assert FLUSH_S <= time.monotonic() - began < STOP_S


async def test_p3_when_the_disk_has_space_again_the_log_goes_on(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """The line it ended in is broken; the next ones are whole, and the first of them says how many are lost."""
    log = tmp_path / "log"
    with log.open("wb") as stdout:
        async with running_service(livekit, tmp_path, stdout.fileno()) as service:
            await service.ready()
            await true_soon(lambda: log.read_text().endswith("\n"))
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 50, -1))
            await service.gives_an_agent(livekit, "in-the-dark")
            lost = await service.drops(3)
            assert not log.read_text().endswith("\n")
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
            await service.gives_an_agent(livekit, "lobby")
            await true_soon(
                lambda: {"room": "lobby", "action": "agent.joined"}.items() <= lines_of(log.read_text())[-1].items()
            )
            service.process.send_signal(SIGTERM)
            assert await service.ended() == 0
    serving, broken, told, *later = log.read_text().splitlines()
    assert lines_of(serving)[0]["action"] == "service.started"
    assert len(broken) == 50
    assert lines_of(told)[0].items() >= {"level": "warning", "action": "log.dropped"}.items()
    assert lines_of(told)[0]["lines"] >= lost
    assert len(lines_of("\n".join(later))) == len(later)


@pytest.mark.long
async def test_p3_every_line_is_written_or_counted(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """More than can wait, while nobody reads: what is read afterwards and what is counted are all there was."""
    reader, writer = os.pipe()
    sent = 0
    async with running_service(livekit, tmp_path, writer) as service:
        os.close(writer)
        await service.ready()
        while await service.lines_dropped() < 100:
            assert set(await asyncio.gather(*(service.post(UNDECODABLE) for _ in range(200)))) == {200}
            sent += 200
        reading = asyncio.create_task(asyncio.to_thread(_all_of, reader))
        await true_soon(lambda: livekit.calls != [])
        lost = await service.lines_dropped()
        service.process.send_signal(SIGTERM)
        assert await service.ended() == 0
        lines = lines_of(await reading)
    actions = [line["action"] for line in lines]
    assert sum(line["lines"] for line in lines if line["action"] == "log.dropped") == lost
    assert actions.count("webhook.undecodable") + lost == sent
    assert [actions[0], *actions[-2:]] == ["service.started", "service.stopping", "service.stopped"]


def _all_of(reader: int) -> str:
    with os.fdopen(reader) as file:
        return file.read()
