"""A launcher's ordinary life: real processes, and a fake LiveKit that shows who is in the room."""

import asyncio
import json
from pathlib import Path

import pytest

from dispatcher.config import Secret
from dispatcher.testing import FakeLiveKit
from tests.launcher.launched import FAST, Stage, alive, avatar, restaged, stage, token, until


async def test_a_process_is_started_and_seen_in_the_room(tmp_path: Path) -> None:
    """It is joined when LiveKit shows its token's identity as ACTIVE, and not before."""
    async with stage(tmp_path) as one:
        status, answer = await one.post()
        shown = await one.until(answer["id"], "joined")

        assert status == 200
        assert answer == {"status": "success", "message": "Worker launched for room: lobby", "id": answer["id"]}
        assert "avatar" in one.identities()
        assert shown["joined_after_ms"] > 0
        assert shown["rss_bytes"] > 1 << 20
        assert alive(answer["id"]) == [shown["pid"]]


async def test_the_same_token_again_is_the_same_process(tmp_path: Path) -> None:
    """A client that repeats a request whose answer was lost starts nothing more; nor does one that keeps the token."""
    async with stage(tmp_path) as one:
        spent = token()
        first, again = await asyncio.gather(one.launch(token=spent), one.launch(token=spent))
        await one.until(first, "joined")
        third = await one.launch(token=spent)
        await one.stop(first)
        status, answer = await one.post(token=spent)

        assert first == again == third
        assert (status, answer["error"]) == (409, "token_spent")
        assert alive(first) == []


async def test_another_token_for_the_same_identity_replaces_the_process(tmp_path: Path) -> None:
    """The old one is gone before the new one starts, and the room has one of them; another identity is another one."""
    async with stage(tmp_path, avatar(limit=2)) as one:
        old = await one.launch()
        before = await one.until(old, "joined")
        other = await one.launch(token=token(identity="second"))
        new = await one.launch()
        after = await one.until(new, "joined")
        ended = await one.until(old, "ended")

        assert (ended["why"], alive(old)) == ("replaced", [])
        assert after["pid"] != before["pid"]
        assert sorted(one.identities()) == ["agent-1", "alice", "avatar", "second"]
        assert len({old, other, new}) == 3


async def test_two_replacements_at_once_leave_one_process(tmp_path: Path) -> None:
    """A replacement that is replaced while it waits never starts a process."""
    async with stage(tmp_path, avatar("stubborn", stop_within=700)) as one:
        first = await one.launch()
        await one.until(first, "joined")
        second, third = await one.launch(), await one.launch()
        await one.until(third, "joined")
        skipped = await one.until(second, "ended")

        assert (skipped["why"], skipped["tries"]) == ("replaced", 0)
        assert one.identities().count("avatar") == 1


async def test_what_was_sent_beside_reaches_the_process_and_secrets_do_not_leak(tmp_path: Path) -> None:
    """Fields come as one line on its standard input; its environment is ours by a list, its arguments hold no token."""
    settings = avatar("telling", env={"MODEL": Secret("small")}, passed=("PATH", "NOT_SET"))
    async with stage(tmp_path, settings) as one:
        given = token()
        launch_id = await one.launch(token=given, avatar_id="A1", nested={"deep": [1]})
        await one.until(launch_id, "joined")
        log = await one.text(f"/v1/launches/{launch_id}/log")
        told = dict(line.split(" ", 1) for line in log.splitlines())
        order = json.loads(told["line"])

        environment = {"DISPATCHER_LAUNCH", "LIVEKIT_ROOM", "LIVEKIT_TOKEN", "LIVEKIT_URL", "LIVEKIT_WS_URL", "MODEL"}
        names = set(json.loads(told["environment"].replace("'", '"')))
        assert names - {"LC_CTYPE"} == environment | {"PATH", "PYTHONUNBUFFERED"}
        assert told["arguments"] == "['telling']"
        assert order["fields"] == {"avatar_id": "A1", "nested": {"deep": [1]}}
        assert (order["room_name"], order["identity"], order["id"]) == ("lobby", "avatar", launch_id)
        assert given not in log
        assert order["token"] == "***"
        assert given not in json.dumps(one.lines)
        assert not [path for path in one.state.rglob("*") if path.is_file() and given.encode() in path.read_bytes()]


