"""What goes wrong around a launch: nothing runs without being told of, and the launcher goes on."""

import asyncio
import io
import json
import signal
import time
from pathlib import Path

import pytest

from dispatcher.launcher import kin, requests
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.looks import LaunchLooks
from dispatcher.launcher.processes import Process
from dispatcher.launcher.records import Records
from dispatcher.livekit.webhook import sign
from dispatcher.testing import DEV_KEYS
from tests.launcher.launched import Stage, alive, avatar, epoch_ms, stage, until

[(KEY, SECRET), *_] = DEV_KEYS.items()


async def test_a_defect_of_ours_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of and counted, its launch is lost, and the next one is served."""

    async def broken(_: LaunchLooks) -> None:
        raise RuntimeError("a defect")

    async with stage(tmp_path) as one:
        with monkeypatch.context() as patched:
            patched.setattr(LaunchLooks, "until_judged", broken)
            patched.setattr(LaunchLooks, "before", broken)
            launch_id = await one.launch()
            ended = await one.until(launch_id, "ended")

        assert (ended["why"], alive(launch_id)) == ("lost", [])
        assert "launch.broken" in one.said(launch_id)
        assert 'loop_errors_total{loop="launch"} 1.0' in await one.text("/metrics")
        await one.until(await one.launch(), "joined")


async def test_what_the_kernel_holds_keeps_its_place_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order to stop is answered then, and not before."""
    gone, held = Process._gone, 3  # noqa: SLF001 where the kernel holds it

    async def holding(process: Process, number: signal.Signals, within: float) -> bool:
        nonlocal held
        held -= 1
        return held < 0 and await gone(process, number, within)

    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        monkeypatch.setattr(Process, "_gone", holding)
        ended = await one.stop(launch_id)

        assert (ended["why"], alive(launch_id)) == ("stopped", [])
        assert one.said(launch_id).count("launch.unkillable") == 1


async def test_a_record_that_cannot_be_written_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full."""

    def full(_: Records, launch: Launch) -> None:
        raise OSError(28, f"No space left for {launch.id}")

    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        monkeypatch.setattr(Records, "save", full)
        await one.until(launch_id, "joined")
        await one.stop(launch_id)
        monkeypatch.undo()

        assert "launch.unsaved" in one.said(launch_id)


async def test_who_fails_while_livekit_does_not_answer_is_not_started_again(tmp_path: Path) -> None:
    """Nobody knows whether its room lives."""
    async with stage(tmp_path, avatar("failing")) as one:
        one.livekit.faults.fail("ListParticipants", times=10_000)
        ended = await one.until(await one.launch(), "ended")

        assert (ended["why"], ended["tries"]) == ("crashed", 1)


async def test_who_fails_when_its_token_has_expired_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not join."""
    async with stage(tmp_path, avatar("failing", stop_within=0)) as one:
        wanted = one.launcher.pool.launch

        async def expired(asked: object) -> object:
            answered = await wanted(asked)  # type: ignore[arg-type]  # as the endpoint makes it
            if answered.launch is not None:
                answered.launch.expires_at = 0
            return answered

        monkeypatch.setattr(one.launcher.pool, "launch", expired)
        ended = await one.until(await one.launch(), "ended")

        assert (ended["why"], ended["tries"]) == ("crashed", 1)


async def test_one_that_was_kept_for_a_replacement_is_dismissed_with_it(tmp_path: Path) -> None:
    """Of two replacements at once the second one's goes on."""
    async with stage(tmp_path, avatar("ahead", warm=2, limit=5)) as one:
        pool = one.launcher.pool
        await until(lambda: pool.warm("avatar") == 2)
        first = await one.launch()
        await one.until(first, "joined")
        await until(lambda: pool.warm("avatar") == 2)
        second, third = await asyncio.gather(one.launch(), one.launch())
        ended, shown = await one.until(second, "ended"), await one.until(third, "joined")

        assert (ended["why"], ended["tries"]) == ("replaced", 0)
        assert (shown["start"], alive(first), alive(second)) == ("warm", [], [])
        assert one.identities().count("avatar") == 1


