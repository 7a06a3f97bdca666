"""Pause, resume, retry and cancel, in every state of an assignment: what is answered, and what becomes of it.

The clock stands until the order is carried out; then a minute goes by. No worker is there, but where an agent serves.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.facts import Participant
from dispatcher.core.orders import CancelAssignment, RetryAssignment
from dispatcher.core.rules import Policy
from dispatcher.core.session import Assignment, State
from dispatcher.core.snapshot import Dispatch
from dispatcher.core.timeline import Said
from dispatcher.engine.intake import Intake
from dispatcher.engine.orders import Orders, Placed
from dispatcher.engine.runner import Runner
from dispatcher.http.answers import OrderAnswers
from dispatcher.ledger import record, sessions
from dispatcher.ledger.interface import Standing, Telling
from dispatcher.runtime.reload import RELOADED
from tests.unit.core.world import (
    LIVEKIT_AHEAD,
    NOW,
    agent,
    assignment,
    attempt,
    job,
    person,
    policy,
    rule,
    seconds,
    session,
    tagged,
)
from tests.unit.desk import KEY, PROJECT, Desk, Staged

GREETER: Final = "greeter"
STEERED: Final = {Said.ASSIGNMENT_CANCELLED, Said.ASSIGNMENT_RETRIED}
FAR: Final = NOW + seconds(3_600)
LIMITS: Final[Policy] = policy(retry_every=seconds(3_600))


class Stands(NamedTuple):
    """An assignment in a state, and what LiveKit shows of its room."""

    assignment: Assignment
    present: tuple[Participant, ...] = (person("alice"),)
    listed: tuple[Dispatch, ...] = ()


def one(*attempts: object, **fields: object) -> Assignment:
    """An assignment that somebody waits for, since just now."""
    return assignment(*attempts, policy=LIMITS, **{"waiting_since": NOW, **fields})  # type: ignore[arg-type]


AGENT: Final = agent(joined_at=NOW)
STANDS: Final = {
    State.WAITING: Stands(one(due_at=FAR, tries=1)),
    State.IDLE: Stands(one(attended=False, waiting_since=0), present=()),
    State.REQUESTED: Stands(one(attempt(dispatch="AD_1", listed=True)), listed=(tagged(),)),
    State.SERVED: Stands(
        one(attempt(dispatch="AD_1", listed=True, agent_sid=AGENT.sid, agent_seen_at=NOW), waiting_since=0),
        present=(person("alice"), AGENT),
        listed=(tagged(1, GREETER, "AD_1", GREETER, job(AGENT.identity)),),
    ),
    State.STARVED: Stands(one(rounds=1, due_at=FAR)),
    State.PAUSED: Stands(one(paused=True, due_at=FAR)),
    State.FINISHED: Stands(one(finished_at=NOW + LIVEKIT_AHEAD + seconds(1), waiting_since=0)),
}


class Steered(Desk):
    """A desk with one assignment in that state, and the API's hands."""

    def __init__(self, state: State) -> None:
        stands = STANDS[state]
        super().__init__(rule(retry_every=LIMITS.retry_every), livekit=Staged(*stands.present))
        self.livekit.show(dispatches=stands.listed)
        self.before = session(stands.assignment)
        if state is State.PAUSED:
            self.reload(paused=frozenset({GREETER}))
        self.runner = Runner(self.ledger, self.reconciler, self.woken, self.log, self.metrics, concurrency=8)
        holder = self.reconciler.holder
        self.orders = Orders(self.ledger, Intake(self.ledger, self.runner, holder.rules_of), holder)
        self.answers = OrderAnswers(self.ledger, self.reconciler.pauses, self.log.mask)

    async def saved(self) -> None:
        """The ledger has the session, which is looked at in 2 s."""
        handed = (await self.ledger.deliver(KEY, "", b"{}")).handover
        assert handed is not None
        [stands] = self.before.assignments
        index = [Standing(stands.state, GREETER)]
        await self.ledger.save(
            handed.lease,
            record.dump(self.before),
            handed.upto,
            Then.DUE,
            due_at=NOW + seconds(2),
            telling=Telling(index=index),
        )

    async def pause(self, *agents: str) -> None:
        """The configuration pauses these agents and no others, and who waits is looked at."""
        self.reload(paused=frozenset(agents))
        await sessions.remind_waiting(self.ledger, PROJECT, RELOADED)
        while (await self.ledger.claim(0)).due_in == 0:
            await self.drive()

    def acts(self) -> str:
        """What was done at LiveKit."""
        return " ".join(call for call in self.livekit.calls if call in {"create", "remove", "delete"})


