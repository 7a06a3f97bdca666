"""Random lives of three sessions, on any ledger and the model side by side."""

from abc import abstractmethod

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.ended import OVER_FINAL_MS, EndedRooms
from dispatcher.ledger.interface import DEDUPE_MS, INBOX_MAX, LIVE_TTL_MS, Key, Standing
from tests.contract.ledger.homes import Home
from tests.contract.ledger.pair import Holder, Pair

KEEP = EndedRooms().keep
KEYS = (Key("p1", "lobby", "RM_1"), Key("p1", "lobby", "RM_2"), Key("p2", "lobby", "RM_1"))
LINES = (Standing("requested", "greeter"), Standing("served", "greeter"))

keys = st.sampled_from(KEYS)
some_keys = st.lists(keys, max_size=4)
indexes = st.lists(st.sampled_from(LINES), max_size=3).map(tuple)
due_times = st.sampled_from([-5, 0, 1, 7, LEASE_MS, LEASE_MS + 5])
# Each step begins by letting time go by, so that every operation, not only a list, is the first to meet what ran out.
spans = st.sampled_from(
    [*[0] * 8, 1, 1, 7, 7, 64, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, OVER_FINAL_MS, DEDUPE_MS, KEEP]
)
ages = st.sampled_from([LIVE_TTL_MS - 1, LIVE_TTL_MS, KEEP - 1, 2 * DEDUPE_MS])
quiet = st.sampled_from([Then.REST, Then.DUE, Then.OVER])
recent = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])  # how far back among those who ever held a session


