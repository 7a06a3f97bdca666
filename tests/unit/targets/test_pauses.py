"""Pauses by order, over all replicas: those of a test share one ledger, and learn of each other by it alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.pauses import PAUSES_MAX, REASON_MAX, TooManyPaused
from dispatcher.core.session import State
from dispatcher.ledger.interface import MEMO_TTL_MS, SILENT, LedgerUnavailable, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.targets import pauses
from dispatcher.targets.pauses import KEPT_MS, TRIES, PauseBoard
from tests.unit.core.world import NOW, person, rule
from tests.unit.desk import PROJECT, Desk, Staged

HOUR = 3_600_000


def boards(desk: Desk, number: int) -> list[PauseBoard]:
    """Those of so many replicas."""
    return [desk.started().pauses for _ in range(number)]


async def paused(board: PauseBoard, desk: Desk) -> set[str]:
    """Whom this replica gives to nobody now."""
    return set(await board.paused(PROJECT, desk.watch.time))


async def test_an_order_holds_on_every_replica_once_it_has_read_it() -> None:
    """At once where it was given; and so does its end."""
    desk = Desk()
    one, other = boards(desk, 2)
    await other.refresh()
    await one.pause(PROJECT, "greeter", by="maria", lasts=None, reason="deploy")
    assert (await paused(one, desk), await paused(other, desk)) == ({"greeter"}, set())
    await other.refresh()
    assert await paused(other, desk) == {"greeter"}

    await other.resume(PROJECT, "greeter", by="paul")
    await one.refresh()
    assert await paused(one, desk) == await paused(other, desk) == set()
    told = [{name: line[name] for name in ("action", "by", "agent", "msg")} for line in desk.lines]
    assert told == [
        {
            "action": "agent.paused",
            "by": "maria",
            "agent": "greeter",
            "msg": "greeter is paused by maria until somebody resumes it: deploy",
        },
        {
            "action": "agent.resumed",
            "by": "paul",
            "agent": "greeter",
            "msg": "greeter is paused no longer: paul has resumed it",
        },
    ]


async def test_a_replica_that_starts_asks_for_no_paused_agent() -> None:
    """Not even before its loop has run for the first time."""
    desk = Desk(livekit=Staged(person()))
    await desk.reconciler.pauses.pause(PROJECT, "greeter", by="maria", lasts=None)
    desk.reconciler = desk.started()
    await desk.hear()
    await desk.drive()

    assert "create" not in desk.livekit.calls
    assert [one.state for one in (await desk.session()).assignments] == [State.PAUSED]


async def test_who_is_resumed_is_asked_for_whichever_replica_drives() -> None:
    """Also by one that has not read the pauses since."""
    desk = Desk(livekit=Staged(person()))
    await desk.reconciler.pauses.pause(PROJECT, "greeter", by="maria", lasts=None)
    await desk.hear()
    await desk.drive()
    [one] = boards(desk, 1)
    await one.resume(PROJECT, "greeter", by="maria")
    await one.nudge()
    await desk.drive()

    assert desk.livekit.calls.count("create") == 1
    assert [line["action"] for line in desk.lines if "assignment" in line][-2:] == [
        "assignment.resumed",
        "dispatch.requested",
    ]


async def test_who_waits_goes_on_to_the_fallback_when_its_agent_is_paused() -> None:
    """And an agent that was asked for before is waited for: nothing live is touched."""
    desk = Desk(rule("greeter", "greeter", "host"), livekit=Staged(person()))
    await desk.hear()
    await desk.drive()
    assert desk.livekit.dispatches() == ("greeter#1",)
    await desk.reconciler.pauses.pause(PROJECT, "greeter", by="maria", lasts=None)
    await desk.reconciler.pauses.nudge()
    await desk.hear()
    await desk.drive()

    [only] = (await desk.session()).assignments
    assert [(one.target.agent, one.verdict) for one in only.attempts] == [("greeter", None)]
    assert not {"remove", "delete"} & set(desk.livekit.calls)


async def test_a_pause_ends_by_itself_and_that_is_told_once() -> None:
    """To the millisecond everywhere; by one of the replicas that see it, which makes who waits due."""
    desk = Desk(livekit=Staged(person()))
    replicas = [desk.reconciler.pauses, *boards(desk, 2)]
    await replicas[0].pause(PROJECT, "greeter", by="maria", lasts=60_000)
    for one in replicas:
        await one.refresh()
    await desk.hear()
    await desk.drive()
    await replicas[0].nudge()
    await desk.drive()
    desk.watch.later(59_999)
    assert [await paused(one, desk) for one in replicas] == [{"greeter"}] * 3
    desk.watch.later(1)
    assert [await paused(one, desk) for one in replicas] == [set()] * 3
    await asyncio.gather(*(one.refresh() for one in replicas))
    for one in replicas:
        await one.nudge()

    [resumed] = desk.said("agent.resumed")
    assert (resumed["by"], resumed["msg"]) == (None, "greeter is paused no longer: its time is over")
    claimed, _ = await desk.ledger.claim(10)
    assert [len(one.inbox) for one in claimed] == [1]


async def test_what_two_order_at_the_same_time_is_not_lost() -> None:
    """Whoever finds that the memo is another's reads it again."""
    desk = Desk()
    one, other = boards(desk, 2)
    names = [f"agent-{n}" for n in range(6)]
    turns = zip(names, [one, other] * 3, strict=True)
    await asyncio.gather(*(board.pause(PROJECT, name, by="x", lasts=None) for name, board in turns))

    one.ledger = Racing(desk.ledger, lambda: other.pause(PROJECT, "between", by="y", lasts=None))
    await one.resume(PROJECT, "agent-0", by="x")
    await other.refresh()
    assert await paused(one, desk) == await paused(other, desk) == {"between", *names[1:]}