Order: TypeAlias = Callable[[Steered], Awaitable[None]]
ORDERS: Final[dict[str, Order]] = {
    "pause": lambda desk: desk.pause(GREETER),
    "resume": lambda desk: desk.pause(),
    "retry": lambda desk: desk.orders.give(KEY, RetryAssignment(assignment=GREETER), "maria"),
    "cancel": lambda desk: desk.orders.give(KEY, CancelAssignment(assignment=GREETER), "maria"),
}


class Row(NamedTuple):
    """What is answered, what was done at once; where the assignment stands a minute later, and all that was done."""

    status: int
    answered: State
    acts: str
    later: State
    all_acts: str


TABLE: Final = {
    ("pause", State.WAITING): Row(202, State.PAUSED, "", State.PAUSED, ""),
    ("pause", State.IDLE): Row(202, State.IDLE, "", State.IDLE, ""),
    ("pause", State.REQUESTED): Row(202, State.REQUESTED, "", State.PAUSED, ""),
    ("pause", State.SERVED): Row(200, State.SERVED, "", State.SERVED, ""),
    ("pause", State.STARVED): Row(202, State.PAUSED, "", State.PAUSED, ""),
    ("pause", State.PAUSED): Row(202, State.PAUSED, "", State.PAUSED, ""),
    ("pause", State.FINISHED): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("resume", State.WAITING): Row(202, State.WAITING, "", State.WAITING, ""),
    ("resume", State.IDLE): Row(202, State.IDLE, "", State.IDLE, ""),
    ("resume", State.REQUESTED): Row(202, State.REQUESTED, "", State.STARVED, "create create"),
    ("resume", State.SERVED): Row(200, State.SERVED, "", State.SERVED, ""),
    ("resume", State.STARVED): Row(200, State.STARVED, "", State.STARVED, ""),
    ("resume", State.PAUSED): Row(202, State.REQUESTED, "create", State.STARVED, "create create create"),
    ("resume", State.FINISHED): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("retry", State.WAITING): Row(202, State.REQUESTED, "create", State.STARVED, "create create create"),
    ("retry", State.IDLE): Row(202, State.IDLE, "", State.IDLE, ""),
    ("retry", State.REQUESTED): Row(202, State.REQUESTED, "", State.STARVED, "create create"),
    ("retry", State.SERVED): Row(200, State.SERVED, "", State.SERVED, ""),
    ("retry", State.STARVED): Row(202, State.REQUESTED, "create", State.STARVED, "create create create"),
    ("retry", State.PAUSED): Row(202, State.PAUSED, "", State.PAUSED, ""),
    ("retry", State.FINISHED): Row(202, State.REQUESTED, "create", State.STARVED, "create create create"),
    ("cancel", State.WAITING): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("cancel", State.IDLE): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("cancel", State.REQUESTED): Row(200, State.FINISHED, "", State.FINISHED, "delete"),
    ("cancel", State.SERVED): Row(200, State.FINISHED, "remove", State.FINISHED, "remove delete"),
    ("cancel", State.STARVED): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("cancel", State.PAUSED): Row(200, State.FINISHED, "", State.FINISHED, ""),
    ("cancel", State.FINISHED): Row(200, State.FINISHED, "", State.FINISHED, ""),
}


@pytest.mark.parametrize(("order", "state"), TABLE, ids=str)
async def test_an_order_in_a_state(order: str, state: State) -> None:
    """As the table says."""
    desk = Steered(state)
    await desk.saved()
    assert (await desk.session()).assignment(GREETER).state is state

    await ORDERS[order](desk)
    await desk.runner.stop(5)

    [known] = await sessions.find(desk.ledger, KEY.project, KEY.room)
    told = await desk.answers.shown(Placed(key=KEY, assignment=GREETER), known)
    expected = TABLE[order, state]
    assert (told.status, told.body.state, desk.acts()) == expected[:3]
    await desk.drive_on(seconds(60))
    assert ((await desk.session()).assignment(GREETER).state, desk.acts()) == expected[3:]
    by = [
        one.by
        for one in (await desk.session()).timeline
        if one.said in {Said.ASSIGNMENT_CANCELLED, Said.ASSIGNMENT_RETRIED}
    ]
    done_already = {("retry", State.SERVED), ("cancel", State.FINISHED)}
    assert by == (["maria"] if order in {"retry", "cancel"} and (order, state) not in done_already else [])


def test_the_table_is_whole() -> None:
    """Each order in each state."""
    assert TABLE.keys() == {(order, state) for order in ORDERS for state in State}
