"""What the reconciler does beyond the first create: it takes its turn, takes back what is too much, or only says so."""

import asyncio

import pytest
from msgspec.structs import replace

from dispatcher.config import CreateRate
from dispatcher.core.facts import ROOM_FINISHED, SWEPT, Ms, Room, RoomSid
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Verdict
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import Reason, Unavailable, Unknown
from tests.unit.core.world import LOBBY, agent, job, person, tagged
from tests.unit.desk import KEY, PROJECT, Desk, Staged, fails

SLACK: Ms = 300
ONE_A_SECOND = CreateRate(per_second=1, burst=1)


# Paced --------------------------------------------------------------------------------------------------------------


async def paced(rooms: int, pace: CreateRate = ONE_A_SECOND) -> tuple[Desk, list[Key]]:
    """So many rooms with somebody in each, all heard of and driven once, in order."""
    livekit = Staged(person())
    desk = Desk(livekit=livekit, create_rate=pace)
    keys = [KEY]
    for number in range(2, rooms + 1):
        sid = RoomSid(f"RM_{number}")
        livekit.lives[sid] = RoomSnapshot(room=Room(sid=sid, name=f"room-{number}"), participants=(person(),))
        keys.append(Key(PROJECT, f"room-{number}", sid))
    for key in keys:
        await desk.hear(who=person(), key=key)
        await desk.drive()
    return desk, keys


def asked(desk: Desk, key: Key) -> bool:
    """Whether LiveKit was asked for the room's agent."""
    return bool(desk.livekit.dispatches(RoomSid(key.sid)))


async def test_who_has_no_slot_yet_is_due_when_it_comes() -> None:
    """The first goes at once, the others a second apart."""
    desk, (first, second, third) = await paced(3)
    assert [asked(desk, key) for key in (first, second, third)] == [True, False, False]
    assert await desk.due_in(second) == pytest.approx(1_000, abs=SLACK)
    assert await desk.due_in(third) == pytest.approx(2_000, abs=SLACK)


async def test_a_slot_is_asked_for_once() -> None:
    """At its turn the second goes, on a new look, and takes no other slot: the next one in line is not put off."""
    desk, (_, second, third) = await paced(3)
    desk.watch.later(await desk.due_in(second) or 0)
    await desk.drive()
    assert asked(desk, second)
    desk.watch.later(await desk.due_in(third) or 0)
    await desk.drive_on(0)
    assert asked(desk, third)


async def test_a_slot_that_was_not_used_within_five_seconds_is_asked_for_anew() -> None:
    """Nobody was there to drive: two sessions whose turns are long gone do not go together."""
    desk, (_, second, third) = await paced(3)
    desk.watch.later(8_000)
    await desk.drive_on(0)
    assert sorted(asked(desk, key) for key in (second, third)) == [False, True]
    await desk.drive_on(1_000 + SLACK)
    assert asked(desk, second)
    assert asked(desk, third)


async def test_a_slot_not_used_for_a_while_still_counts() -> None:
    """Within five seconds of its turn a session goes, though the pace would now say otherwise."""
    desk, (_, second, third) = await paced(3)
    desk.watch.later(5_500)
    await desk.drive_on(0)
    assert asked(desk, second)
    assert asked(desk, third)


async def test_a_burst_goes_at_once() -> None:
    """As many as the configuration allows."""
    desk, keys = await paced(3, CreateRate(per_second=1, burst=2))
    assert [asked(desk, key) for key in keys] == [True, True, False]


# Taken back ---------------------------------------------------------------------------------------------------------

FIRST = tagged(1, "greeter", "AD_1", "greeter", job("agent-AJ_1"))
SECOND = tagged(2, "greeter", "AD_2", "greeter", job("agent-AJ_2"))
EARLY = agent("agent-AJ_1", joined_at=LOBBY.created_at + 1_000)
LATE = agent("agent-AJ_2", joined_at=LOBBY.created_at + 2_000)


async def two_agents() -> Desk:
    """Two agents of ours for one assignment are in the lobby, and the sweep has found it."""
    desk = Desk(livekit=Staged(person(), EARLY, LATE))
    desk.livekit.show(dispatches=(FIRST, SECOND))
    await desk.hear(SWEPT)
    return desk


def there(desk: Desk) -> tuple[list[str], list[str]]:
    """The agents and the dispatches that LiveKit shows."""
    snapshot = desk.livekit.lives[LOBBY.sid]
    return [one.identity for one in snapshot.participants if one.is_agent], [one.id for one in snapshot.dispatches]


async def test_of_two_agents_the_later_one_goes_and_its_dispatch_after_it() -> None:
    """The agent first, or it could be orphaned; the dispatch once a look shows that the agent has gone."""
    desk = await two_agents()
    await desk.drive()
    assert there(desk) == (["agent-AJ_1"], ["AD_1", "AD_2"])
    await desk.drive_on(2_000)
    assert there(desk) == (["agent-AJ_1"], ["AD_1"])
    acts = [call for call in desk.livekit.calls if call != "look"]
    assert acts == ["remove", "delete"]
    assert desk.livekit.calls.index("delete") > desk.livekit.calls.index("remove") + 1, "a look in between"
    assert [line["part"] for line in desk.said("attempt.retracted")] == ["agent", "dispatch"]
    assert desk.value("surplus_agents_total", action="removed") == 1