class Racing:
    """A ledger in which something happens, `times`, between the reading of a memo and its replacing."""

    def __init__(self, ledger: MemoryLedger, happens: Callable[[], Awaitable[object]], times: int = 1) -> None:
        self.ledger = ledger
        self.happens = happens
        self.times = times

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the ledger has
        return getattr(self.ledger, name)

    async def replace_memo(
        self, name: str, before: bytes | None, after: bytes, *, telling: Telling = SILENT
    ) -> bytes | None:
        """Something else comes first."""
        if self.times:
            self.times -= 1
            await self.happens()
        return await self.ledger.replace_memo(name, before, after, telling=telling)


async def test_whoever_is_always_second_is_told_so() -> None:
    """It may be tried again, and nothing is logged as done."""
    desk = Desk()
    one, other = boards(desk, 2)
    turns = iter(range(1_000))
    one.ledger = Racing(desk.ledger, lambda: other.pause(PROJECT, f"agent-{next(turns) % 20}", by="y", lasts=HOUR), 100)
    with pytest.raises(LedgerUnavailable):
        await one.pause(PROJECT, "greeter", by="x", lasts=None)
    assert {line["agent"] for line in desk.said("agent.paused")} == {f"agent-{n}" for n in range(TRIES)}


async def test_a_pause_outlives_its_memo_while_any_replica_runs() -> None:
    """A memo is forgotten a day after its last replacement; where none runs for that long, the pause is forgotten."""
    desk = Desk()
    first, second = boards(desk, 2)
    await first.pause(PROJECT, "greeter", by="maria", lasts=None)
    for _ in range(72):
        desk.watch.later(KEPT_MS)
        await second.refresh()
    [third] = boards(desk, 1)
    assert await paused(third, desk) == {"greeter"}
    desk.watch.later(MEMO_TTL_MS)
    assert await paused(boards(desk, 1)[0], desk) == set()


async def test_law_10_of_an_emptied_ledger_the_pauses_are_there_again() -> None:
    """Written again by any replica that had read them; not those that somebody has ended meanwhile."""
    desk = Desk()
    one, other = boards(desk, 2)
    await one.pause(PROJECT, "greeter", by="maria", lasts=None)
    await one.pause(PROJECT, "sales", by="maria", lasts=None)
    await one.resume(PROJECT, "sales", by="maria")
    await other.refresh()
    empty = MemoryLedger(desk.watch)
    one.ledger = other.ledger = empty
    assert await paused(one, desk) == {"greeter"}
    await asyncio.gather(one.refresh(), other.refresh())
    desk.ledger = empty
    assert await paused(boards(desk, 1)[0], desk) == {"greeter"}


