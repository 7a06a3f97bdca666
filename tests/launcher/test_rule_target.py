"""A rule whose agent is a launcher: the service, launchers with real processes, and a fake LiveKit that shows them."""

import dataclasses
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from dispatcher.client.dispatcher import Dispatcher
from dispatcher.config import LauncherSettings
from dispatcher.core.plan import Create
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.session import Attempt, State
from dispatcher.core.tags import Tags
from dispatcher.launcher.launch import Launch, LaunchEnd
from dispatcher.livekit.join_token import JoinSigner
from dispatcher.runtime.signing import ProjectSigner
from dispatcher.testing import DEV_KEYS, FakeLiveKit
from tests.integration.house import TOKEN, House, house
from tests.launcher.launched import FAST, Stage, alive, avatar, epoch_ms, restaged, until

AVATAR = Target("", launcher="avatar")
SOON = dataclasses.replace(FAST, lost=0.3)
PATIENT = Policy(targets=(AVATAR,), confirm_within=20_000, join_within=60_000, min_stay=0, retry_every=300)


def rule(*targets: Target, **policy: object) -> Rule:
    """Whoever joins gets what these start, or dispatch."""
    return Rule(name="line", policy=replace(PATIENT, targets=targets or (AVATAR,), **policy))


def urls(*stages: Stage) -> Mapping[str, tuple[str, ...]]:
    """Where the launchers are asked."""
    return {"avatar": tuple(one.launcher.url for one in stages)}


@asynccontextmanager
async def played(
    tmp_path: Path, *launchers: LauncherSettings, wanted: Rule | None = None
) -> AsyncIterator[tuple[House, list[Stage]]]:
    """The service, and a launcher for each of these settings, at the same LiveKit."""
    async with AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(FakeLiveKit(timings=SOON))
        stages = [
            await stack.enter_async_context(restaged(livekit, tmp_path / str(number), one))
            for number, one in enumerate(launchers or (avatar(),))
        ]
        one = await stack.enter_async_context(house(wanted or rule(), livekit=livekit, launchers=urls(*stages)))
        yield one, stages


async def attempts(here: House, room: str = "hall") -> tuple[Attempt, ...]:
    """Those of the room's only assignment."""
    [assignment] = (await here.session(room)).assignments
    return assignment.attempts


def launches(*stages: Stage, room: str = "hall", running: bool = True) -> list[Launch]:
    """The launches for a room; without those that are over, unless asked for."""
    known = [one for stage in stages for one in stage.launcher.pool.launches.values() if one.room == room]
    return [one for one in known if not (running and one.ended)]


async def joined(here: House, room: str = "hall", **fields: object) -> None:
    """An agent has come, and been seen."""
    await here.told("agent.joined", room=room, within=40, **fields)


async def test_whoever_joins_gets_an_agent_that_a_launcher_starts(tmp_path: Path) -> None:
    """It is told as served when LiveKit shows it, and LiveKit has no dispatch."""
    async with played(tmp_path) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await joined(here, agent="launch:avatar")

        [agent] = here.livekit.rooms.agents_in("hall")
        [one] = await attempts(here)
        [launch] = launches(stage)
        assert agent.identity == one.identities[0] == launch.identity
        assert (one.dispatch, one.serving) == (launch.id, True)
        assert here.livekit.rooms.dispatches_in("hall") == []
        assert here.said("hall") == ["assignment.created", "dispatch.requested", "agent.joined"]
        assert await here.counted("launcher_requests_total") == {
            'livekit_dispatcher_launcher_requests_total{launcher="avatar",result="started"}': 2
        }


async def test_a_process_that_is_killed_is_replaced_and_nothing_of_it_runs(tmp_path: Path) -> None:
    """Where one place is all there is, too."""
    async with played(tmp_path, avatar(limit=1)) as (here, [stage]):
        await here.livekit.rooms.close("lobby")
        await here.livekit.rooms.join("hall", "bob")
        await joined(here, number=1)
        [old] = launches(stage)
        await stage.until(old.id, "joined")
        for pid in alive(old.id):
            os.kill(pid, signal.SIGKILL)
        await here.told("attempt.ended", room="hall", number=1, verdict="crashed", within=40)
        await joined(here, number=2)

        [new] = launches(stage)
        assert new.identity != old.identity
        assert [one.identity for one in here.livekit.rooms.agents_in("hall")] == [new.identity]
        assert alive(old.id) == []


async def test_the_freest_launcher_is_asked_and_then_the_next_target(tmp_path: Path) -> None:
    """Two places on two machines, for three rooms: the third has the fallback, at once."""
    wanted = rule(AVATAR, Target("greeter"))
    async with played(tmp_path, avatar(limit=1), avatar(limit=1), wanted=wanted) as (here, stages):
        await here.livekit.rooms.close("lobby")
        here.livekit.workers.register("greeter")
        for room in ("hall", "attic", "cellar"):
            await here.livekit.rooms.join(room, "bob")
            await joined(here, room=room)

        running = [[one.room for one in stage.launcher.pool.launches.values() if not one.ended] for stage in stages]
        ended = await here.told("attempt.ended", room="cellar", within=20)
        assert sorted(running) == [["attic"], ["hall"]]
        assert (ended["verdict"], ended["reason"]) == ("rejected", "at_capacity")
        assert [one.target.name for one in await attempts(here, "cellar")] == ["launch:avatar", "greeter"]
        assert len(here.livekit.rooms.agents_in("cellar")) == 1