async def test_one_ahead_that_has_just_died_is_not_taken(tmp_path: Path) -> None:
    """The other one is, or a cold one starts; or it is found dead as it gets the launch, and another one takes it."""
    async with stage(tmp_path, avatar("ahead", warm=2, limit=5)) as one:
        pool = one.launcher.pool
        await until(lambda: pool.warm("avatar") == 2)
        ours = {path.name for path in one.state.iterdir() if path.is_dir()}
        await until(lambda: ours <= kin.census({}).keys())  # the kernel shows a mark a moment after its process runs
        for mark in ours:
            for pid in alive(mark):
                kin.send(pid, mark, None, signal.SIGKILL)
        shown = await one.until(await one.launch(), "joined")

        assert shown["tries"] <= 2
        await until(lambda: any(line["action"] == "warm.failed" for line in one.lines))


async def test_one_ahead_whose_command_cannot_be_run_is_tried_again_later(tmp_path: Path) -> None:
    """Each time a little later."""
    async with stage(tmp_path, avatar(command=("/nowhere/at/all",), warm=1)) as one:
        await until(lambda: sum(line["action"] == "warm.failed" for line in one.lines) == 2)
        times = [line["why"] for line in one.lines if line["action"] == "warm.failed"]

        assert times == ["/nowhere/at/all: No such file or directory"] * 2
        assert [path.name for path in one.state.iterdir()] == ["lock"]


async def told(one: Stage, body: bytes, key: str = KEY) -> int:
    """The status of a webhook, signed as LiveKit does."""
    headers = {"Authorization": sign(body, key=key, secret=SECRET, now=epoch_ms())}
    async with one.http.post(f"{one.launcher.url}/webhook", data=io.BytesIO(body), headers=headers) as answer:
        return answer.status


async def test_a_webhook_has_its_room_looked_at_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next look would be in minutes. One that is not LiveKit's is refused, and one of no room is no news."""
    monkeypatch.setattr("dispatcher.launcher.looks.LOOK_S", 300.0)
    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        await one.livekit.rooms.close("lobby")
        event = {"event": "room_finished", "room": {"name": "lobby", "sid": "RM_1"}, "createdAt": int(time.time())}
        elsewhere = {**event, "room": {"name": "elsewhere", "sid": "RM_2"}}

        assert await told(one, json.dumps(event).encode(), key="another") == 401
        assert await told(one, b"{}") == 200
        assert await told(one, json.dumps(elsewhere).encode()) == 200
        assert await told(one, json.dumps({"event": "x", "pad": "x" * (5 << 20)}).encode()) == 413
        assert await told(one, json.dumps(event).encode()) == 200
        assert (await one.until(launch_id, "ended"))["why"] in {"room_finished", "exited"}


async def test_forms_that_come_too_slowly_or_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds up to 16 MiB, so only some are read at once."""
    monkeypatch.setattr(requests, "FORM_WITHIN_S", 3.0)
    monkeypatch.setattr(requests, "FORMS_MAX", 1)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}

    async def slowly() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        await asyncio.sleep(60)

    async def sent(one: Stage) -> tuple[int, str]:
        async with one.http.post(f"{one.launcher.url}/launch", data=slowly(), headers=kind) as answer:
            return answer.status, (await answer.json(content_type=None))["error"]

    async with stage(tmp_path) as one:
        assert sorted(await asyncio.gather(sent(one), sent(one))) == [(408, "too_slow"), (503, "busy")]


async def test_a_form_of_too_many_fields_and_a_body_too_large_are_refused(tmp_path: Path) -> None:
    """Before anything of it is on disk."""
    many = b"".join(b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n' % number for number in range(65))
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    async with stage(tmp_path) as one:
        for body, headers, status in (
            (many + b"--b--\r\n", kind, 422),
            (b'{"room": "' + b"x" * (9 << 20), {"Content-Type": "application/json"}, 413),
        ):
            async with one.http.post(f"{one.launcher.url}/launch", data=io.BytesIO(body), headers=headers) as answer:
                assert answer.status == status
        assert one.launcher.pool.launches == {}
        assert (await one.get(f"/v1/launches/{await one.launch()}/log?lines=0"))["status"] == 400
