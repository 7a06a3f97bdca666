"""One session, one lease: fold what came in, then plan, look, act and save until nothing is to be done now.

The only code that acts. It holds no state of its own between two drives but how long each project has been failing.
"""

import math
import time
from collections.abc import Mapping
from typing import Final, assert_never

from msgspec import Struct

from dispatcher import calls
from dispatcher.chronicle import Chronicle
from dispatcher.config import Pace
from dispatcher.core import acts, record
from dispatcher.core.events import Event, Ms, RoomSid
from dispatcher.core.fold import fold
from dispatcher.core.plan import Create, Look, Rest, Retract, Wait, plan
from dispatcher.core.rules import Rule
from dispatcher.core.see import see
from dispatcher.core.seen import Seen
from dispatcher.core.session import Session, news
from dispatcher.core.ties import tag
from dispatcher.ledger.interface import Held, Lease, Ledger, SaveResult, Standing, Then
from dispatcher.livekit import LiveKit, LiveKitError, Reason
from dispatcher.pacer import Pacer
from dispatcher.patience import Patience

ROUNDS_MAX: Final = 16  # simulated lives needed 9 at most
AGAIN_MS: Final = 1_000
FRESH_MS: Final = 1_000
SLOT_MS: Final = 5_000  # a turn that was not used by then is lost
CALL_MS: Final = 7_000  # the longest call (5 s), its look (2 s): a lease that ends sooner is renewed first
RETRY_MS: Final = (1_000, 2_000, 4_000, 8_000)  # after a failed look, by failures in a row of the project
UNREADABLE: Final = Event(id="", name="unreadable", created_at=0)  # an inbox entry of another version: it means, look


class Site(Struct, frozen=True, kw_only=True):
    """A project as the driver needs it: its LiveKit, and the rules in force."""

    livekit: LiveKit
    rules: tuple[Rule, ...]


