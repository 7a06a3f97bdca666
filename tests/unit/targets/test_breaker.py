"""Who is asked where a target's circuit is open."""

import pytest

from dispatcher.core import timing
from dispatcher.core.effects import Turn, TurnToCreate
from dispatcher.core.rules import Target
from dispatcher.core.targets import Circuit, Outlook
from dispatcher.targets.breaker import Breaker, KnownTarget
from dispatcher.targets.circuits import Circuits
from tests.unit.core.world import GREETER, NOW, rule
from tests.unit.desk import PROJECT, Desk, Staged, runtime

BACKUP, LAST = Target("backup"), Target("last")
FREE = runtime(livekit=Staged(), rules=())
ASKED = TurnToCreate(target=GREETER, ahead=(BACKUP, LAST))
EVERY = timing.PROBE_EVERY_MS


@pytest.fixture
def desk() -> Desk:
    """Whose breaker it is."""
    return Desk(rule("greeter", "greeter", "backup"), rule("sales", "greeter"))


@pytest.fixture
def breaker(desk: Desk) -> Breaker:
    """It has opened the greeter's circuit."""
    breaker = desk.reconciler.breaker
    breaker.board.no_worker("p", GREETER, NOW)
    return breaker


async def turn(breaker: Breaker, asked: TurnToCreate = ASKED, after: int = 0) -> Turn:
    """The turn, less its time."""
    given = await breaker.turn("p", asked, FREE, NOW + after)
    assert given.now == NOW + after
    return Turn(0, given.wait, instead=given.instead, probe=given.probe)


async def test_another_is_asked_while_a_circuit_is_open(breaker: Breaker) -> None:
    """The first ahead whose own is closed; where there is none, nobody else."""
    assert await turn(breaker) == Turn(0, 0, instead=BACKUP)
    breaker.board.no_worker("p", BACKUP, NOW)
    assert await turn(breaker) == Turn(0, 0, instead=LAST)
    breaker.board.no_worker("p", LAST, NOW)
    assert await turn(breaker) == await turn(breaker, TurnToCreate(target=GREETER)) == Turn(0, 0)


async def test_a_closed_circuit_is_no_reason_for_anything(breaker: Breaker) -> None:
    """Nor is one that a sign of life has closed."""
    assert await turn(breaker, TurnToCreate(target=BACKUP, ahead=(LAST,))) == Turn(0, 0)
    breaker.board.worker_seen("p", GREETER, NOW + 1)
    assert await turn(breaker) == Turn(0, 0)


async def test_every_half_minute_somebody_probes(breaker: Breaker, desk: Desk) -> None:
    """One of those who ask, over all replicas; not who has probed before."""
    desk.watch.later(EVERY)
    other = desk.started().breaker
    other.board.no_worker("p", GREETER, NOW)
    assert await turn(breaker, TurnToCreate(target=GREETER, ahead=(BACKUP,), may_probe=False), EVERY) == Turn(
        0, 0, instead=BACKUP
    )
    assert await turn(breaker, after=EVERY) == Turn(0, 0, probe=True)
    assert await turn(breaker, after=EVERY) == await turn(other, after=EVERY) == Turn(0, 0, instead=BACKUP)


async def test_who_has_no_other_is_a_probe_too(breaker: Breaker, desk: Desk) -> None:
    """Then nobody who could have another agent has to wait for this one."""
    desk.watch.later(EVERY)
    assert await turn(breaker, TurnToCreate(target=GREETER), EVERY) == Turn(0, 0, probe=True)
    assert await turn(breaker, after=EVERY) == Turn(0, 0, instead=BACKUP)


async def test_outlooks_are_those_of_the_targets_asked_about(breaker: Breaker) -> None:
    """In their order."""
    found = await breaker.outlooks("p", (BACKUP, GREETER), NOW)

    assert found == (Outlook(target=BACKUP), Outlook(target=GREETER, open=True))


async def test_every_target_that_a_rule_names_is_known_once(breaker: Breaker, desk: Desk) -> None:
    """With how its circuit stands; and so says the gauge, which knows no more of what a reload has taken away."""
    breaker.board.no_worker(PROJECT, GREETER, NOW)
    holder = desk.reconciler.holder
    known = await breaker.known(holder.snapshot.projects, NOW)
    circuits = Circuits(breaker, holder, desk.metrics)
    await circuits.refresh()

    [unseen] = await breaker.board.facts(PROJECT, [BACKUP], NOW)
    [absent] = await breaker.board.facts(PROJECT, [GREETER], NOW)
    assert known == [
        KnownTarget(project=PROJECT, target=BACKUP, circuit=Circuit.CLOSED, facts=unseen),
        KnownTarget(project=PROJECT, target=GREETER, circuit=Circuit.OPEN, facts=absent),
    ]
    assert desk.value("target_circuit_open", project=PROJECT, agent="greeter") == 1
    assert desk.value("target_circuit_open", project=PROJECT, agent="backup") == 0
    desk.reload(rules=(rule("sales", "backup"),))
    await circuits.refresh()
    series = {"project": PROJECT, "agent": "greeter"}
    assert desk.registry.get_sample_value("livekit_dispatcher_target_circuit_open", series) is None
