"""The simulated dispatcher: replicas that take webhooks, claim what is due, sweep, stall and die; and their one ledger.

The ledger is the embedded one, on the clock of the simulation: that Redis answers alike is held by the contract tests.
"""

from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from msgspec.structs import replace

from dispatcher.config import CreateRate
from dispatcher.core.audience import asked_for
from dispatcher.core.audience import at_once as judged_at_once
from dispatcher.core.drive import Terms
from dispatcher.core.events import Event
from dispatcher.core.facts import ABORTED, LEFT, Ms, Room, RoomSid
from dispatcher.ledger.interface import Delivered, Handover, Key
from dispatcher.ledger.interface import Life as Known
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.record import dump_event
from dispatcher.runtime.judgements import Judgements
from dispatcher.targets.board import TOLD_EVERY_S, Board
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.rate import Pacer
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.tape import Tape
from tests.simulation.calls import Line, Unseen
from tests.simulation.clock import Clock
from tests.simulation.drive import PROJECT, Claimed, Setting, at_once
from tests.simulation.house import LOBBY
from tests.simulation.laws import Laws
from tests.simulation.life import Life
from tests.simulation.processes import Processes, Replica
from tests.simulation.rulebook import RULEBOOK
from tests.unit.core.world import TAGS
from tests.unit.desk import Staged, runtime

SWEEP_MS: Final = 30_000
HOOK_RETRIES: Final[tuple[Ms, ...]] = (1_000, 2_000, 4_000, 8_000)
NETWORK_MS: Final = 10
TOLD_MS: Final = int(1_000 * TOLD_EVERY_S)


class Cluster(Processes):
    """All replicas of the dispatcher, and their ledger."""

    def __init__(self, clock: Clock, line: Line, life: Life, laws: Laws, calm: Ms) -> None:
        super().__init__(clock, life, laws, calm)
        self.line = line
        self.rules = RULEBOOK[life.rules]
        limited, terms = life.looks_apart > 0, Terms(tags=TAGS, rules=self.rules, dry_run=life.dry_run)
        self.terms = replace(terms, limited=limited, recollection=Judgements())
        self.tape: Tape | None = None
        rate = CreateRate(per_second=1_000 // life.creates_apart, burst=1) if life.creates_apart else None
        self.site = runtime(livekit=Staged(), rules=self.rules, create_rate=rate)
        self.heard = 0  # webhooks
        self.hooks = iter(life.hooks)
        self._claim_at: Ms = -1
        self.wipe()
        self.clock.after(self.random.randrange(SWEEP_MS), self._sweep)
        self.clock.after(TOLD_MS, self._tell)
        self.clock.at(calm, partial(self.pause, ()))

    def wipe(self) -> None:
        """The ledger is empty."""
        self.ledger = MemoryLedger(lambda: self.clock.now, wake=lambda: self._claim_in(1))
        for replica in self.replicas:
            replica.breaker = None
        self.laws.wiped()
        self._claim_in(0)

    def pause(self, agents: Collection[str]) -> None:
        """The configuration names these as paused, in all replicas; whom it may concern is due, as after a reload."""
        self.terms = replace(self.terms, paused=frozenset(agents if self.clock.now < self.calm else ()))
        for life in self.lives():
            if not life.finished:
                self._nudge(life.key, Room(sid=RoomSid(life.key.sid), name=LOBBY))

    def lives(self) -> list[Known]:
        """The sessions that the ledger knows."""
        return at_once(self.ledger.find(PROJECT, LOBBY))

    # Webhooks

    def hook(self, event: Event) -> None:
        """LiveKit sends it; each copy arrives, or is tried again, on its own."""
        usual = (self.random.randrange(5, 50),)
        for delay in next(self.hooks, usual) if self.clock.now < self.calm else usual:
            self.clock.after(delay, partial(self._receive, event, HOOK_RETRIES))

    def _receive(self, event: Event, waits: tuple[Ms, ...]) -> None:
        replica = self._able()
        if replica is None:
            if waits:
                self.clock.after(waits[0], partial(self._receive, event, waits[1:]))
            return
        if event.room is None:
            return
        self.heard += 1
        seen = replace(event, asked_for=judged_at_once(asked_for(event, self.rules)))
        decodable = self.heard not in self.life.undecodable
        if event.participant is not None and event.name in {LEFT, ABORTED} and decodable:
            self.line.rooms.known.add(event.participant.sid)
        entry = dump_event(seen) if decodable else b"of another version"
        self._deliver(replica, Key(PROJECT, LOBBY, event.room.sid), event.id, entry)

    def order(self, event: Event, room: Room) -> None:
        """An order is sent to whichever replica answers; nobody sends it again by itself."""
        replica = self._able()
        if replica is not None:
            self._deliver(replica, Key(PROJECT, LOBBY, room.sid), event.id, dump_event(event))

    def _deliver(self, replica: Replica, key: Key, id_: str, entry: bytes) -> None:
        delivery = at_once(self.ledger.deliver(key, id_, entry))
        if delivery.handover is not None:
            self._drive(replica, delivery.handover)

    # What is due

    def _claim_in(self, span: Ms) -> None:
        when = self.clock.now + span
        if self.clock.now <= self._claim_at <= when:
            return
        self._claim_at = when
        self.clock.at(when, partial(self._claim, when))

    def _claim(self, when: Ms) -> None:
        if when != self._claim_at:
            return
        self._claim_at = -1
        replica = self._able()
        if replica is None:
            self._claim_in(100)
            return
        claimed, wait = at_once(self.ledger.claim(8))
        for handover in claimed:
            self._drive(replica, handover)
        if wait is not None:
            self._claim_in(wait)

    def _drive(self, replica: Replica, handover: Handover) -> None:
        self.laws.handed(handover)
        setting = Setting(
            terms=self.terms,
            site=self.site,
            breaker=self._breaker(replica),
            looks=self.life.looks_apart,
            tape=self.tape,
        )
        claimed = Claimed(handover, self.clock, self.line, lambda: self.ledger, setting, laws=self.laws)
        self._start(replica, claimed.run(replica.failures))

    # What is known of targets

    def _breaker(self, replica: Replica) -> Breaker:
        replica.breaker = replica.breaker or Breaker(Board(self.ledger, Log(len, lambda: 0.0)), Pacer(self.ledger))
        return replica.breaker

    def _tell(self) -> None:
        """Each replica tells the others what is new of targets."""
        self.clock.after(TOLD_MS, self._tell)
        for replica in self.replicas:
            if replica.able(self.clock.now):
                at_once(self._breaker(replica).board.flush())

    # The sweep

    def _sweep(self) -> None:
        self.clock.after(SWEEP_MS, self._sweep)
        replica = self._able()
        if replica is not None:
            self._start(replica, self._swept(replica))

    def _swept(self, replica: Replica) -> Iterator[Ms]:
        try:
            sids = yield from self.line.rooms_listed()
        except Unseen:
            return
        listed = {Key(PROJECT, LOBBY, sid) for sid in sids}
        gone, replica.listed = replica.listed - listed, listed
        for key in [*gone, *listed]:
            room = next((one.shown(LOBBY) for one in self.line.rooms.lives if one.sid == key.sid), None)
            self._nudge(key, room)

    def _nudge(self, key: Key, room: Room | None) -> None:
        swept = Event(id="", name="swept", created_at=0, room=room)
        delivery = at_once(self.ledger.deliver(key, "", dump_event(swept), take=False))
        if delivery.outcome is Delivered.OVER and self.line.rooms.open and self.line.rooms.open.sid == key.sid:
            self.laws.broken(7, f"{key.sid} is over in the ledger, and lives")
