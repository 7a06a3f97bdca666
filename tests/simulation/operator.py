"""An operator of the simulation: orders agents, cancels and retries assignments, at any time."""

from functools import partial

from dispatcher.core.events import Event
from dispatcher.core.facts import RoomSid
from dispatcher.core.orders import CancelAssignment, Order, RequestAgent, RetryAssignment, policy_for
from dispatcher.core.rules import Target
from dispatcher.ledger import record
from tests.simulation.cluster import Cluster
from tests.simulation.house import LOBBY


class Operator:
    """Somebody with a token of the API."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._number = 0

    def orders(self, agent: str) -> None:
        """Such an agent is ordered, and ordered again, as there was no answer."""
        self._number += 1
        order = RequestAgent(id=f"o{self._number}", policy=policy_for((Target(agent),)))
        for delay in (0, self.cluster.random.randrange(1, 2_000)):
            self.cluster.clock.after(delay, partial(self._send, order, f"o{self._number}"))

    def cancels(self) -> None:
        """An assignment is cancelled."""
        if key := self._any():
            self._send(CancelAssignment(assignment=key))

    def retries(self) -> None:
        """An assignment is tried again."""
        if key := self._any():
            self._send(RetryAssignment(assignment=key))

    def _any(self) -> str:
        """One of the assignments of the session that lives; "" where there is none."""
        room = self.cluster.line.rooms.open
        known = next((one for one in self.cluster.lives() if room and one.key.sid == room.sid and one.record), None)
        session = record.load(known.record, LOBBY, RoomSid(known.key.sid)) if known else None
        keys = [one.key for one in session.assignments] if session else []
        return self.cluster.random.choice(keys) if keys else ""

    def _send(self, order: Order, id_: str = "") -> None:
        room = self.cluster.line.rooms.open
        if room is not None:
            shown = room.shown(LOBBY)
            self.cluster.order(Event(id=id_, name="ordered", created_at=0, room=shown, order=order, by="op"), shown)
