"""Orders on their way into a session: each once, however often it comes, and wherever it was interrupted."""

from typing import Final

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import RoomSid
from dispatcher.core.orders import CancelAssignment, RetryAssignment, request_for
from dispatcher.core.rules import Target
from dispatcher.core.session import ASSIGNMENTS_MAX, State
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said
from dispatcher.engine.intake import Intake
from dispatcher.engine.orders import (
    METADATA_MAX,
    AgentRequest,
    OrderRefused,
    Orders,
    OtherRequest,
    RoomAbsent,
    RoomFull,
    RoomOver,
)
from dispatcher.engine.runner import Runner
from dispatcher.ledger import record
from dispatcher.ledger.interface import Key, LedgerUnavailable
from dispatcher.livekit.failures import Reason, Unavailable
from dispatcher.runtime.sealing import Seals
from tests.unit.core.world import LOBBY, job, person, rule
from tests.unit.desk import KEY, PROJECT, Desk, fails, until

SALES: Final = AgentRequest(room=LOBBY.name, order=request_for((Target("sales"),)), request=b"one")
SECRET: Final = '{"caller": "+15550100"}'


class Front(Desk):
    """A desk that takes orders; nobody waits for one in this room, and nothing drives by itself."""

    def __init__(self) -> None:
        super().__init__(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
        self.runner = Runner(self.ledger, self.reconciler, self.woken, self.log, self.metrics, concurrency=8)
        self.orders = self.replica()

    def replica(self) -> Orders:
        """Another process that takes orders."""
        holder = self.reconciler.holder
        return Orders(self.ledger, Intake(self.ledger, self.runner, holder.rules_of), holder)

    def created(self) -> int:
        """How many agents were asked for."""
        return self.livekit.calls.count("create")


@pytest.fixture
async def front() -> Front:
    """A desk, in a loop that runs."""
    return Front()


async def test_what_is_ordered_is_asked_for(front: Front) -> None:
    """In the room as it lives: the ledger need not have heard of it."""
    placed = await front.orders.request(PROJECT, SALES, by="backend", key=None)
    await front.runner.stop(5)

    assert placed.key == KEY
    assert (await front.session()).assignment(placed.assignment).state is State.REQUESTED
    assert front.created() == 1


async def test_a_request_that_is_repeated_is_the_same_at_each_replica(front: Front) -> None:
    """The answer as well, also when the room lives anew by then; without a key each is one of its own."""
    first = await front.orders.request(PROJECT, SALES, by="backend", key="k1")
    front.livekit.lives = {RoomSid("RM_new"): RoomSnapshot(room=replace(LOBBY, sid=RoomSid("RM_new")))}
    again = await front.replica().request(PROJECT, SALES, by="backend", key="k1")

    assert again == replace(first, repeated=True)
    assert sum(one.said is Said.AGENT_ORDERED for one in (await front.session()).timeline) <= 1
    others = {
        (await front.orders.request(PROJECT, SALES, by=by, key=key)).assignment
        for by, key in (("backend", "k2"), ("operator", "k1"), ("backend", None), ("backend", None))
    }
    assert len({first.assignment, *others}) == 5


async def test_the_same_key_with_another_request_is_refused(front: Front) -> None:
    """Whoever reuses one by mistake must not think that it was done."""
    await front.orders.request(PROJECT, SALES, by="backend", key="k1")
    with pytest.raises(OtherRequest):
        await front.orders.request(PROJECT, replace(SALES, request=b"two"), by="backend", key="k1")


@pytest.mark.parametrize("lost", ["replace_memo", "deliver", "second replace_memo"])
async def test_a_request_that_was_cut_off_is_finished_by_its_repeat(
    front: Front, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the ledger stopped answering, before or after it did what it was asked: one agent in the end."""
    operation = lost.rpartition(" ")[2]
    does, skip = getattr(front.ledger, operation), [0] if "second" in lost else []

    async def once(*given: object, **named: object) -> object:
        answer = await does(*given, **named)
        if skip:
            return skip.pop() or answer
        monkeypatch.undo()
        raise LedgerUnavailable("as the test wants it")

    monkeypatch.setattr(front.ledger, operation, once)
    with pytest.raises(LedgerUnavailable):
        await front.orders.request(PROJECT, SALES, by="backend", key="k1")
    placed = await front.orders.request(PROJECT, SALES, by="backend", key="k1")
    await front.runner.stop(5)
    if lost == "deliver":  # the session was handed out, and the answer lost: its lease has to run out
        front.watch.later(60_000)
        await front.drive()

    assert (await front.session()).assignment(placed.assignment).state is State.REQUESTED
    assert front.created() == 1


async def test_a_room_that_does_not_live_is_made_only_when_asked_for(front: Front) -> None:
    """Else a typing error would wait for ever in a room of its own."""
    elsewhere = replace(SALES, room="elsewhere")
    with pytest.raises(RoomAbsent):
        await front.orders.request(PROJECT, elsewhere, by="backend", key="k1")
    assert "open" not in front.livekit.calls

    placed = await front.orders.request(PROJECT, replace(elsewhere, create_room=True), by="backend", key="k1")
    assert placed.key == Key(PROJECT, "elsewhere", "RM_elsewhere")


async def test_nothing_is_pinned_while_livekit_does_not_answer(front: Front) -> None:
    """The same key may be tried again."""
    front.livekit.before("room", fails(Unavailable, Reason.TIMEOUT))
    with pytest.raises(Unavailable):
        await front.orders.request(PROJECT, SALES, by="backend", key="k1")
    await front.orders.request(PROJECT, SALES, by="backend", key="k1")


async def test_law_14_who_orders_for_a_life_that_is_over_is_told(front: Front) -> None:
    """A cancellation, too: there is nobody left to go."""
    placed = await front.orders.request(PROJECT, SALES, by="backend", key=None)
    await front.runner.stop(5)
    await front.hear("room_finished")
    await front.drive()

    for order in (CancelAssignment, RetryAssignment):
        with pytest.raises(RoomOver):
            await front.orders.give(placed.key, order(assignment=placed.assignment), "maria")


async def test_metadata_reaches_the_agent_and_neither_ledger_nor_log(front: Front) -> None:
    """Law 11: it survives a restart, sealed."""
    placed = await front.orders.request(PROJECT, replace(SALES, metadata=SECRET), by="backend", key=None)
    await front.runner.stop(5)

    assert front.livekit.metadata == [SECRET]
    kept = record.dump(await front.session())
    assert b"5550100" not in kept
    assert "5550100" not in repr(front.lines)
    assert (await front.session()).assignment(placed.assignment).sealed


async def test_an_agent_whose_metadata_cannot_be_read_is_not_asked_for(front: Front) -> None:
    """The key it was sealed with is gone: better nobody, told, than one who knows nothing of the caller."""
    front.runner.drain()
    placed = await front.orders.request(PROJECT, replace(SALES, metadata=SECRET), by="backend", key=None)
    front.reload(seals=Seals(["another-secret"]))
    front.watch.later(60_000)
    await front.drive_on(1_000)

    assert front.created() == 0
    ended = front.said("attempt.ended")[0]
    assert (ended["verdict"], ended["reason"]) == ("refused", "metadata_unsealable")
    assert (await front.session()).assignment(placed.assignment).state is State.STARVED


async def test_an_agent_is_ordered_for_somebody_with_a_long_identity(front: Front) -> None:
    """A session remembers identities cut (law 8), and knows by that whom it is for."""
    alice = person("alice-" * 200)
    front.livekit.show(participants=(alice,))
    wanted = replace(SALES, order=request_for((Target("sales"),), identity=alice.identity))
    placed = await front.orders.request(PROJECT, wanted, by="backend", key=None)
    await front.runner.stop(5)

    assert (await front.session()).assignment(placed.assignment).identity == alice.known_as
    assert front.created() == 1


async def test_a_session_that_is_full_says_so_before_anything_is_kept(front: Front) -> None:
    """Of assignments, and of metadata."""
    for number in range(ASSIGNMENTS_MAX):
        await front.orders.request(PROJECT, SALES, by="backend", key=f"k{number}")
    await until(lambda: front.created() == ASSIGNMENTS_MAX)
    await front.runner.stop(5)
    with pytest.raises(RoomFull):
        await front.orders.request(PROJECT, SALES, by="backend", key=None)
    assert issubclass(RoomFull, OrderRefused)


async def test_so_much_metadata_fits_three_times(front: Front) -> None:
    """And no more: a record has an end."""
    heavy = replace(SALES, metadata="x" * METADATA_MAX)
    for _ in range(2):
        await front.orders.request(PROJECT, heavy, by="backend", key=None)
        await front.runner.stop(5)
        front.runner = Runner(front.ledger, front.reconciler, front.woken, front.log, front.metrics, concurrency=8)
        front.orders = front.replica()
    with pytest.raises(RoomFull):
        await front.orders.request(PROJECT, heavy, by="backend", key=None)


async def test_an_order_is_cancelled_and_tried_again(front: Front) -> None:
    """By whoever says so, and what was under way is taken back."""
    placed = await front.orders.request(PROJECT, SALES, by="backend", key=None)
    await front.runner.stop(5)
    made = front.livekit.lives[LOBBY.sid].dispatches[0]
    front.livekit.show(dispatches=(replace(made, jobs=(job("agent-1"),)),))
    await front.orders.give(placed.key, CancelAssignment(assignment=placed.assignment), "maria")
    await front.drive_on(60_000)
    assert (await front.session()).assignment(placed.assignment).state is State.FINISHED
    assert "delete" in front.livekit.calls

    await front.orders.give(placed.key, RetryAssignment(assignment=placed.assignment), "maria")
    await front.drive_on(1_000)
    assert front.created() == 2