async def test_a_process_that_was_started_ahead_gets_its_order_on_its_standard_input(tmp_path: Path) -> None:
    """And another one takes its place."""
    async with stage(tmp_path, avatar("ahead", warm=1, limit=3)) as one:
        pool = one.launcher.pool
        await until(lambda: pool.warm("avatar") == 1)
        launch_id = await one.launch()
        shown = await one.until(launch_id, "joined")
        await until(lambda: pool.warm("avatar") == 1)

        assert (shown["start"], shown["tries"]) == ("warm", 1)
        assert (await one.get("/readyz"))["free"] == {"avatar": 2}


async def test_processes_ahead_give_way_to_launches(tmp_path: Path) -> None:
    """No more processes than the limit run, those that wait included."""
    async with stage(tmp_path, avatar("ahead", warm=2, limit=2)) as one:
        pool = one.launcher.pool
        await until(lambda: pool.warm("avatar") == 2)
        first = await one.launch()
        second = await one.launch(token=token(identity="second"))
        await one.until(first, "joined")
        await one.until(second, "joined")

        assert pool.warm("avatar") == 0
        assert (await one.post(token=token(identity="third")))[0] == 503


async def test_a_process_ahead_that_dies_is_told_of_and_a_cold_one_starts(tmp_path: Path) -> None:
    """One that cannot be started ahead costs time, and no launch."""
    async with stage(tmp_path, avatar("joined", warm=1)) as one:  # which needs its environment, and so fails
        await until(lambda: any(line["action"] == "warm.failed" for line in one.lines))
        shown = await one.until(await one.launch(), "joined")

        assert shown["start"] == "cold"


async def test_at_capacity_nothing_is_started_and_a_balancer_sees_it(tmp_path: Path) -> None:
    """503 with Retry-After; `/readyz` says so before anybody asks, and free places while there are some."""
    async with stage(tmp_path, avatar(limit=1), avatar(name="spare", limit=1)) as one:
        before = await one.get("/readyz?launcher=avatar")
        await one.launch()
        async with one.http.post(
            f"{one.launcher.url}/launch", json={"room_name": "lobby", "token": token(identity="second")}
        ) as answer:
            refused = answer.status, answer.headers["Retry-After"], (await answer.json(content_type=None))["error"]

        assert before == {"ready": True, "free": {"avatar": 1}}
        assert refused == (503, "5", "at_capacity")
        assert await one.get("/readyz") == {"ready": True, "free": {"avatar": 0, "spare": 1}}
        assert (await one.get("/readyz?launcher=avatar"))["reason"] == "at_capacity"
        assert (await one.post(path="/launch/spare", token=token(identity="third")))[0] == 200
        assert (await one.post(path="/launch/nobody"))[0] == 404


async def test_a_limit_of_zero_means_none(tmp_path: Path) -> None:
    """0 is no word for "without end"."""
    async with stage(tmp_path, avatar(limit=0)) as one:
        assert (await one.post())[0] == 503


