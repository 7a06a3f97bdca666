"""Processes that behave as badly as those of users do: nothing of them is left, and the launcher goes on."""

import asyncio
from pathlib import Path

from dispatcher.launcher import kin
from dispatcher.launcher.output import LOG_MAX
from tests.launcher.launched import alive, avatar, running, stage, token, until


async def test_one_that_ignores_sigterm_is_killed_after_its_time(tmp_path: Path) -> None:
    """And an order to stop is answered then."""
    async with stage(tmp_path, avatar("stubborn", stop_within=600)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        begun = asyncio.get_running_loop().time()
        ended = await one.stop(launch_id)

        assert asyncio.get_running_loop().time() - begun >= 0.6
        assert (ended["why"], ended["exit_signal"], alive(launch_id)) == ("stopped", "SIGKILL", [])


async def test_what_a_process_has_started_ends_with_it(tmp_path: Path) -> None:
    """Also what has left its session, and what ignores SIGTERM."""
    async with stage(tmp_path, avatar("forking", stop_within=300)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        await until(lambda: len(alive(launch_id)) == 3)
        family = alive(launch_id)
        await one.stop(launch_id)

        assert [pid for pid in family if running(pid)] == []


async def test_what_a_process_has_left_behind_ends_when_it_ends_by_itself(tmp_path: Path) -> None:
    """A crash leaves no grandchildren."""
    async with stage(tmp_path, avatar("forking", stop_within=100)) as one:
        launch_id = await one.launch()
        shown = await one.until(launch_id, "joined")
        await until(lambda: len(alive(launch_id)) == 3)
        kin.send(shown["pid"], launch_id, None, 9)  # type: ignore[arg-type]
        ended = await one.until(launch_id, "ended")

        assert (ended["why"], ended["exit_signal"], alive(launch_id)) == ("crashed", "SIGKILL", [])


async def test_a_flood_of_output_is_bounded_on_disk_and_in_the_log(tmp_path: Path) -> None:
    """And others are served meanwhile; the token that it writes is nowhere."""
    async with stage(tmp_path, avatar("flooding"), avatar(name="calm")) as one:
        given = token()
        launch_id = await one.launch(token=given)
        await one.until(launch_id, "joined")
        await until(lambda: any(line["action"] == "launch.output_omitted" for line in one.lines))
        other = await one.launch(path="/launch/calm", token=token(identity="calm"))
        await one.until(other, "joined")
        await one.stop(launch_id)
        written = [path for path in (one.state / launch_id).iterdir() if path.is_file()]

        assert sum(path.stat().st_size for path in written) <= LOG_MAX + 10_000
        assert not [path for path in written if given.encode() in path.read_bytes()]
        assert sum(line["action"] == "launch.output" for line in one.lines) < 1_000


async def test_one_that_eats_memory_is_ended(tmp_path: Path) -> None:
    """With all that it has started counted together."""
    async with stage(tmp_path, avatar("eating", memory_max=64 << 20)) as one:
        ended = await one.until(await one.launch(), "ended")

        assert ended["why"] == "memory"


async def test_one_that_fails_at_once_is_given_up_after_its_second_try(tmp_path: Path) -> None:
    """With its exit code."""
    async with stage(tmp_path, avatar("failing")) as one:
        ended = await one.until(await one.launch(), "ended")

        assert (ended["why"], ended["exit_code"], ended["tries"]) == ("crashed", 3, 2)


async def test_a_process_that_only_looks_like_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    """Its number and its command prove nothing; a signal reaches what bears the mark."""
    stranger = await asyncio.create_subprocess_exec("sleep", "60", env={kin.MARK: "another-mark"})
    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        kin.send(stranger.pid, launch_id, None, 9)  # type: ignore[arg-type]
        await one.stop(launch_id)
        assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()
