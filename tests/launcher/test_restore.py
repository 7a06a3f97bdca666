"""What an earlier launcher has left in its folder: adopted, ended, or known as lost; and strangers are left alone."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.launcher import history, kin
from dispatcher.launcher.launch import Launch, LaunchEnd, LaunchState
from dispatcher.launcher.output import PIPE
from dispatcher.launcher.records import Records
from dispatcher.testing import FakeLiveKit
from tests.launcher.launched import CHILD, FAST, alive, epoch_ms, restaged, running, token


class Left:
    """The folder of an earlier launcher, which was killed, and the processes that it had started."""

    def __init__(self, tmp_path: Path, livekit: FakeLiveKit) -> None:
        self.records = Records(tmp_path / "launches")
        self.livekit = livekit
        self.records.root.mkdir()

    def process(self, identity: str) -> tuple["subprocess.Popen[bytes]", Launch]:
        """A process that is about to join, and its record."""
        launch_id = self.records.make()
        pipe = self.records.folder(launch_id) / PIPE
        os.mkfifo(pipe)
        writer = os.open(pipe, os.O_RDWR)
        environment = {
            kin.MARK: launch_id,
            "LIVEKIT_URL": self.livekit.url,
            "LIVEKIT_TOKEN": token(identity=identity),
        }
        command = [sys.executable, "-S", str(CHILD), "joined"]
        child = subprocess.Popen(command, env=environment, stdout=writer, stderr=writer, start_new_session=True)
        os.close(writer)
        end = time.monotonic() + 20
        while kin.mark_of(child.pid) != launch_id:  # the kernel shows an environment a moment after the process runs
            assert time.monotonic() < end
        kept = self.launch(
            id=launch_id,
            identity=identity,
            state=LaunchState.STARTING,
            tries=1,
            pid=child.pid,
            pid_started=kin.started_at(child.pid),
            started_boot=kin.boot_ms(),
        )
        return child, kept

    def launch(self, **more: object) -> Launch:
        """A record on disk."""
        usual = {
            "launcher": "avatar",
            "project": "default",
            "room": "lobby",
            "fingerprint": f"of {more.get('identity', '')}",
            "expires_at": epoch_ms() + 600_000,
            "accepted_at": epoch_ms(),
            "boot_id": kin.boot_id(),
            "accepted_boot": kin.boot_ms(),
        }
        launch = Launch(**(usual | {"id": more.get("id") or self.records.make()} | more))  # type: ignore[arg-type]
        self.records.save(launch)
        return launch


async def test_a_process_is_adopted_seen_and_ended(tmp_path: Path) -> None:
    """Nobody sees how it ended: it is another's child."""
    async with FakeLiveKit(timings=FAST) as fake:
        left = Left(tmp_path, fake)
        child, launch = left.process("avatar")
        async with restaged(fake, tmp_path) as one:
            shown = await one.until(launch.id, "joined")
            assert (shown["pid"], one.said(launch.id)[0]) == (child.pid, "launch.adopted")
            ended = await one.stop(launch.id)

            assert (ended["why"], ended["exit_code"], alive(launch.id)) == ("stopped", None, [])
        child.wait()


async def test_one_that_ends_by_itself_after_it_was_adopted_is_lost(tmp_path: Path) -> None:
    """And is not started anew: its token is gone with the launcher that had it."""
    async with FakeLiveKit(timings=FAST) as fake:
        left = Left(tmp_path, fake)
        child, launch = left.process("avatar")
        async with restaged(fake, tmp_path) as one:
            await one.until(launch.id, "joined")
            child.kill()
            child.wait()
            ended = await one.until(launch.id, "ended")

            assert (ended["why"], ended["tries"]) == ("lost", 1)


async def test_what_cannot_be_adopted_is_ended_and_known_as_lost(tmp_path: Path) -> None:
    """One that was ending, one of a launcher that is configured no more, one of before the machine's start."""
    async with FakeLiveKit(timings=FAST) as fake:
        left = Left(tmp_path, fake)
        kept = [left.process(name) for name in ("ending", "unconfigured", "recorded-wrongly", "piped-nowhere")]
        changes: tuple[dict[str, object], ...] = (
            {"state": LaunchState.ENDING},
            {"launcher": "gone"},
            {"pid_started": 1},
            {},
        )
        for (_, launch), change in zip(kept, changes, strict=True):
            left.records.save(replace(launch, **change))
        (left.records.folder(kept[3][1].id) / PIPE).unlink()
        dead = left.launch(identity="dead", pid=2**22 - 1, state=LaunchState.STARTING)
        older = left.launch(identity="older", pid=os.getpid(), boot_id="of-another-start", state=LaunchState.JOINED)
        async with restaged(fake, tmp_path) as one:
            lost = [launch.id for _, launch in kept] + [dead.id, older.id]
            shown = [(await one.get(f"/v1/launches/{launch_id}"))["why"] for launch_id in lost]
            assert shown == ["lost"] * 6
            assert [alive(launch_id) for launch_id in lost] == [[]] * 6
        for child, _ in kept:
            child.wait()


async def test_processes_ahead_and_folders_without_a_record_are_cleared_away(tmp_path: Path) -> None:
    """A launch that has ended is still known; who bears another mark lives on."""
    async with FakeLiveKit(timings=FAST) as fake:
        left = Left(tmp_path, fake)
        (ahead, first), (broken, second) = left.process("ahead"), left.process("broken")
        left.records.save(Launch(id=first.id, launcher="avatar"))
        (left.records.folder(second.id) / "launch.json").unlink()
        ended = left.launch(identity="ended", state=LaunchState.ENDED, end=LaunchEnd.EXITED, ended_at=epoch_ms())
        stranger, third = left.process("stranger")
        shutil.rmtree(left.records.folder(third.id))
        async with restaged(fake, tmp_path) as one:
            assert [running(child.pid) for child in (ahead, broken, stranger)] == [False, False, True]
            assert list(one.launcher.pool.launches) == [ended.id]
            assert (await one.get(f"/v1/launches/{ended.id}"))["why"] == "exited"
        for child in (ahead, broken, stranger):
            child.kill()
            child.wait()


async def test_launches_that_ended_long_ago_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before their token has expired, while there is room for them; the log goes before the record."""
    monkeypatch.setattr(history, "LOGS_MAX", 1)
    monkeypatch.setattr(history, "KEPT_MAX", 3)
    async with FakeLiveKit(timings=FAST) as fake:
        left, now = Left(tmp_path, fake), epoch_ms()
        long_ago = now - 2 * history.KEPT_MS
        known = [
            left.launch(state=LaunchState.ENDED, end=LaunchEnd.EXITED, ended_at=at, expires_at=expires)
            for at, expires in ((now, 0), (long_ago, now + 60_000), (long_ago + 1, 0), (long_ago - 9, now + 60_000))
        ]
        for launch in known:
            (left.records.folder(launch.id) / "output.log").write_text("said\n")
        logs = [left.records.folder(launch.id) / "output.log" for launch in known]
        async with restaged(fake, tmp_path) as one:
            async with asyncio.timeout(20):  # the launcher clears beside its other work
                while [log.exists() for log in logs] != [True, False, False, False]:
                    await asyncio.sleep(0.01)

            assert set(one.launcher.pool.launches) == {known[0].id, known[1].id}
            assert [left.records.folder(launch.id).exists() for launch in known] == [True, True, False, False]