async def test_the_room_s_end_ends_the_process(tmp_path: Path) -> None:
    """Whether it notices itself or not."""
    async with stage(tmp_path, avatar("stubborn", stop_within=100)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        await one.livekit.rooms.close("lobby")
        ended = await one.until(launch_id, "ended")

        assert (ended["why"], ended["exit_signal"], alive(launch_id)) == ("room_finished", "SIGKILL", [])


async def test_a_webhook_makes_the_launcher_look_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LiveKit tells the launcher, too, a room's end is known before the next look is due."""
    monkeypatch.setattr("dispatcher.launcher.looks.LOOK_S", 300.0)
    async with stage(tmp_path, avatar("stubborn", stop_within=0)) as one:
        fake = one.livekit
        fake.webhook_url = f"{one.launcher.url}/webhook"
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        await fake.rooms.close("lobby")
        ended = await one.until(launch_id, "ended")

        assert ended["why"] == "room_finished"


async def test_the_end_of_the_agent_that_it_speaks_for_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once that one has been gone for a while: it may only be reconnecting."""
    monkeypatch.setattr("dispatcher.launcher.judgement.OWNER_GONE_MS", 300)
    async with stage(tmp_path) as one:
        launch_id = await one.launch(token=token(behalf="agent-1"))
        await one.until(launch_id, "joined")
        await one.livekit.rooms.leave("lobby", "agent-1")
        ended = await one.until(launch_id, "ended")

        assert (ended["why"], ended["exit_code"]) == ("owner_left", 0)


async def test_who_was_removed_from_the_room_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's `aclose` removes its avatar; a process that stays is of no use."""
    monkeypatch.setattr("dispatcher.launcher.judgement.MISSING_MS", 300)
    async with stage(tmp_path, avatar("stubborn", stop_within=0)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        await one.livekit.rooms.leave("lobby", "avatar", "PARTICIPANT_REMOVED")

        assert (await one.until(launch_id, "ended"))["why"] == "left"


async def test_nobody_lives_longer_than_allowed(tmp_path: Path) -> None:
    """Whatever LiveKit shows."""
    async with stage(tmp_path, avatar(max_life=1_500)) as one:
        assert (await one.until(await one.launch(), "ended"))["why"] == "max_life"


async def test_who_never_joins_is_started_once_more_and_then_given_up(tmp_path: Path) -> None:
    """A room without it is a failure, and told as one."""
    async with stage(tmp_path, avatar("absent", join_within=500, stop_within=0)) as one:
        launch_id = await one.launch()
        ended = await one.until(launch_id, "ended")

        assert (ended["why"], ended["tries"], ended["joined_after_ms"]) == ("no_show", 2, None)
        assert one.said(launch_id).count("launch.started") == 2
        assert alive(launch_id) == []


async def test_who_fails_at_its_start_is_started_once_more(tmp_path: Path) -> None:
    """And may join then."""
    async with stage(tmp_path, avatar("once", str(tmp_path))) as one:
        launch_id = await one.launch()
        shown = await one.until(launch_id, "joined")

        assert shown["tries"] == 2
        assert "launch.retried" in one.said(launch_id)


async def test_in_a_room_that_is_over_nobody_is_started_once_more(tmp_path: Path) -> None:
    """Its process would open the room again, and be alone there."""
    async with stage(tmp_path, avatar("failing")) as one:
        ended = await one.until(await one.launch("elsewhere"), "ended")

        assert (ended["why"], ended["tries"], ended["exit_code"]) == ("crashed", 1, 3)


async def test_while_livekit_does_not_answer_nobody_is_judged(tmp_path: Path) -> None:
    """A look that failed is not an empty room: the process goes on, and is seen when LiveKit answers again."""
    async with stage(tmp_path, avatar(join_within=1_000)) as one:
        one.livekit.faults.fail("ListParticipants", times=10_000)
        launch_id = await one.launch()
        await until(lambda: "avatar" in one.identities())
        await asyncio.sleep(1.2)
        assert (await one.get(f"/v1/launches/{launch_id}"))["state"] == "starting"
        assert "launch.unseen" in one.said(launch_id)


async def test_a_command_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """500, nothing runs, and the same token may be tried again when it is."""
    async with stage(tmp_path, avatar(command=("/nowhere/at/all",))) as one:
        spent = token()
        answers = [await one.post(token=spent) for _ in range(2)]

        assert [(status, answer["error"]) for status, answer in answers] == [(500, "not_started")] * 2
        ended = [line for line in one.lines if line["action"] == "launch.ended"]
        assert [(line["why"], line["says"]) for line in ended] == [
            ("not_started", "/nowhere/at/all: No such file or directory")
        ] * 2


async def test_stopped_means_that_nothing_of_it_runs(tmp_path: Path) -> None:
    """The answer comes when it is true; a second order is answered alike."""
    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        first, again = await one.stop(launch_id), await one.stop(launch_id)

        assert (first["why"], first["state"], alive(launch_id)) == ("stopped", "ended", [])
        assert again["why"] == "stopped"
        assert (await one.get("/v1/launches"))["launches"] == []
        assert [shown["id"] for shown in (await one.get("/v1/launches?ended=true"))["launches"]] == [launch_id]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/launches?ended=maybe", 400),
        (f"/v1/launches?limit={'9' * 5_000}", 400),  # of more digits than Python reads
        ("/v1/launches/unknown", 404),
        ("/v1/launches/unknown/log", 404),
        ("/readyz?launcher=unknown", 404),
    ],
)
async def test_what_the_api_is_asked_wrongly_is_a_problem(tmp_path: Path, path: str, status: int) -> None:
    """With the name of what is wrong."""
    async with stage(tmp_path) as one:
        assert (await one.get(path))["status"] == status


async def test_the_api_needs_its_token(tmp_path: Path) -> None:
    """Whoever may launch may not therefore see or stop what others have launched."""
    async with stage(tmp_path) as one, one.http.get(f"{one.launcher.url}/v1/launches") as answer:
        assert answer.status == 401


async def test_the_launcher_ends_its_processes_together_when_it_stops(tmp_path: Path) -> None:
    """Each has its whole time for that, and all together take no longer than one."""
    async with stage(tmp_path, avatar("stubborn", stop_within=1_000)) as one:
        ids = [await one.launch(token=token(identity=f"avatar-{number}")) for number in range(4)]
        for launch_id in ids:
            await one.until(launch_id, "joined")
    ends = [line for line in one.lines if line["action"] == "launch.ended"]

    assert [line["why"] for line in ends] == ["shutdown"] * 4
    assert [pid for launch_id in ids for pid in alive(launch_id)] == []


