"""How things stand, as the metrics say it."""

import asyncio

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.core.session import Assignment, State
from dispatcher.ledger import record
from dispatcher.ledger.interface import Key, Standing, Telling
from dispatcher.livekit.client import LiveKit
from dispatcher.telemetry.gauges import BATCH, Gauges
from tests.unit.core.world import NOW, assignment, session
from tests.unit.desk import PROJECT, Desk, until


async def stands(desk: Desk, sid: str, state: State, *, since: Ms = 0, project: str = PROJECT) -> None:
    """A session with an assignment in this state, that waits since then."""
    await desk.hear(key=Key(project, "lobby", sid))
    handover = await desk.claim()
    one: Assignment = assignment(waiting_since=since, paused=state is State.PAUSED)
    index = (Standing(state, "greeter", 0 if state is State.SERVED else since),)
    await desk.ledger.save(
        handover.lease, record.dump(session(one)), handover.upto, Then.REST, telling=Telling(index=index)
    )


def gauges(desk: Desk, *projects: str) -> Gauges:
    """Of the desk's project and these."""
    livekits: dict[str, LiveKit] = dict.fromkeys(projects, desk.livekit)
    return Gauges(desk.ledger, desk.current(**livekits).project_names, desk.metrics)


async def test_assignments_are_counted_by_state() -> None:
    """Of every state, also one that no assignment is in, or is in any more."""
    desk = Desk()
    await stands(desk, "RM_1", State.SERVED)
    await stands(desk, "RM_2", State.SERVED)
    await stands(desk, "RM_3", State.WAITING)
    desk.metrics.assignments.labels(state=State.STARVED).set(7)
    await gauges(desk).refresh()
    counts = {state: desk.value("assignments", state=state) for state in State}
    assert {state: count for state, count in counts.items() if count} == {State.SERVED: 2, State.WAITING: 1}


async def test_what_an_earlier_release_called_otherwise_is_left_out() -> None:
    """Its line stands in the index until the session is saved again."""
    desk = Desk()
    await desk.hear()
    handover = await desk.claim()
    index = (Standing("unattended", "greeter"), Standing("served", "greeter"))
    await desk.ledger.save(handover.lease, b"", handover.upto, Then.REST, telling=Telling(index=index))
    await gauges(desk).refresh()
    assert {state: count for state in State if (count := desk.value("assignments", state=state))} == {State.SERVED: 1}


async def test_the_longest_wait_of_any_project() -> None:
    """Asked, waiting and starved ones wait; a served one does not, whatever its record says."""
    desk = Desk()
    await stands(desk, "RM_1", State.WAITING, since=NOW - 2_000)
    await stands(desk, "RM_2", State.REQUESTED, since=NOW - 4_000)
    await stands(desk, "RM_3", State.SERVED, since=NOW - 60_000)
    await stands(desk, "RM_4", State.STARVED, since=NOW - 9_000, project="other")
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 4
    await gauges(desk, "other").refresh()
    assert desk.value("oldest_wait_seconds") == 9


async def test_the_longest_wait_is_found_behind_many_that_are_paused() -> None:
    """However many those are; nobody who has waited for less is read."""
    desk = Desk()
    for n in range(2 * BATCH):
        await stands(desk, f"RM_{n}", State.PAUSED, since=NOW - 90_000 + n)
    await stands(desk, "RM_first", State.STARVED, since=NOW - 8_000)
    await stands(desk, "RM_later", State.STARVED, since=NOW - 7_000)
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 8


async def test_so_many_are_looked_through_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of them are paused, the answer may be too short, and the service is not held up."""
    monkeypatch.setattr("dispatcher.telemetry.gauges.WAITING_MAX", BATCH)
    desk = Desk()
    for n in range(BATCH):
        await stands(desk, f"RM_{n}", State.PAUSED, since=NOW - 90_000 + n)
    await stands(desk, "RM_behind", State.STARVED, since=NOW - 8_000)
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 0


async def test_nobody_waits() -> None:
    """Nothing there, or nothing known of when it began: 0."""
    desk = Desk()
    desk.metrics.oldest_wait_seconds.set(5)
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 0
    await stands(desk, "RM_1", State.WAITING, since=0)
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 0


async def test_they_are_kept_true() -> None:
    """From the start; a ledger that cannot be asked ends nothing: what was true stays, and it is asked again later."""
    desk = Desk()
    await stands(desk, "RM_1", State.SERVED)
    running = asyncio.create_task(gauges(desk).run())
    await until(lambda: desk.value("assignments", state="served") == 1)
    running.cancel()
    desk.watch.broken = True
    again = asyncio.create_task(gauges(desk).run())
    await asyncio.sleep(0)
    assert not again.done()
    assert desk.value("assignments", state="served") == 1
    again.cancel()
    ended = await asyncio.gather(running, again, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)


async def test_what_is_paused_waits_for_nobody() -> None:
    """Counted as paused, and no wait; beside it another assignment of the same session does wait."""
    desk = Desk()
    await stands(desk, "RM_1", State.PAUSED, since=NOW - 9_000)
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 0
    assert desk.value("assignments", state=State.PAUSED) == 1
    await desk.hear(key=Key(PROJECT, "lobby", "RM_2"))
    handover = await desk.claim()
    two = session(
        assignment(waiting_since=NOW - 9_000, paused=True), assignment(name="other", waiting_since=NOW - 2_000)
    )
    index = (Standing(State.PAUSED, "greeter", NOW - 9_000), Standing(State.WAITING, "other", NOW - 2_000))
    await desk.ledger.save(handover.lease, record.dump(two), handover.upto, Then.REST, telling=Telling(index=index))
    await gauges(desk).refresh()
    assert desk.value("oldest_wait_seconds") == 2


async def test_a_project_that_has_left_the_configuration_does_not_count() -> None:
    """Nobody sees to its assignments any more."""
    desk = Desk()
    await stands(desk, "RM_1", State.STARVED, since=NOW - 9_000, project="gone")
    await gauges(desk).refresh()
    assert desk.value("assignments", state=State.STARVED) == 0
    assert desk.value("oldest_wait_seconds") == 0
