"""Signals, at any moment of a service's life: as a process, since that is what they are sent to."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import pytest

from dispatcher.testing import FakeLiveKit, Timings
from tests.attack.running_service import RunningService, lines_of, running_service, true_soon
from tests.integration.house import SPEED

AT_ONCE_S = 3.0  # a drain of a call that hangs takes 5 s


@pytest.fixture
async def livekit() -> AsyncIterator[FakeLiveKit]:
    """A LiveKit with a worker."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        yield livekit


async def starting(service: RunningService) -> None:
    """It is about to import what it needs: SIGHUP is blocked, the last thing that is done before that."""
    status = Path(f"/proc/{service.process.pid}/status")
    await true_soon(lambda: int(status.read_text().partition("SigBlk:")[2].split()[0], 16) & 1 << (SIGHUP - 1) != 0)
    assert await service.status("/healthz") == 0


def written(folder: Path) -> list[str]:
    """What it has logged so far, by action."""
    return [line["action"] for line in lines_of((folder / "log").read_text())]


async def test_a_hangup_while_it_starts_is_answered_when_it_has_started(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """It waits, and reads the configuration again; nobody dies of it."""
    with (tmp_path / "log").open("wb") as stdout:
        async with running_service(livekit, tmp_path, stdout.fileno()) as service:
            await starting(service)
            service.process.send_signal(SIGHUP)
            await service.ready()
            await true_soon(lambda: "config.reloaded" in written(tmp_path))
            assert service.process.returncode is None


@pytest.mark.parametrize(("signal", "code"), [(SIGTERM, 143), (SIGINT, 130)])
async def test_told_to_stop_while_it_starts_it_ends_at_once(
    signal: Signals, code: int, livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """Nothing has begun, so nothing is drained; not a word, and no traceback."""
    with (tmp_path / "log").open("wb") as stdout:
        async with running_service(livekit, tmp_path, stdout.fileno()) as service:
            await starting(service)
            service.process.send_signal(signal)
            assert await service.ended(AT_ONCE_S) == code
    assert (tmp_path / "log").read_text() + (tmp_path / "stderr").read_text() == ""


@pytest.mark.parametrize(("signal", "code"), [(SIGTERM, 143), (SIGINT, 130)])
async def test_a_second_signal_does_not_wait_for_what_runs(
    signal: Signals, code: int, livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """LiveKit hangs, so the drain takes seconds: who asks twice does not have them, and the log says so."""
    with (tmp_path / "log").open("wb") as stdout:
        async with running_service(livekit, tmp_path, stdout.fileno()) as service:
            await service.ready()
            livekit.webhook_url = f"{service.url}/webhook"
            livekit.faults.lose_replies("CreateDispatch", hang=True)
            await livekit.rooms.join("lobby", "alice")
            await livekit.wait_until(lambda: livekit.create_calls)
            service.process.send_signal(signal)
            await true_soon(lambda: "service.stopping" in written(tmp_path))
            began = time.monotonic()
            service.process.send_signal(signal)
            assert await service.ended() == code
            assert time.monotonic() - began < AT_ONCE_S
    assert written(tmp_path)[-1] == "service.killed"


async def test_a_second_signal_is_not_held_up_by_a_log_that_nobody_reads(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """The last line is tried for FLUSH_S, no longer."""
    reader, writer = os.pipe()
    os.write(writer, bytes(65536))
    async with running_service(livekit, tmp_path, writer) as service:
        os.close(writer)
        await service.ready()
        livekit.webhook_url = f"{service.url}/webhook"
        livekit.faults.lose_replies("CreateDispatch", hang=True)
        await livekit.rooms.join("lobby", "alice")
        await livekit.wait_until(lambda: livekit.create_calls)
        began = time.monotonic()
        service.process.send_signal(SIGTERM)
        while await service.status("/readyz") == 200:
            pass
        service.process.send_signal(SIGTERM)
        assert await service.ended() == 143
        assert time.monotonic() - began < AT_ONCE_S
    os.close(reader)
