"""Probes without a network: whose turn it is, and how one ends that nobody drives."""

import asyncio

import pytest
from msgspec.structs import replace

from dispatcher.config import ApiRateLimit, ProbeSettings
from dispatcher.core.probes import ProbeFacts, probe_rooms
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import Session
from dispatcher.core.timeline import Entry, Said
from dispatcher.core.workers import WorkersSeen
from dispatcher.engine.intake import Intake
from dispatcher.engine.orders import Orders, Placed
from dispatcher.engine.prober import EMPTY_S, METADATA, NOTHING_KNOWN, Prober
from dispatcher.engine.runner import Runner
from dispatcher.engine.supervise import Supervisor
from dispatcher.ledger.interface import Key, LedgerUnavailable
from dispatcher.livekit.failures import Reason, Unavailable
from dispatcher.notices.outbox import NOBODY
from dispatcher.targets.probes import ProbeBoard, ProbedTarget
from tests.unit.core.world import NOW, assignment, attempt, session
from tests.unit.desk import KEY, PROJECT, Desk, fails, until

GREETER = ProbedTarget(PROJECT, Target("greeter"))
EVERY = 60_000


class Night(Desk):
    """A desk whose project probes one agent, and nobody calls."""

    def __init__(self, *, dry_run: bool = False) -> None:
        super().__init__(api_rate_limit=ApiRateLimit(calls_per_second=100), dry_run=dry_run)
        self.reload(probe=ProbeSettings(every=EVERY, targets=(GREETER.target,)), limits=Policy(targets=(), min_stay=0))
        self.runner = Runner(self.ledger, self.reconciler, self.woken, self.log, self.metrics, concurrency=8)

    def prober(self) -> Prober:
        """Of one process."""
        reconciler = self.reconciler
        holder, pauses = reconciler.holder, reconciler.pauses
        board = ProbeBoard(self.ledger, holder, pauses, NOBODY, self.log, self.metrics)
        orders = Orders(self.ledger, Intake(self.ledger, self.runner, holder.rules_of), holder)
        return Prober(board, orders, pauses, reconciler.pacer, WorkersSeen, self.health)

    async def facts(self) -> ProbeFacts | None:
        """What is known of the agent's probes."""
        return (await self.prober().board.facts(PROJECT))[GREETER.target]


@pytest.fixture
async def night() -> Night:
    """In a loop that runs."""
    return Night()


async def test_a_probe_of_which_nothing_is_known_ends_before_the_next_turn(night: Night) -> None:
    """The room has ended by then, and its session has something to look at."""
    turn = asyncio.create_task(night.prober().turn(GREETER.name))
    await until(lambda: "create" in night.livekit.calls)
    night.watch.later(EVERY - 10_000)
    await asyncio.wait_for(turn, 20)

    facts = await night.facts()
    assert facts is not None
    assert (facts.last.result, facts.failures) == ("timed_out", 1)
    assert facts.last.room.startswith(probe_rooms("default"))
    assert facts.last.why == NOTHING_KNOWN
    assert night.livekit.metadata == [METADATA]
    assert night.livekit.calls[-1] == "end" or "look" in night.livekit.calls[-1]
    await night.runner.stop(5)


async def test_a_turn_is_one_replica_s_and_comes_again(night: Night) -> None:
    """LiveKit has no room here: the probe ends at once."""
    night.livekit.before("open", *[fails(Unavailable, Reason.SERVER)] * 2)
    one, other = night.prober(), night.prober()
    await one.turn(GREETER.name)
    await other.turn(GREETER.name)
    assert night.livekit.calls.count("open") == 1
    night.watch.later(EVERY)
    await other.turn(GREETER.name)

    facts = await night.facts()
    assert facts is not None
    assert (facts.last.result, facts.failures) == ("livekit_failing", 2)


async def test_a_room_that_livekit_does_not_show_is_no_room(night: Night) -> None:
    """The order is refused."""

    async def vanish() -> None:
        night.livekit.lives.clear()

    night.livekit.before("room", vanish)
    await night.prober().turn(GREETER.name)

    facts = await night.facts()
    assert facts is not None
    assert "no room of this name lives" in facts.last.why


@pytest.mark.parametrize("changes", [{"probe": None}, {"paused": frozenset({"greeter"})}])
async def test_who_is_not_to_be_probed_is_not(night: Night, changes: dict[str, object]) -> None:
    """It has left the configuration since, or is paused: the turn stays for later."""
    night.reload(**changes)
    await night.prober().turn(GREETER.name)

    assert "open" not in night.livekit.calls
    assert await night.ledger.turn(GREETER.name, EVERY)


async def test_while_the_ledger_is_away_a_replica_waits(night: Night) -> None:
    """It asks again, and probes when the ledger is back."""
    night.livekit.before("open", fails(Unavailable, Reason.SERVER))
    prober = night.prober()
    night.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await prober.turn(GREETER.name)
    running = asyncio.create_task(prober.run(GREETER.name))
    await asyncio.sleep(0)
    night.watch.broken = False
    await until(lambda: "open" in night.livekit.calls, within=20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_what_is_probed_has_a_loop_of_its_own(dry_run: bool) -> None:
    """In a dry run there is none."""
    night = Night(dry_run=dry_run)
    night.livekit.before("open", fails(Unavailable, Reason.SERVER))
    prober = night.prober()
    async with Supervisor(night.log, night.metrics) as supervisor:
        prober.start(supervisor)
        if not dry_run:
            await until(lambda: "open" in night.livekit.calls, within=20)
        await asyncio.sleep(0)

    assert prober.names() == [GREETER.name]
    assert ("open" in night.livekit.calls) is not dry_run
    assert EMPTY_S < 180


async def test_an_agent_that_is_there_when_the_time_is_up_has_come(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came so late that it cannot have stayed yet."""
    joined = Entry(at=NOW, said=Said.AGENT_JOINED, assignment="greeter", number=1, agent="greeter", took=16_000)

    async def there(_prober: Prober, _key: Key) -> Session:
        return replace(session(assignment(attempt())), timeline=(joined,))

    monkeypatch.setattr(Prober, "_session", there)
    end, why = await night.prober()._end(Placed(key=KEY, assignment="greeter"), 5_000, 0)  # noqa: SLF001

    assert (end.result, end.took, why) == ("served", 16_000, "")
