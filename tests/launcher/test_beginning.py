"""What goes wrong as a launch begins: whoever asks is told so, and nothing is left of it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dispatcher.launcher.launch import LaunchState
from dispatcher.launcher.records import Records
from tests.launcher.launched import avatar, stage, token, until

NOWHERE = ("/nowhere/at/all",)


def full(*_: object) -> None:
    """Where the disk is."""
    raise OSError(28, "No space left on device")


async def test_one_ahead_that_reads_no_more_and_whose_command_is_gone_is_told_as_any_other(tmp_path: Path) -> None:
    """It is ended once, and its token may be sent again."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexec 0<&-\necho closed\nexec sleep 600\n")
    script.chmod(0o700)
    async with stage(tmp_path, avatar(command=(str(script),), warm=1)) as one:
        await until(lambda: any(line.get("text") == "closed" for line in one.lines))
        script.unlink()
        asked = token()
        answers = [(status, answer["error"]) for status, answer in [await one.post(token=asked) for _ in range(2)]]

        assert answers == [(500, "not_started")] * 2
        assert [shown["why"] for shown in (await one.get("/v1/launches?ended=true"))["launches"]] == ["not_started"] * 2
        assert "launch.broken" not in {line["action"] for line in one.lines}


async def test_a_token_that_comes_twice_at_once_is_told_both_times_that_nothing_was_started(tmp_path: Path) -> None:
    """The second is not told that its process runs."""
    async with stage(tmp_path, avatar(command=NOWHERE)) as one:
        one.livekit.faults.slow("ListRooms", 0.5)
        asked = token()
        answers = await asyncio.gather(one.post(token=asked), one.post(token=asked))

        assert [(status, answer["error"]) for status, answer in answers] == [(500, "not_started")] * 2
        assert len(one.launcher.pool.launches) == 1


async def test_a_token_that_comes_again_while_it_waits_for_another_s_end_is_answered_now(tmp_path: Path) -> None:
    """As it was the first time: the end of the one that it replaces may take minutes."""
    async with stage(tmp_path, avatar("stubborn", stop_within=300_000)) as one:
        first, asked = await one.launch(), token()
        pid = (await one.until(first, "joined"))["pid"]
        second = await one.launch(token=asked)
        again = await one.launch(token=asked)

        assert (again, one.launcher.pool.launches[again].state) == (second, LaunchState.WAITING)
        os.kill(pid, signal.SIGKILL)
        pid = (await one.until(second, "joined"))["pid"]
        os.kill(pid, signal.SIGKILL)
        await one.until(second, "ended")


@pytest.mark.parametrize("step", ["make", "save"])
async def test_where_no_record_can_be_written_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The next launcher would not know of it. Once there is space, the same token is served."""
    async with stage(tmp_path) as one:
        asked = token()
        with monkeypatch.context() as patched:
            patched.setattr(Records, step, full)
            status, answer = await one.post(token=asked)
        assert (status, answer["error"]) == (500, "not_started")
        assert [path.name for path in one.state.iterdir()] == ["lock"]
        assert [line["why"] for line in one.lines if line["action"] == "launch.unsaved"] == ["No space left on device"]
        await one.until(await one.launch(token=asked), "joined")


async def test_where_no_record_can_be_written_the_process_ahead_is_kept_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits on, as it is nobody's."""
    async with stage(tmp_path, avatar("ahead", warm=1)) as one:
        await until(lambda: one.launcher.pool.warm("avatar") == 1)
        with monkeypatch.context() as patched:
            patched.setattr(Records, "save", full)
            assert (await one.post())[0] == 500
        assert one.launcher.pool.warm("avatar") == 1
        assert (await one.until(await one.launch(), "joined"))["start"] == "warm"


async def test_where_no_record_can_be_written_nothing_is_started_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and told."""
    monkeypatch.setattr(Records, "save", full)
    async with stage(tmp_path, avatar("ahead", warm=1)) as one:
        await until(lambda: any(line["action"] == "warm.failed" for line in one.lines))
        assert [path.name for path in one.state.iterdir()] == ["lock"]
        monkeypatch.undo()
        await until(lambda: one.launcher.pool.warm("avatar") == 1)


async def test_what_one_ahead_wrote_is_done_with_when_it_has_ended(tmp_path: Path) -> None:
    """It is told, too, how many of its lines were not shown."""
    writes = (sys.executable, "-S", "-c", "print('line\\n' * 100, flush=True)")
    async with stage(tmp_path, avatar(command=writes, warm=1)) as one:
        await until(lambda: any(line["action"] == "launch.output_omitted" for line in one.lines))


async def test_a_room_that_is_over_is_seen_where_livekit_then_lists_nobody(tmp_path: Path) -> None:
    """Servers that ask the room's own node answer with an error, and not with an empty list."""
    async with stage(tmp_path, avatar("stubborn", stop_within=0)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        one.livekit.faults.fail("ListParticipants", 404, times=1_000_000)
        await one.livekit.rooms.close("lobby")

        assert (await one.until(launch_id, "ended"))["why"] == "room_finished"
