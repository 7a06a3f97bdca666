"""One session in one's hands: as it stands, and the lease that allows to advance it, until it is put down."""

import time
from typing import Final

from dispatcher.chronicle import Chronicle
from dispatcher.core import record
from dispatcher.core.events import Event, Ms, RoomSid
from dispatcher.core.fold import fold
from dispatcher.core.session import Session
from dispatcher.current import Site
from dispatcher.ledger.interface import Held, Ledger, SaveResult, Standing, Then

CALL_MS: Final = 7_000  # the longest call (5 s), its look (2 s): a lease that ends sooner is renewed first
UNREADABLE: Final = Event(id="", name="unreadable", created_at=0)  # an inbox entry of another version: it means, look


class LostError(Exception):
    """Another holds the session now."""


class Claim:
    """What came in is folded, as the site's rules have it, when the session is handed over."""

    def __init__(self, ledger: Ledger, chronicle: Chronicle, site: Site, held: Held) -> None:
        self.ledger = ledger
        self.site = site
        self.key = held.lease.key
        self.session = record.load(held.record, self.key.room, RoomSid(self.key.sid))
        self._lease = held.lease
        self._tell = chronicle.of(self.key)
        self._take(held)

    @property
    def now(self) -> Ms:
        """The ledger's clock, carried on by our own since the session was handed over."""
        return int(time.monotonic() * 1000 + self._offset)

    def become(self, session: Session) -> None:
        """The session is this one now; what is new in its timeline is logged and counted."""
        before, self.session = self.session, session
        self._tell(before, session)

    async def save(self, then: Then, due_at: Ms = 0) -> bool:
        """Saved, behind the fence; True: more came in, is folded, and the session is still ours. Raises LostError."""
        index = (
            ()
            if self.session.over
            else tuple(Standing(want.state, want.next_target.agent) for want in self.session.wants)
        )
        made = record.dump(self.session)
        saved = await self.ledger.save(self._lease, made, self._upto, then, due_at=due_at, index=index)
        if saved.result is SaveResult.LOST:
            raise LostError
        if saved.held is not None:
            self._take(saved.held)
        return saved.result is SaveResult.MORE

    async def put_down(self, due_in: Ms) -> Ms:
        """Saved for later. What came in meanwhile makes it due at once, for the next claim. Raises LostError."""
        if await self.save(Then.DUE, self.now + due_in):
            await self.save(Then.KEEP)
            await self.ledger.release(self._lease)
            return 0
        return due_in

    async def renew(self) -> None:
        """The lease outlives the next call. Raises LostError."""
        if self._lease.until - self.now >= CALL_MS:
            return
        lease = await self.ledger.renew(self._lease)
        if lease is None:
            raise LostError
        self._lease = lease

    def _take(self, held: Held) -> None:
        self._lease = held.lease
        self._upto = held.upto
        self._offset = held.now - time.monotonic() * 1000
        for entry in held.inbox:
            event = record.load_event(entry) or UNREADABLE
            self.become(fold(self.session, event, self.site.rules, self.now))
