"""The same request is the same agent: random lives of a few keys at two replicas, on each home of the ledger."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms, Room, RoomSid
from dispatcher.core.orders import request_for
from dispatcher.core.rules import Target
from dispatcher.engine.intake import IntakeResult
from dispatcher.engine.orders import AgentRequest, Orders, OtherRequest, Placed
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import MEMO_TTL_MS, Delivered, Key, LedgerUnavailable
from tests.contract.ledger.homes import HOMES, Home
from tests.examples import examples
from tests.own_time import event_loop

LIVES = {"memory": 60, "redis": 20}
BODIES = (b"one", b"two")
OPERATIONS = ("memos", "replace_memo", "find", "deliver")


class Failing:
    """The ledger, of which the operations named in `fails` fail once: before they were done, or after."""

    def __init__(self, ledger: Any) -> None:  # noqa: ANN401 - any home's
        self.ledger = ledger
        self.fails: dict[str, bool] = {}  # by operation, whether it was done all the same

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the ledger has
        operation = getattr(self.ledger, name)
        if name not in self.fails:
            return operation

        async def failing(*args: object, **kwargs: object) -> object:
            if self.fails.pop(name):
                await operation(*args, **kwargs)
            raise LedgerUnavailable("away")

        return failing


class OrdersMachine(RuleBasedStateMachine):
    """Two keys of one sender; the room ends and lives anew; time passes; the ledger fails at any step."""

    open_home: Callable[[], Home]  # the home on trial

    def __init__(self) -> None:
        super().__init__()
        self.loop = event_loop()
        self.home = self.loop.run_until_complete(self._opened())
        self.ledger: Any = Failing(self.home.ledger)
        self.life = 0
        self.now: Ms = 0
        self.placed: dict[str, tuple[bytes, Placed, Ms]] = {}  # by key: what was answered first, and when

    async def _opened(self) -> Home:
        return type(self).open_home()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.home.aclose())
        self.loop.close()

    def replica(self) -> Orders:
        """One that has met nobody yet: whatever it knows, the ledger does."""
        livekit = SimpleNamespace(room=self._room)
        snapshot = SimpleNamespace(projects={"p": SimpleNamespace(livekit=livekit)})
        holder: Any = SimpleNamespace(snapshot=snapshot)
        intake: Any = SimpleNamespace(record=self._record)
        return Orders(self.ledger, intake, holder)

    async def _room(self, name: str) -> Room:
        return Room(sid=RoomSid(f"RM_{self.life}"), name=name)

    async def _record(self, key: Key, event: Event) -> IntakeResult:
        delivery = await sessions.deliver(self.ledger, key, event, take=False)
        return IntakeResult.ROOM_FINISHED if delivery.outcome is Delivered.OVER else IntakeResult.RECORDED

    @rule(
        key=st.sampled_from(["k1", "k2"]),
        body=st.sampled_from(BODIES),
        fails=st.dictionaries(st.sampled_from(OPERATIONS), st.booleans(), max_size=2),
    )
    def request(self, key: str, body: bytes, fails: dict[str, bool]) -> None:
        """Somebody asks; while the ledger fails they are told so, and may ask again."""
        self.ledger.fails = dict(fails)
        wanted = AgentRequest(room="lobby", order=request_for((Target("sales"),)), request=body)
        before = self._before(key)
        try:
            placed = self.loop.run_until_complete(self.replica().request("p", wanted, by="backend", key=key))
        except LedgerUnavailable:
            assert fails
            return
        except OtherRequest:
            assert before is None or before[0] != body, "the same request was refused"
            return
        if before is None:
            self.placed[key] = (body, placed, self.now)
            return
        assert body == before[0], "another request was taken for the same"
        assert (placed.key, placed.assignment) == (before[1].key, before[1].assignment), "it is another agent"

    @rule()
    def live_anew(self) -> None:
        """The room's next life has begun; LiveKit shows no other."""
        self.life += 1

    @rule(ms=st.sampled_from([1, MEMO_TTL_MS // 2, MEMO_TTL_MS - 1, MEMO_TTL_MS]))
    def wait(self, ms: Ms) -> None:
        """Time goes by."""
        self.now += ms
        self.home.advance(ms)

    def _before(self, key: str) -> tuple[bytes, Placed, Ms] | None:
        """What was answered first, if that is less than a day ago."""
        before = self.placed.get(key)
        return before if before is not None and self.now < before[2] + MEMO_TTL_MS else None


@pytest.mark.hypothesis
@pytest.mark.parametrize(("open_home", "lives"), [(home, LIVES[name]) for name, home in HOMES.items()], ids=HOMES)
def test_whatever_happens_the_same_request_is_the_same_agent(open_home: Callable[[], Home], lives: int) -> None:
    """For a day, at each replica, wherever a request was interrupted; another one with that key is refused."""

    class Machine(OrdersMachine):
        pass

    Machine.open_home = staticmethod(open_home)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples(lives),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