async def test_law_10_an_order_into_an_emptied_ledger_adds_to_what_was_known() -> None:
    """It does not replace it."""
    desk = Desk()
    [one] = boards(desk, 1)
    await one.pause(PROJECT, "greeter", by="maria", lasts=None)
    one.ledger = MemoryLedger(desk.watch)
    await one.pause(PROJECT, "sales", by="maria", lasts=None)
    assert await paused(one, desk) == {"greeter", "sales"}


async def test_what_was_ended_long_ago_does_not_come_back() -> None:
    """A replica that was cut off for more than a day, and finds no memo, cannot know: it holds to the ledger."""
    desk = Desk()
    one, cut_off = boards(desk, 2)
    await one.pause(PROJECT, "greeter", by="maria", lasts=None)
    await cut_off.refresh()
    await one.resume(PROJECT, "greeter", by="maria")
    desk.watch.later(MEMO_TTL_MS)
    await cut_off.refresh()
    assert await paused(cut_off, desk) == set()


async def test_while_the_ledger_cannot_be_asked_the_pauses_hold() -> None:
    """Orders are refused, and who is still to be made due is, afterwards."""
    desk = Desk(livekit=Staged(person()))
    board = desk.reconciler.pauses
    await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    await desk.hear()
    await desk.drive()
    desk.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await board.refresh()
    with pytest.raises(LedgerUnavailable):
        await board.nudge()
    assert await board.paused(PROJECT, NOW) != {}
    with pytest.raises(LedgerUnavailable):
        await board.resume(PROJECT, "greeter", by="maria")
    desk.watch.broken = False
    await board.nudge()
    assert (await desk.ledger.claim(1))[0]