async def test_a_launcher_that_is_away_makes_way(tmp_path: Path) -> None:
    """For another of its name; with none left, for the fallback. The log says so once, and once that it is back."""
    async with played(tmp_path, wanted=rule(AVATAR, Target("greeter"))) as (here, [stage]):
        away = ("http://127.0.0.1:9",)
        here.livekit.workers.register("greeter")
        wanted = rule(AVATAR, Target("greeter"))
        async with house(wanted, livekit=here.livekit, launchers={"avatar": away}) as other:
            await other.livekit.rooms.join("attic", "bob")
            ended = await other.told("attempt.ended", room="attic", within=20)
            await joined(other, room="attic", agent="greeter")

        told = await other.told("launcher.declined", launcher="avatar")
        assert (ended["verdict"], ended["reason"]) == ("rejected", "unreachable")
        assert (told["url"], told["why"]) == (away[0], "unreachable")
        assert launches(stage, room="attic") == []


async def test_what_does_not_join_is_ended_at_once_and_asked_for_anew(tmp_path: Path) -> None:
    """Its place is free for the next attempt."""
    async with played(tmp_path, avatar("absent", limit=1), wanted=rule(join_within=700)) as (here, [stage]):
        await here.livekit.rooms.close("lobby")
        await here.livekit.rooms.join("hall", "bob")
        await here.told("attempt.ended", room="hall", number=1, verdict="no_show", within=40)
        retracted = await here.told("attempt.retracted", room="hall", number=1, within=40)
        await here.told("attempt.ended", room="hall", number=2, verdict="no_show", within=40)
        first = launches(stage, running=False)[0]
        await until(lambda: first.ended)

        assert (retracted["part"], "reason" in retracted) == ("launch", False)
        assert (first.end, alive(first.id)) == (LaunchEnd.STOPPED, [])


async def test_a_room_that_ends_takes_what_is_on_its_way_with_it(tmp_path: Path) -> None:
    """Else the process would open the room again, and be alone there."""
    async with played(tmp_path, avatar("slow", "3600")) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await until(lambda: launches(stage))
        [one] = launches(stage)
        await here.livekit.rooms.close("hall")
        await until(lambda: one.ended)

        assert (one.end, one.joined_boot, alive(one.id)) == (LaunchEnd.ROOM_FINISHED, 0, [])
        assert "hall" not in here.livekit.rooms.names()


async def test_law_10_a_ledger_that_is_lost_finds_its_agents_and_starts_no_others(tmp_path: Path) -> None:
    """One that serves bears our tag; one that is on its way is asked for again, with the same token."""
    async with played(tmp_path, avatar("slow", "1.5")) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await until(lambda: launches(stage))
        async with house(rule(), livekit=here.livekit, launchers=urls(stage), sweep_every=1_000) as another:
            await joined(another)
            [one] = launches(stage)
            [serving] = await attempts(another)
            assert (serving.identities, serving.dispatch) == ((one.identity,), one.id)

        async with house(rule(), livekit=here.livekit, launchers=urls(stage), sweep_every=1_000) as third:
            await joined(third)
            [adopted] = await attempts(third)
            assert (adopted.identities, adopted.ours, adopted.serving) == ((one.identity,), True, True)
            assert launches(stage, running=False) == [one]
            assert len(here.livekit.rooms.agents_in("hall")) == 1


async def test_one_agent_stays_of_two(tmp_path: Path) -> None:
    """One that was given up comes after all, while another serves: it is removed, and its process ended."""
    async with played(tmp_path) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await joined(here)
        [one] = launches(stage)
        session = await here.session("hall")
        step = Create(assignment="line", number=9, target=AVATAR)
        tags = Tags("default", ProjectSigner([DEV_KEYS["devkey"]]))
        signer = JoinSigner("devkey", DEV_KEYS["devkey"])
        late = signer.to_launch(
            "hall",
            tags.identity(session, step),
            launcher="avatar",
            tag=tags.of(session, step),
            started_at=epoch_ms(),
        )
        launch_id = await stage.launch("hall", token=late)
        await here.told("attempt.retracted", room="hall", number=9, part="agent", within=40)
        ended = await stage.until(launch_id, "ended")

        assert ended["why"] in {"left", "exited"}
        assert [agent.identity for agent in here.livekit.rooms.agents_in("hall")] == [one.identity]


async def test_what_a_rule_says_reaches_the_process(tmp_path: Path) -> None:
    """Its metadata is a field of what the process reads."""
    told = replace(rule(), metadata=lambda _room, who: who.identity if who else "")
    async with played(tmp_path, avatar("telling"), wanted=told) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await joined(here)
        [one] = launches(stage)
        log = await stage.text(f"/v1/launches/{one.id}/log")

        order = json.loads(next(line for line in log.splitlines() if line.startswith("line")).removeprefix("line "))
        assert order["fields"] == {"metadata": "bob"}
        assert (order["room_name"], order["identity"]) == ("hall", one.identity)


async def test_who_is_cancelled_is_gone_with_its_process(tmp_path: Path) -> None:
    """The agent leaves the room, and its launch is stopped."""
    async with played(tmp_path) as (here, [stage]):
        await here.livekit.rooms.join("hall", "bob")
        await joined(here)
        [one] = launches(stage)
        async with Dispatcher(here.service.admin_url, TOKEN) as dispatcher:
            await dispatcher.cancel("hall", "line")
        await until(lambda: one.ended)
        await until(lambda: not here.livekit.rooms.agents_in("hall"))

        assert alive(one.id) == []
        assert (await here.session("hall")).assignments[0].state is State.FINISHED
