"""A session as the memory ledger keeps it: its place, its inbox, its lease.

Nothing that it holds is looked at by the collector of garbage, which would stop the process for as long as that takes:
a tenth of a second, with 20,000 sessions.
"""

from enum import Enum, auto

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import INBOX_MAX, Handover, Key, Lease, Life


class Place(Enum):
    """Where a session is: in exactly one of these (law 7)."""

    DUE = auto()
    HELD = auto()
    REST = auto()
    OVER = auto()


class StoredSession(Struct, kw_only=True, eq=False, gc=False):
    """A session as it lies in memory."""

    key: Key
    place: Place
    at: Ms  # DUE: when; HELD: the lease's end; OVER: since when; else without meaning
    born: Ms
    expires: Ms = 0
    record: bytes | None = None
    index: tuple[tuple[str, str], ...] = ()  # states and agents of its standings
    listed: tuple[tuple[str, Ms], ...] = ()  # in which lists, and where
    inbox: tuple[bytes, ...] = ()
    head: int = 0  # absolute position of the inbox's first entry
    lapses: int = 0  # leases in a row that ran out
    alone_until: Ms = 0  # it is left alone: handed out to nobody
    token: str = ""  # the newest lease's; it counts only while HELD
    ticket: int = 0  # of its entry in the agenda; 0: it has none

    def append(self, entry: bytes) -> None:
        """Append the entry to the inbox; beyond INBOX_MAX drop the first one."""
        self.inbox = (*self.inbox, entry)
        if len(self.inbox) > INBOX_MAX:
            self.drain(self.head + 1)

    def drain(self, upto: int) -> None:
        """Drop the inbox's entries before the absolute position `upto`."""
        gone = min(len(self.inbox), max(0, upto - self.head))
        self.inbox, self.head = self.inbox[gone:], self.head + gone

    def keep(self, record: bytes, upto: int, *, ended: bool) -> None:
        """Its holder has saved it, and with `ended` its lease did not run out."""
        self.record = record
        self.drain(upto)
        if ended:
            self.lapses = 0

    @property
    def size(self) -> int:
        """How many bytes its record has."""
        return len(self.record or b"")

    def lapse(self) -> int:
        """How many leases in a row have run out, if it is handed out as one just has; else 0."""
        if self.place is not Place.HELD:
            return 0
        self.lapses += 1
        return self.lapses

    def is_taken(self, now: Ms) -> bool:
        """Whether somebody has a lease that has not run out, or it is left alone."""
        return (self.place is Place.HELD and self.at > now) or self.alone_until > now

    def lease(self) -> Lease:
        """The lease it is held under."""
        return Lease(key=self.key, token=self.token, until=self.at)

    def handover(self, now: Ms, inbox: tuple[bytes, ...], *, due: Ms | None = None, lapses: int = 0) -> Handover:
        """The session for the holder of its lease, with this beginning of its inbox."""
        return Handover(
            lease=self.lease(),
            record=self.record,
            inbox=inbox,
            upto=self.head + len(inbox),
            now=now,
            due=now if due is None else due,
            lapses=lapses,
        )

    def life(self) -> Life:
        """The session to read only."""
        due_at = self.at if self.place is Place.DUE else None
        ended_at = self.at if self.place is Place.OVER else 0
        return Life(key=self.key, record=self.record, born=self.born, due_at=due_at, ended_at=ended_at)