async def test_a_launcher_that_waits_lets_its_processes_end_by_themselves(tmp_path: Path) -> None:
    """`on_stop: wait`, and it takes nobody more meanwhile."""
    async with FakeLiveKit(timings=FAST) as fake, restaged(fake, tmp_path, avatar(on_stop="wait")) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        one.launcher.pool.refuse()
        refused, ready = await one.post(token=token(identity="late")), await one.get("/readyz")
        asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(fake.rooms.close("lobby")))
    ended = next(line for line in one.lines if line["action"] == "launch.ended")

    assert (refused[0], refused[1]["error"], ready["reason"]) == (503, "stopping", "stopping")
    assert (ended["why"], ended["exit_code"]) == ("exited", 0)


async def test_the_metrics_are_the_launcher_s(tmp_path: Path) -> None:
    """From the start, with every result and reason; nothing of the dispatcher's."""
    async with stage(tmp_path) as one:
        await one.until(await one.launch(), "joined")
        shown = await one.text("/metrics")

        assert 'livekit_dispatcher_launches_total{launcher="avatar",result="launched"} 1.0' in shown
        assert 'livekit_dispatcher_launch_ends_total{launcher="avatar",why="no_show"} 0.0' in shown
        assert 'livekit_dispatcher_launched{launcher="avatar"} 1.0' in shown
        assert 'livekit_dispatcher_launch_join_seconds_count{launcher="avatar",start="cold"} 1.0' in shown
        assert "livekit_dispatcher_webhooks" not in shown


async def stopped(one: Stage, launch_id: str, bearer: str, query: str = "") -> tuple[int, str]:
    """What an order to stop is answered, with this token."""
    headers = {"Authorization": f"Bearer {bearer}"}
    async with one.http.post(f"{one.launcher.url}/v1/launches/{launch_id}/stop{query}", headers=headers) as answer:
        said = await answer.json()
        return answer.status, said.get("error", said.get("state"))


async def test_whoever_has_a_token_for_a_launch_s_room_and_identity_may_stop_it(tmp_path: Path) -> None:
    """As whoever has started it has; another one's does not say that there is such a launch."""
    async with stage(tmp_path) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        others = (token(identity="second"), token("hall"), token(kind="standard"))

        assert {await stopped(one, launch_id, other) for other in others} == {(404, "unknown_launch")}
        assert await stopped(one, "no-such", token()) == (404, "unknown_launch")
        assert await stopped(one, launch_id, token(secret="another-secret-of-32-characters-")) == (401, "unauthorized")
        assert await stopped(one, launch_id, token(), "?wait=perhaps") == (400, "bad_request")
        assert alive(launch_id)
        assert await stopped(one, launch_id, token()) == (200, "ended")
        assert alive(launch_id) == []
        assert await stopped(one, launch_id, token(), "?wait=false") == (200, "ended")


async def test_who_does_not_wait_for_the_end_is_answered_at_once(tmp_path: Path) -> None:
    """It ends all the same."""
    async with stage(tmp_path, avatar("stubborn", stop_within=300)) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")

        assert (await stopped(one, launch_id, token(), "?wait=false"))[1] != "ended"
        assert (await one.until(launch_id, "ended"))["why"] == "stopped"


async def test_a_launch_for_one_life_of_a_room_joins_no_other(tmp_path: Path) -> None:
    """Of another SID it is ended before it has joined, and starts no second process; of this one it goes on."""
    async with stage(tmp_path, avatar("absent")) as one:
        sid = one.livekit._world.rooms["lobby"].info.sid  # noqa: SLF001
        of_another = await one.launch(room_sid="RM_another")
        ended = await one.until(of_another, "ended")
        of_this = await one.launch(room_sid=sid, token=token(identity="second"))
        await asyncio.sleep(0.5)

        assert (ended["why"], ended["tries"], ended["joined_after_ms"]) == ("room_finished", 1, None)
        assert alive(of_this)
        assert (await one.get(f"/v1/launches/{of_this}"))["state"] == "starting"


async def test_a_process_that_fails_is_not_started_again_where_its_room_is_another_one(tmp_path: Path) -> None:
    """The room that it was asked for may have ended while it ran."""
    async with stage(tmp_path, avatar("failing")) as one:
        ended = await one.until(await one.launch(room_sid="RM_another"), "ended")

        assert ended["tries"] == 1