class LedgerMachine(RuleBasedStateMachine):
    """Three sessions, two of them lives of one name, and everybody who ever held one."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(self.open_home)

    @abstractmethod
    def open_home(self) -> Home:
        """The home on trial."""

    def teardown(self) -> None:
        self.pair.close()

    # Single operations, each after some time.

    @rule(ms=spans, key=keys, take=st.booleans(), named=st.sampled_from([True, True, True, False]))
    def deliver(self, ms: Ms, key: Key, *, take: bool, named: bool) -> None:
        self.pair.advance(ms)
        self.pair.deliver(key, take=take, named=named)

    @precondition(lambda self: self.pair.sent)
    @rule(ms=spans, back=recent, take=st.booleans())
    def deliver_again(self, ms: Ms, back: int, *, take: bool) -> None:
        self.pair.advance(ms)
        key, event_id = self.pair.sent[-1 - back % len(self.pair.sent)]
        self.pair.deliver_as(key, event_id, take=take)

    @rule(ms=spans, limit=st.integers(1, 4))
    def claim(self, ms: Ms, limit: int) -> None:
        self.pair.advance(ms)
        self.pair.claim(limit)

    @precondition(lambda self: self.pair.holders)
    @rule(ms=spans, back=recent, then=st.sampled_from(Then), due_in=due_times, index=indexes, times=st.integers(1, 2))
    def save(self, ms: Ms, back: int, then: Then, due_in: Ms, index: tuple[Standing, ...], times: int) -> None:
        self.pair.advance(ms)
        holder = self.holder(back)
        for _ in range(times):
            self.pair.save(holder, then, due_in, index)

    @precondition(lambda self: self.pair.holders)
    @rule(ms=spans, back=recent)
    def renew(self, ms: Ms, back: int) -> None:
        self.pair.advance(ms)
        self.pair.renew(self.holder(back))

    @precondition(lambda self: self.pair.holders)
    @rule(ms=spans, back=recent)
    def release(self, ms: Ms, back: int) -> None:
        self.pair.advance(ms)
        self.pair.release(self.holder(back))

    @precondition(lambda self: self.pair.holders)
    @rule(ms=spans, back=recent, alone=st.sampled_from([1, 7, LEASE_MS, OVER_FINAL_MS]))
    def leave(self, ms: Ms, back: int, alone: Ms) -> None:
        self.pair.advance(ms)
        self.pair.leave(self.holder(back), alone)

    @rule(ms=spans, asked=some_keys)
    def touch(self, ms: Ms, asked: list[Key]) -> None:
        self.pair.advance(ms)
        self.pair.touch(asked)

    @rule(ms=spans, name=st.sampled_from(["a", "b"]), every=st.sampled_from([1, 7, LEASE_MS]), times=st.integers(1, 3))
    def turn(self, ms: Ms, name: str, every: Ms, times: int) -> None:
        self.pair.advance(ms)
        for _ in range(times):
            self.pair.turn(name, every)
        self.pair.advance(every)
        self.pair.turn(name, every)

    @rule(ms=spans, name=st.sampled_from(["a", "b"]), times=st.integers(1, 4))
    def pace(self, ms: Ms, name: str, times: int) -> None:
        self.pair.advance(ms)
        for _ in range(times):
            self.pair.pace(name, interval=64, burst=3)

    @rule(chance=st.integers(0, 9))
    def forget(self, chance: int) -> None:
        if chance == 0:
            self.pair.forget()

    # Stories that single operations tell too rarely.

    @rule(key=keys, events=st.sampled_from([1, 2, INBOX_MAX, INBOX_MAX + 2]), then=st.sampled_from(Then))
    def save_after_a_burst(self, key: Key, events: int, then: Then) -> None:
        """Much came in before a holder saved, and it saves again because the answer was lost."""
        self.pair.deliver(key, take=True)
        for _ in range(events):
            self.pair.deliver(key, take=False, named=False)
        for holder in self.pair.holders[-1:] * 2:
            self.pair.save(holder, then, 7)

    @rule(key=keys, ms=spans, taker=st.sampled_from(["claim", "deliver", "nobody"]), then=st.sampled_from(Then))
    def save_after_the_lease(self, key: Key, ms: Ms, taker: str, then: Then) -> None:
        """A holder thought dead comes back after another took the session, or nobody did."""
        self.pair.deliver(key, take=True)
        thought_dead = self.pair.holders[-1:]
        self.pair.advance(LEASE_MS)
        if taker == "claim":
            self.pair.claim(3)
        if taker == "deliver":
            self.pair.deliver(key, take=True)
        self.pair.advance(ms)
        for holder in thought_dead:
            self.pair.save(holder, then, 0, LINES)

    @rule(key=keys, times=st.integers(1, 4), taker=st.sampled_from(["claim", "deliver"]), then=st.sampled_from(Then))
    def lapse(self, key: Key, times: int, taker: str, then: Then) -> None:
        """One holder after the other dies, and the last one saves."""
        self.pair.deliver(key, take=True)
        for _ in range(times):
            self.pair.advance(LEASE_MS)
            if taker == "claim":
                self.pair.claim(3)
            else:
                self.pair.deliver(key, take=True)
        for holder in self.pair.holders[-1:]:
            self.pair.save(holder, then, 7)

    @rule(order=st.permutations(KEYS), then=quiet, touched=st.integers(0, 3), before=ages, after=ages)
    def grow_old(self, order: list[Key], then: Then, touched: int, before: Ms, after: Ms) -> None:
        """Quiet sessions; of the oldest of them the sweep knows."""
        for key in order:
            self.pair.deliver(key, take=True)
            for holder in self.pair.holders[-1:]:
                self.pair.save(holder, then, 7, LINES)
        self.pair.advance(before)
        self.pair.touch(order[:touched])
        self.pair.advance(after)
        self.pair.touch(order)

    @rule(key=keys, ms=st.sampled_from([DEDUPE_MS - 1, DEDUPE_MS, 2 * DEDUPE_MS - 1, 2 * DEDUPE_MS, 3 * DEDUPE_MS]))
    def deliver_again_later(self, key: Key, ms: Ms) -> None:
        """A repeat that was long on its way, to a session still there."""
        self.pair.deliver(key, take=False)
        _, event_id = self.pair.sent[-1]
        self.pair.advance(ms)
        self.pair.deliver_as(key, event_id, take=True)

    # After every step.

    @invariant()
    def everything_that_can_be_read_is_as_modelled(self) -> None:
        self.pair.read(KEYS)

    def holder(self, back: int) -> Holder:
        """Somebody who was handed a session, the newest for 0."""
        return self.pair.holders[-1 - back % len(self.pair.holders)]
