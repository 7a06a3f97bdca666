"""What holds a drive back: turns where calls are limited, pauses, and a project that fails."""

import asyncio

import pytest

from dispatcher.config import ApiRateLimit
from dispatcher.core.facts import Ms
from dispatcher.core.timing import SLOT_MS
from dispatcher.engine.observer import PROBES
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import Reason, Unavailable
from tests.unit.core.world import LOBBY, person, rule
from tests.unit.desk import KEY, PROJECT, Desk, Staged, fails, for_ever, until

SLACK: Ms = 300  # a busy machine's own time passes too
ONE_LOOK_A_SECOND = ApiRateLimit(calls_per_second=4, burst=4)
DOWN = fails(Unavailable, Reason.UNREACHABLE)
REFUSED = fails(Unavailable, Reason.LIMITED, retry_after=7.0)


async def joined(limit: ApiRateLimit | None = None) -> Desk:
    """Alice is in the lobby, and her webhook in the ledger."""
    desk = Desk(rule("greeter", "greeter", "backup"), livekit=Staged(person()), api_rate_limit=limit)
    await desk.hear(who=person())
    return desk


async def limited() -> Desk:
    """The next look's turn is a second away."""
    desk = await joined(ONE_LOOK_A_SECOND)
    await desk.reconciler.pacer.to_look(PROJECT, ONE_LOOK_A_SECOND)
    return desk


async def test_a_look_waits_for_its_turn_and_keeps_it() -> None:
    """Nobody is asked before; whoever looks in meanwhile does not take another; at its turn it is looked at."""
    desk = await limited()
    assert await desk.drive() == pytest.approx(1_000, abs=SLACK)
    desk.watch.later(500)
    await desk.hear(who=person())
    assert await desk.drive() == pytest.approx(500, abs=SLACK)
    assert desk.livekit.calls == []
    desk.watch.later(500 + SLACK)
    await desk.drive()
    assert desk.livekit.calls == ["look", "create"]
    assert await desk.reconciler.pacer.to_look(PROJECT, ONE_LOOK_A_SECOND) == pytest.approx(1_000, abs=SLACK)


async def test_a_successor_keeps_the_turn() -> None:
    """It is in the record: a process that starts now looks at it."""
    desk = await limited()
    await desk.drive()
    desk.watch.later(1_000 + SLACK)
    desk.reconciler = desk.started()
    await desk.drive()
    assert desk.livekit.calls == ["look", "create"]


async def test_a_turn_that_was_not_used_is_lost() -> None:
    """Then another is taken."""
    desk = await limited()
    await desk.drive()
    desk.watch.later(1_000 + SLOT_MS + SLACK)
    for _ in range(2):
        await desk.reconciler.pacer.to_look(PROJECT, ONE_LOOK_A_SECOND)
    assert await desk.drive() == pytest.approx(2_000, abs=SLACK)
    assert desk.livekit.calls == []


async def test_a_limit_that_a_reload_has_lifted_holds_nobody_back() -> None:
    """Whatever turn was taken before."""
    desk = await limited()
    await desk.drive()
    desk.reload(api_rate_limit=None)
    await desk.hear(who=person())
    await desk.drive()
    assert desk.livekit.calls == ["look", "create"]
    assert (await desk.session()).slot_at == 0


async def test_q5_a_refused_look_slows_the_project_down() -> None:
    """It is looked at again when LiveKit said so, and others half as often."""
    desk = await joined(ONE_LOOK_A_SECOND)
    desk.livekit.before("look", REFUSED)
    assert await desk.drive() == 7_000
    desk.watch.later(60_000)
    assert [await desk.reconciler.pacer.to_look(PROJECT, ONE_LOOK_A_SECOND) for _ in range(2)] == [0, 2_000]


async def test_q5_a_refused_create_slows_the_project_down() -> None:
    """The number is burnt, the try is not counted."""
    desk = await joined(ONE_LOOK_A_SECOND)
    desk.livekit.before("create", REFUSED)
    await desk.drive()
    assert (await desk.session()).assignments[0].tries == 0
    desk.watch.later(60_000)
    assert [await desk.reconciler.pacer.to_look(PROJECT, ONE_LOOK_A_SECOND) for _ in range(2)] == [0, 2_000]


async def test_a_paused_agent_is_not_asked_for_until_it_is_paused_no_longer() -> None:
    """The assignment rests, held; told when it goes on."""
    desk = await joined()
    desk.reload(paused=frozenset({"greeter", "backup"}))
    assert await desk.drive() is None
    assert desk.livekit.calls == ["look"]
    assert [(one.state, one.agent) for _, one in await desk.ledger.standings()] == [("paused", "greeter")]
    desk.reload(paused=frozenset())
    await desk.hear("reloaded")
    await desk.drive()
    assert desk.livekit.calls == ["look", "look", "create"]
    assert [line["action"] for line in desk.lines] == [
        "assignment.created",
        "assignment.paused",
        "assignment.resumed",
        "dispatch.requested",
    ]


async def test_a_pause_leads_to_the_fallback() -> None:
    """At once, and only for who waits: the agent that serves stays."""
    desk = await joined()
    desk.reload(paused=frozenset({"greeter"}))
    await desk.drive()
    assert [one.agent for one in desk.livekit.lives[LOBBY.sid].dispatches] == ["backup"]


async def test_a_drive_ends_under_what_was_in_force_when_it_began() -> None:
    """A reload in its middle is for the next one: no half of each."""
    desk = await joined()

    async def reload() -> None:
        desk.reload(paused=frozenset({"greeter", "backup"}), rules=())

    desk.livekit.before("look", reload)
    await desk.drive()
    assert desk.livekit.calls == ["look", "create"]
    assert desk.said("rule.removed") == []


async def test_a_project_that_fails_is_looked_at_a_few_at_a_time() -> None:
    """Its LiveKit hangs: all but some of its sessions are put down at once; when it answers, all are looked at."""
    desk = await joined()
    desk.livekit.before("look", DOWN)
    await desk.drive()
    assert desk.value("livekit_consecutive_failures", project=PROJECT) == 1
    desk.livekit.before("look", *[for_ever] * PROBES)
    keys = [Key(PROJECT, f"room-{number}", f"RM_{number}") for number in range(PROBES + 1)]
    for key in keys:
        await desk.hear(key=key)
    held, _ = await desk.ledger.claim(PROBES + 1)
    hanging = [asyncio.create_task(desk.reconciler.drive(one)) for one in held[:PROBES]]
    await until(lambda: desk.livekit.calls.count("look") == PROBES + 1)
    assert await desk.reconciler.drive(held[PROBES]) == 1_000
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    desk.watch.later(1_000)
    await desk.drive_on(0)
    assert desk.value("livekit_consecutive_failures", project=PROJECT) == 0
    assert [line["project"] for line in desk.said("look.recovered")] == [PROJECT]
    assert (await desk.life(KEY)).due_at is not None
