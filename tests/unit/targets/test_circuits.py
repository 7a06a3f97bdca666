"""What is seen of workers opens and closes circuits."""

from collections.abc import Mapping

from dispatcher.core.rules import Target
from dispatcher.core.targets import Circuit, circuit
from dispatcher.core.workers import Missing, Registered, WorkersSeen, asked
from dispatcher.targets.circuits import Circuits
from tests.unit.core.world import GREETER, rule
from tests.unit.desk import PROJECT, Desk

SALES = Target("sales")
HERE: Mapping[str, Registered | Missing] = {"a": Registered(agent="greeter"), "b": Registered(agent="sales")}
GONE: Mapping[str, Registered | Missing] = {"a": Missing.REFUSED, "b": Registered(agent="sales")}
UNCLEAR: Mapping[str, Registered | Missing] = {"a": Missing.TIMEOUT, "b": Registered(agent="sales")}


class Watched:
    """Circuits by the workers that are seen."""

    def __init__(self) -> None:
        self.desk = Desk(rule("greeter", "greeter", "sales"))
        self.seen = WorkersSeen()
        self.board = self.desk.reconciler.breaker.board
        self.circuits = Circuits(
            self.desk.reconciler.breaker, self.desk.reconciler.holder, self.desk.metrics, lambda: self.seen
        )

    async def when(self, answers: Mapping[str, Registered | Missing], target: Target = GREETER) -> Circuit:
        """How a target's circuit stands once its workers have answered so."""
        self.desk.watch.later(1_000)
        self.seen = asked(self.seen, answers, self.desk.watch.time)
        await self.circuits.refresh()
        [facts] = await self.board.facts(PROJECT, [target], self.desk.watch.time)
        return circuit(facts, self.desk.watch.time)


async def test_a_worker_that_was_seen_and_is_gone_opens_the_circuit() -> None:
    """Only its own target's; one that is back closes it. What nobody knows changes nothing."""
    here = Watched()
    assert await here.when(HERE) is Circuit.CLOSED
    assert await here.when(UNCLEAR) is Circuit.CLOSED
    assert await here.when(GONE) is Circuit.OPEN
    assert await here.when(GONE, SALES) is Circuit.CLOSED
    assert await here.when(HERE) is Circuit.CLOSED


async def test_a_worker_that_nobody_ever_saw_opens_the_circuit_of_a_target_that_nobody_ever_saw() -> None:
    """Where its agents come all the same, its workers are others than those that are configured."""
    here = Watched()
    assert await here.when(GONE) is Circuit.OPEN

    here = Watched()
    here.board.worker_seen(PROJECT, GREETER, here.desk.watch.time)
    assert await here.when(GONE) is Circuit.CLOSED


async def test_that_a_worker_is_gone_is_told_once() -> None:
    """An agent that comes after that shows that others are there."""
    here = Watched()
    await here.when(HERE)
    assert await here.when(GONE) is Circuit.OPEN
    here.board.worker_seen(PROJECT, GREETER, here.desk.watch.time + 1)

    assert await here.when(GONE) is Circuit.CLOSED


async def test_without_workers_that_are_configured_there_is_no_opinion() -> None:
    """Circuits stand as attempts have it."""
    assert await Watched().when({}) is Circuit.CLOSED


async def test_a_launcher_has_no_workers_that_could_be_missed() -> None:
    """Its circuit is shown, and stays closed."""
    here = Watched()
    avatar = Target("", launcher="avatar")
    rules = (rule("greeter", targets=(avatar, GREETER)),)
    here.desk.reload(rules=rules)

    assert await here.when(GONE, avatar) is Circuit.CLOSED
    assert await here.when(GONE) is Circuit.OPEN
    assert here.desk.value("target_circuit_open", project=PROJECT, agent="launch:avatar") == 0