async def test_the_loop_goes_on_whatever_the_ledger_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an order wakes it: nobody waits for its next turn."""
    desk = Desk(livekit=Staged(person()))
    board = desk.reconciler.pauses
    monkeypatch.setattr(pauses, "EVERY_S", 60.0)
    await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    await desk.hear()
    await desk.drive()
    loop = asyncio.create_task(board.run())
    await asyncio.sleep(0)
    desk.watch.broken = True
    monkeypatch.setattr(pauses, "EVERY_S", 0.001)
    await asyncio.sleep(0.01)
    assert not loop.done()
    desk.watch.broken = False
    await board.resume(PROJECT, "greeter", by="maria")
    async with asyncio.timeout(3):
        while not (await desk.ledger.claim(1))[0]:
            await asyncio.sleep(0.001)
    loop.cancel()


async def test_only_so_much_is_kept() -> None:
    """So many agents, of each so much of a reason; what ends makes room."""
    desk = Desk()
    [board] = boards(desk, 1)
    for n in range(PAUSES_MAX):
        await board.pause(PROJECT, f"agent-{n}", by="maria", lasts=HOUR, reason="x" * 10_000)
    with pytest.raises(TooManyPaused):
        await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    [memo] = await desk.ledger.memos([f"pauses/{PROJECT}"])
    assert memo is not None
    assert len(memo) < PAUSES_MAX * (REASON_MAX + 100)
    desk.watch.later(HOUR)
    await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    assert await paused(board, desk) == {"greeter"}


async def test_what_changes_nothing_is_neither_written_nor_told() -> None:
    """Whoever resumes an agent that no order pauses."""
    desk = Desk()
    [board] = boards(desk, 1)
    await board.resume(PROJECT, "greeter", by="maria")
    assert desk.lines == []
    assert await desk.ledger.memos([f"pauses/{PROJECT}"]) == [None]


async def test_a_memo_that_nobody_can_read_pauses_nobody_and_stays() -> None:
    """Until somebody orders something: a later release wrote it."""
    desk = Desk()
    [board] = boards(desk, 1)
    name = f"pauses/{PROJECT}"
    await desk.ledger.replace_memo(name, None, b"[]")
    await board.refresh()
    assert (await paused(board, desk), await desk.ledger.memos([name])) == (set(), [b"[]"])
    await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    assert await paused(board, desk) == {"greeter"}


async def test_the_configurations_pauses_stay_its_own() -> None:
    """No order ends them, and an order beside them has its own end."""
    desk = Desk()
    desk.reload(paused=frozenset({"greeter"}))
    board = desk.reconciler.pauses
    await board.pause(PROJECT, "greeter", by="maria", lasts=None)
    await board.resume(PROJECT, "greeter", by="maria")
    [only] = (await board.paused(PROJECT, NOW)).values()
    assert (only.configured, only.pause) == (True, None)


async def test_the_gauge_shows_every_agent_that_is_named_and_others_as_one() -> None:
    """0 or 1; whoever is paused and is not named is `other`."""
    desk = Desk(rule("front", "greeter", "host"))
    board = desk.reconciler.pauses
    for agent in ("greeter", "anybody", "somebody"):
        await board.pause(PROJECT, agent, by="maria", lasts=HOUR)
    await board.refresh()
    shown = {name: desk.value("agent_paused", project=PROJECT, agent=name) for name in ("greeter", "host", "other")}
    assert shown == {"greeter": 1, "host": 0, "other": 1}
    desk.watch.later(HOUR)
    await board.refresh()
    assert desk.value("agent_paused", project=PROJECT, agent="greeter") == 0
    series = {"project": PROJECT, "agent": "other"}
    assert desk.registry.get_sample_value("livekit_dispatcher_agent_paused", series) is None


# Against a model ----------------------------------------------------------------------------------------------------

AGENTS = ("greeter", "sales", "host")
Step: TypeAlias = tuple[str, int, str, int]  # what, by which replica, of which agent, how long

steps = st.lists(
    st.tuples(
        st.sampled_from(["pause", "pause for", "resume", "refresh", "wait", "restart", "empty"]),
        st.integers(0, 2),
        st.sampled_from(AGENTS),
        st.integers(1, 3 * KEPT_MS),
    ),
    max_size=30,
)


@dataclass
class Model:
    """What must be so: until when each agent is paused; 0: until it is resumed."""

    desk: Desk = field(default_factory=Desk)
    until: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.replicas = boards(self.desk, 3)

    async def do(self, what: str, replica: int, agent: str, span: int) -> None:
        """One step, there and here."""
        board = self.replicas[replica]
        match what:
            case "pause" | "pause for":
                lasts = span if what == "pause for" else None
                await board.pause(PROJECT, agent, by="x", lasts=lasts)
                self.until[agent] = self.desk.watch.time + span if lasts else 0
            case "resume":
                await board.resume(PROJECT, agent, by="x")
                self.until.pop(agent, None)
            case "refresh":
                await board.refresh()
            case "wait":
                self.desk.watch.later(span)
                for one in self.replicas:  # as their loops do within a second
                    await one.refresh()
            case "restart":
                self.replicas[replica] = self.desk.started().pauses
                await self.replicas[replica].refresh()
            case _:
                for one in self.replicas:
                    await one.refresh()
                self.desk.ledger = MemoryLedger(self.desk.watch)
                for one in self.replicas:
                    one.ledger = self.desk.ledger

    def held(self) -> set[str]:
        """Who is paused now."""
        return {agent for agent, until in self.until.items() if not until or self.desk.watch.time < until}


@given(steps)
@settings(max_examples=60, deadline=None)
async def test_whatever_is_ordered_all_replicas_do_as_the_model(todo: Sequence[Step]) -> None:
    """Whoever orders what, whenever replicas read, restart, or the ledger is emptied."""
    model = Model()
    for step in todo:
        await model.do(*step)
        assert await paused(model.replicas[step[1]], model.desk) == model.held() or step[0] == "empty"
        for one in model.replicas:
            await one.refresh()
            assert await paused(one, model.desk) == model.held()
