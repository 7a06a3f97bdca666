"""Any ledger and the model: each operation is done on both, and every answer compared."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, TypeVar

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Handover, Key, Ledger, SaveResult, Standing, Telling
from tests.contract.ledger.homes import START, Home
from tests.contract.ledger.model import Model, Modelled
from tests.own_time import event_loop

T = TypeVar("T")


class Holder(NamedTuple):
    """Who was handed a session, and how many events the model had accepted by the end of that inbox."""

    held: Handover
    upto: int


class Pair:
    """A ledger, its model, and everybody who ever held a session; most have lost their lease."""

    def __init__(self, open_home: Callable[[], Home]) -> None:
        self.runner = asyncio.Runner(loop_factory=event_loop)
        self.home = self.run(opened(open_home))
        self.model = Model(START)
        self.holders: list[Holder] = []  # the newest last
        self.sent: list[tuple[Key, str]] = []  # deliveries, repeats left out

    @property
    def ledger(self) -> Ledger:
        return self.home.ledger

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    def close(self) -> None:
        self.run(self.home.aclose())
        self.runner.close()

    def advance(self, ms: Ms) -> None:
        self.home.advance(ms)
        self.model.advance(ms)

    def forget(self) -> None:
        self.run(self.home.forget())
        self.model = Model(self.model.now)

    def deliver(self, key: Key, *, take: bool, named: bool = True) -> None:
        """An event that is no repeat."""
        event_id = f"{key.project} {key.sid} {len(self.sent)}" if named else ""
        self.sent.append((key, event_id))
        self.deliver_as(key, event_id, take=take)

    def deliver_as(self, key: Key, event_id: str, *, take: bool) -> None:
        session = self.model.get(key)
        if not session or session.place is Then.OVER:
            self.advance(1)  # no two sessions are equally new
        event = f"{len(self.sent)}".encode()
        outcome, handed_out = self.model.deliver(key, event_id, event, take=take)

        delivery = self.run(self.ledger.deliver(key, event_id, event, take=take))

        assert delivery.outcome is outcome
        assert (delivery.handover is not None) == handed_out
        if delivery.handover:
            self.hand_out(delivery.handover)

    def claim(self, limit: int) -> None:
        due = [session.at for session in self.model.claimable()]

        claimed, wait = self.run(self.ledger.claim(limit))

        sessions = [self.model.get(handover.lease.key) for handover in claimed]
        assert [session and session.at for session in sessions] == due[:limit]
        assert len({handover.lease.key for handover in claimed}) == len(claimed)
        for handover in claimed:
            self.hand_out(handover)
        assert wait == self.model.wait()

    def save(self, holder: Holder, then: Then, due_in: Ms = 0, index: tuple[Standing, ...] = ()) -> None:
        lease, due_at = holder.held.lease, self.model.now + due_in
        record = f"{len(self.sent)} {len(self.holders)}".encode()
        session = self.model.leased(lease.key, lease.token)
        result = self.model.save(session, record, holder.upto, then, due_at, index) if session else SaveResult.LOST

        saved = self.run(
            self.ledger.save(lease, record, holder.held.upto, then, due_at=due_at, telling=Telling(index=index))
        )

        assert saved.result is result
        assert (saved.handover is not None) == (result in (SaveResult.KEPT, SaveResult.MORE))
        if session and saved.handover:
            assert saved.handover.lease.token == lease.token
            self.remember(saved.handover, session, session.entries if result is SaveResult.MORE else ())

    def renew(self, holder: Holder) -> None:
        lease = holder.held.lease
        session = self.model.leased(lease.key, lease.token)
        if session:
            self.model.hand_out(session, lease.token)

        renewed = self.run(self.ledger.renew(lease))

        assert (renewed and (renewed.token, renewed.until)) == (session and (lease.token, session.at))

    def release(self, holder: Holder) -> None:
        lease = holder.held.lease
        if session := self.model.leased(lease.key, lease.token):
            self.model.make_due(session)

        self.run(self.ledger.release(lease))

    def leave(self, holder: Holder, ms: Ms) -> None:
        lease, until = holder.held.lease, self.model.now + ms
        if session := self.model.leased(lease.key, lease.token):
            self.model.leave(session, until)

        self.run(self.ledger.release(lease, alone_until=until))

    def touch(self, keys: list[Key]) -> None:
        assert self.run(self.ledger.touch(keys)) == self.model.touch(keys)

    def turn(self, name: str, every: Ms) -> None:
        assert self.run(self.ledger.turn(name, every)) == self.model.turn(name, every)

    def pace(self, name: str, interval: int, burst: int) -> None:
        wait = self.run(self.ledger.pace(name, interval=float(interval), burst=burst)).wait
        assert wait == self.model.pace(name, interval, burst)

    def read(self, keys: Iterable[Key]) -> None:
        """Everything that can be read is as modelled."""
        assert self.run(self.ledger.counts()) == self.model.counts()
        assert self.run(self.ledger.standings()) == self.model.standings()
        for project, room in {(key.project, key.room) for key in keys}:
            assert self.run(self.ledger.find(project, room)) == self.model.lives(project, room)
            assert self.run(self.ledger.list(project)) == self.model.lives(project)

    def hand_out(self, handover: Handover) -> None:
        session = self.model.get(handover.lease.key)
        assert session
        assert handover.lease.token not in {holder.held.lease.token for holder in self.holders}
        assert handover.due == min(session.at, self.model.now)
        assert handover.lapses == self.model.lapse(session)
        self.model.hand_out(session, handover.lease.token)
        self.remember(handover, session, session.entries)

    def remember(self, handover: Handover, session: Modelled, inbox: tuple[bytes, ...]) -> None:
        assert (handover.inbox, handover.record) == (inbox, session.record)
        assert (handover.lease.key, handover.lease.until, handover.now) == (session.key, session.at, self.model.now)
        self.holders.append(Holder(handover, session.came - len(session.inbox) + len(inbox)))


async def opened(open_home: Callable[[], Home]) -> Home:
    """A home inside the pair's event loop: a client belongs to its loop."""
    return open_home()