class Driver:
    """Advances sessions it is handed. Safe to use for many at once: each drive keeps to itself."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        sites: Mapping[str, Site],
        instance: str,
        pace: Pace | None,
        chronicle: Chronicle,
        dry_run: bool = False,
    ) -> None:
        self.ledger = ledger
        self.sites = sites
        self.instance = instance
        self.pacer = Pacer(ledger, pace)
        self.chronicle = chronicle
        self.dry_run = dry_run
        self.failures: dict[str, int] = {}
        self.patience = Patience()

    async def drive(self, held: Held) -> Ms | None:
        """The session was advanced as far as it goes now, and saved; in how many ms it is due, None: at rest or lost.

        Raises LedgerUnavailable: the lease runs out, and whoever claims it then goes on. So it does with a session that
        is left to a later release: nothing is saved.
        """
        if self.patience.is_asked_for(held):
            self.chronicle.left_to_newer(held.lease.key)
            return None
        site = self.sites.get(held.lease.key.project)
        if site is None:  # its project has left the configuration
            session = record.load(held.record, held.lease.key.room, RoomSid(held.lease.key.sid))
            await self.ledger.save(held.lease, record.dump(session), held.upto, Then.REST)
            return None
        return await Drive(self, site, held).run()

    def look_failed(self, project: str, error: LiveKitError) -> Ms:
        """How long to wait before the project is looked at again."""
        self.chronicle.look_failed(project, error)
        failures = self.failures.get(project, 0)
        self.failures[project] = failures + 1
        if error.reason is Reason.UNAUTHORIZED:
            return acts.TROUBLE_MS
        return max(RETRY_MS[min(failures, len(RETRY_MS) - 1)], int(1000 * (error.retry_after or 0)))


class _LostError(Exception):
    """Another holds the session now."""


class Drive:
    """One claim of one session."""

    def __init__(self, driver: Driver, site: Site, held: Held) -> None:
        self.driver = driver
        self.site = site
        self.key = held.lease.key
        self.tell = driver.chronicle.of(self.key)
        self.session = record.load(held.record, self.key.room, RoomSid(self.key.sid))
        self.seen: Seen | None = None
        self.seen_until: Ms = 0
        self.just_looked = False
        self._hold(held)
        self._fold(held)

    def _hold(self, held: Held) -> None:
        self.lease: Lease = held.lease
        self.upto = held.upto
        self.offset = held.now - time.monotonic() * 1000

    def _fold(self, held: Held) -> None:
        for entry in held.inbox:
            event = record.load_event(entry) or UNREADABLE
            self._become(fold(self.session, event, self.site.rules, self.now))

    @property
    def now(self) -> Ms:
        """The ledger's clock, carried on by our own since the session was handed over."""
        return int(time.monotonic() * 1000 + self.offset)

    def _become(self, session: Session) -> None:
        """The session is this one now; what is new in its timeline is logged and counted."""
        before, self.session = self.session, session
        self.tell(before, session)

    async def run(self) -> Ms | None:
        """In how many ms the session is due again, or None: it rests, or another holds it."""
        try:
            return await self._advance()
        except _LostError:
            self.driver.chronicle.lost(self.key)
            return None

    async def _advance(self) -> Ms | None:
        for _ in range(ROUNDS_MAX):
            step = plan(self.session, self.now, fresh=self._fresh)
            match step:
                case Look():
                    failed = await self._look()
                    if failed is not None:
                        return await self._put_down(failed)
                case Create():
                    await self._create(step)
                case Retract():
                    await self._retract(step)
                case Wait(until):
                    if not await self._save(Then.DUE, until):
                        return max(0, until - self.now)
                case Rest():
                    if not await self._save(Then.OVER if self.session.final else Then.REST):
                        return None
                case _:
                    assert_never(step)
        self.driver.chronicle.rounds_exceeded(self.key)
        return await self._put_down(AGAIN_MS)

    @property
    def _fresh(self) -> bool:
        return self.seen is not None and (self.just_looked or self.now <= self.seen_until + FRESH_MS)

    async def _put_down(self, due_in: Ms) -> Ms:
        """Saved for later. What came in meanwhile makes it due at once, for the next claim."""
        if await self._save(Then.DUE, self.now + due_in):
            await self._save(Then.KEEP)
            await self.driver.ledger.release(self.lease)
            return 0
        return due_in

    async def _save(self, then: Then, due_at: Ms = 0) -> bool:
        """Saved, behind the fence; True: more came in, it is folded, and the session is still ours."""
        index = (
            ()
            if self.session.over
            else tuple(Standing(want.state, want.next_target.agent) for want in self.session.wants)
        )
        made = record.dump(self.session)
        saved = await self.driver.ledger.save(self.lease, made, self.upto, then, due_at=due_at, index=index)
        if saved.result is SaveResult.LOST:
            raise _LostError
        if saved.held is not None:
            self._hold(saved.held)
            self._fold(saved.held)
        return saved.result is SaveResult.MORE

    async def _look(self) -> Ms | None:
        """The session is as LiveKit shows it; else, unchanged (law 6), in how many ms to try again."""
        await self._renew()
        began = self.now
        try:
            seen = await self.site.livekit.look(self.key.room, self.session.sid)
        except LiveKitError as error:
            return self.driver.look_failed(self.key.project, error)
        self.driver.failures.pop(self.key.project, None)
        self.seen, self.seen_until, self.just_looked = seen, self.now, True
        told = self.session.told
        self._become(see(self.session, seen, self.site.rules, instance=self.driver.instance, now=began))
        await self.driver.pacer.heard(self.key.project, news(self.session, told))
        return None

    async def _renew(self) -> None:
        """The lease outlives the next call."""
        if self.lease.until - self.now >= CALL_MS:
            return
        lease = await self.driver.ledger.renew(self.lease)
        if lease is None:
            raise _LostError
        self.lease = lease

    async def _create(self, step: Create) -> None:
        """The agent was asked for, at its turn."""
        want = self.session.want(step.want)
        if want is None:
            return
        if self.driver.dry_run:
            self._become(acts.would_ask(self.session, step, self.now))
            return
        kept = 0 < want.slot <= self.now <= want.slot + SLOT_MS
        wait = 0 if kept else await self.driver.pacer.wait(self.key.project, step.target.agent)
        if wait > 0:
            self._become(acts.reserve(self.session, step.want, self.now + math.ceil(wait)))
            return
        metadata = calls.metadata(self.site.rules, want, self.seen)
        self._become(acts.ask(self.session, step, self.now))
        await self._save(Then.KEEP)  # the fence is checked, the lease renewed, and a successor finds the attempt
        self.just_looked = False
        asking = calls.Asking(step, metadata, tag(self.driver.instance, want, step.number))
        session, known = await calls.ask(self.site.livekit, self.session, asking, lambda: self.now)
        if not known:
            self.seen = None  # law 4: only a look begun after this may lead to a Create
        self._become(session)

    async def _retract(self, step: Retract) -> None:
        """The agent, or the dispatch, was asked to go."""
        if self.driver.dry_run:
            self._become(acts.retracted(self.session, step, self.now, done=False, why="dry_run"))
            return
        await self._renew()
        self.just_looked = False
        self._become(await calls.take_back(self.site.livekit, self.session, step, self.seen, lambda: self.now))