async def test_what_could_not_be_taken_back_is_tried_again_later_each_time() -> None:
    """LiveKit fails or does not answer: the tries come further and further apart, and the serving agent stays."""
    desk = await two_agents()
    desk.livekit.before("remove", fails(Unknown, Reason.TIMEOUT), fails(Unavailable, Reason.UNREACHABLE))
    waits = []
    for _ in range(2):
        await desk.drive()
        waits.append(await desk.due_in() or 0)
        desk.watch.later(waits[-1])
    assert waits[0] == pytest.approx(500, abs=125 + SLACK)
    assert waits[1] == pytest.approx(1_000, abs=250 + SLACK)
    assert there(desk)[0] == ["agent-AJ_1", "agent-AJ_2"]
    assert [line["reason"] for line in desk.said("attempt.retracted")] == ["timeout", "unreachable"]
    assert desk.value("surplus_agents_total", action="removed") == 0
    await desk.drive_on(10_000)
    assert there(desk) == (["agent-AJ_1"], ["AD_1"])


async def test_an_agent_that_has_left_by_itself_is_not_removed_again() -> None:
    """Between two tries it went: only its dispatch is left to delete."""
    desk = await two_agents()
    desk.livekit.before("remove", fails(Unknown, Reason.TIMEOUT))
    await desk.drive()
    desk.livekit.show(participants=(person(), EARLY))
    await desk.drive_on(5_000)
    assert desk.livekit.calls.count("remove") == 1
    assert there(desk) == (["agent-AJ_1"], ["AD_1"])


async def test_law_3_a_lease_that_is_lost_before_taking_back_takes_nothing_back() -> None:
    """It was long enough for the look and is not for the removal: asking for more of it shows that it is gone."""
    desk = await two_agents()
    handover = await desk.claim()

    async def overtaken() -> None:
        await asyncio.sleep(0.35)  # the reconciler's own clock: 7.3 s of the lease become less than 7
        desk.watch.later(LEASE_MS)
        await desk.claim()

    desk.livekit.after("look", overtaken)
    assert await desk.reconciler.drive(replace(handover, now=handover.lease.until - 7_300)) is None
    assert desk.livekit.calls == ["look"]
    assert there(desk)[0] == ["agent-AJ_1", "agent-AJ_2"]
    assert desk.said("lease.lost")


async def test_law_13_an_agent_that_nobody_here_asked_for_stays() -> None:
    """A dispatch that is not ours brought it beside the agent that serves: it is reported, and nothing is removed."""
    desk = await two_agents()
    desk.livekit.show(dispatches=(FIRST, replace(SECOND, tag="")))
    await desk.drive_on(15_000)
    assert there(desk) == (["agent-AJ_1", "agent-AJ_2"], ["AD_1", "AD_2"])
    assert [line["agent"] for line in desk.said("agent.unrequested")] == ["greeter"]
    assert desk.value("surplus_agents_total", action="reported") == 1


async def test_law_13_an_agent_alone_is_ours_where_the_session_before_had_asked_for_it() -> None:
    """The ledger is asked for that session; it is not where somebody else is in the room, too."""
    desk = Desk(livekit=Staged(person()))
    await desk.hear(who=person())
    await desk.drive()  # asks for the greeter
    await desk.hear(ROOM_FINISHED)
    await desk.drive()
    again = RoomSid("RM_2")
    desk.livekit.lives = {again: RoomSnapshot(room=replace(LOBBY, sid=again), participants=(LATE,))}
    await desk.hear(SWEPT, key=Key(PROJECT, LOBBY.name, again))
    await desk.drive_on(0)

    assert desk.livekit.calls[-2:] == ["look", "remove"]
    assert [line["number"] for line in desk.said("agent.belated")] == [1]
    assert desk.said("agent.unrequested") == []


# Dry ----------------------------------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_it_would_ask_for_and_asks_again_later() -> None:
    """Nothing is created; every 30 s, while somebody waits, it is said once."""
    desk = Desk(livekit=Staged(person()), dry_run=True)
    await desk.hear(who=person())
    await desk.drive()
    assert [line["agent"] for line in desk.said("dispatch.simulated")] == ["greeter"]
    await desk.drive_on(30_000 + SLACK)
    assert len(desk.said("dispatch.simulated")) == 2
    assert set(desk.livekit.calls) == {"look"}


async def test_a_dry_run_takes_no_slot() -> None:
    """Beside a real one it would make that wait."""
    desk = Desk(livekit=Staged(person()), dry_run=True, create_rate=ONE_A_SECOND)
    await desk.hear(who=person())
    await desk.drive()
    assert (await desk.ledger.pace(f"{PROJECT}/greeter", interval=1_000, burst=1)).wait == 0


async def test_a_dry_run_removes_nothing() -> None:
    """Another of the same name may be at work here: its agents and dispatches are not this one's to take back."""
    desk = await two_agents()
    desk.dry_run = True
    desk.reconciler = desk.started()
    await desk.drive_on(10_000)
    assert there(desk) == (["agent-AJ_1", "agent-AJ_2"], ["AD_1", "AD_2"])
    assert set(desk.livekit.calls) == {"look"}
    assert desk.value("surplus_agents_total", action="removed") == 0


async def test_a_verdict_survives_the_backoff_of_its_taking_back() -> None:
    """What is too much stays so however long its removal takes."""
    desk = await two_agents()
    desk.livekit.before("remove", *8 * [fails(Unknown, Reason.TIMEOUT)])
    await desk.drive_on(20_000)
    verdicts = [attempt.verdict for attempt in (await desk.session()).assignments[0].attempts]
    assert verdicts == [None, Verdict.SURPLUS]
