"""One session, one lease: fold what came in, then plan, look, act and save until nothing is to be done now.

The only code that acts. It holds no state of its own between two drives but what `Looks` and `Pacer` keep of projects.
A drive works from its beginning to its end with what was in force when it began.
"""

import math
from typing import Final, assert_never

from dispatcher import calls
from dispatcher.chronicle import Chronicle
from dispatcher.claim import Claim, LostError
from dispatcher.core import acts, record
from dispatcher.core.events import Ms, RoomSid
from dispatcher.core.pause import pause
from dispatcher.core.plan import Create, Look, Rest, Retract, Wait, plan
from dispatcher.core.see import see
from dispatcher.core.seen import Seen
from dispatcher.core.session import Session, news
from dispatcher.current import Current
from dispatcher.ledger.interface import Held, Ledger, Then
from dispatcher.looks import Looks
from dispatcher.pacer import Pacer
from dispatcher.patience import Patience

ROUNDS_MAX: Final = 16  # 30,000 simulated lives needed 10 at most, 12 with more than one want
AGAIN_MS: Final = 1_000
FRESH_MS: Final = 1_000
SLOT_MS: Final = 5_000  # a turn that was not used by then is lost


class Driver:
    """Advances sessions it is handed. Safe to use for many at once: each drive keeps to itself."""

    def __init__(
        self, *, ledger: Ledger, current: Current, pacer: Pacer, chronicle: Chronicle, dry_run: bool = False
    ) -> None:
        self.ledger = ledger
        self.current = current
        self.pacer = pacer
        self.chronicle = chronicle
        self.dry_run = dry_run
        self.looks = Looks(pacer, chronicle)
        self.patience = Patience()

    async def drive(self, held: Held) -> Ms | None:
        """The session was advanced as far as it goes now, and saved; in how many ms it is due, None: at rest or lost.

        Raises LedgerUnavailable: the lease runs out, and whoever claims it then goes on. So it does with a session that
        is left to a later release: nothing is saved.
        """
        if self.patience.is_asked_for(held):
            self.chronicle.left_to_newer(held.lease.key)
            return None
        now = self.current.now
        site = now.sites.get(held.lease.key.project)
        if site is None:  # its project has left the configuration
            session = record.load(held.record, held.lease.key.room, RoomSid(held.lease.key.sid))
            await self.ledger.save(held.lease, record.dump(session), held.upto, Then.REST)
            return None
        return await Drive(self, Claim(self.ledger, self.chronicle, site, held)).run()


class Drive:
    """One claim of one session, advanced."""

    def __init__(self, driver: Driver, claim: Claim) -> None:
        self.driver = driver
        self.claim = claim
        self.site = claim.site
        self.project = claim.key.project
        self.seen: Seen | None = None
        self.seen_until: Ms = 0
        self.just_looked = False

    async def run(self) -> Ms | None:
        """In how many ms the session is due again, or None: it rests, or another holds it."""
        try:
            return await self._advance()
        except LostError:
            self.driver.chronicle.lost(self.claim.key)
            return None

    async def _advance(self) -> Ms | None:
        claim = self.claim
        for _ in range(ROUNDS_MAX):
            claim.become(pause(claim.session, self.site.paused, claim.now))
            step = plan(claim.session, claim.now, fresh=self._fresh)
            match step:
                case Look():
                    failed = await self._look()
                    if failed is not None:
                        return await claim.put_down(failed)
                case Create():
                    await self._create(step)
                case Retract():
                    await self._retract(step)
                case Wait(until):
                    if not await claim.save(Then.DUE, until):
                        return max(0, until - claim.now)
                case Rest():
                    if not await claim.save(Then.OVER if claim.session.final else Then.REST):
                        return None
                case _:
                    assert_never(step)
        self.driver.chronicle.rounds_exceeded(claim.key)
        return await claim.put_down(AGAIN_MS)

    @property
    def _fresh(self) -> bool:
        return self.seen is not None and (self.just_looked or self.claim.now <= self.seen_until + FRESH_MS)

    async def _look(self) -> Ms | None:
        """The session is as LiveKit shows it; else, unchanged (law 6), in how many ms to try again."""
        if (wait := await self._turn_to_look()) > 0:
            return wait
        await self.claim.renew()
        began = self.claim.now
        seen = await self.driver.looks.look(self.claim.key, self.site)
        if not isinstance(seen, Seen):
            return seen
        self.seen, self.seen_until, self.just_looked = seen, self.claim.now, True
        await self._learn(see(self.claim.session, seen, self.site.rules, tags=self.site.tags, now=began))
        return None

    async def _turn_to_look(self) -> Ms:
        """In how many ms the session's turn comes, where calls are limited; a turn once taken is kept."""
        slot, now = self.claim.session.slot, self.claim.now
        if self.site.limit is None or 0 < slot <= now <= slot + SLOT_MS:
            slot = 0
        elif slot < now:
            wait = await self.driver.pacer.to_look(self.project, self.site.limit)
            slot = now + math.ceil(wait) if wait > 0 else 0
        self.claim.become(acts.turn(self.claim.session, slot))
        return max(0, slot - now)

    async def _learn(self, session: Session) -> None:
        """The session is this one now, and the pace follows what became of its attempts."""
        told = self.claim.session.told
        self.claim.become(session)
        await self.driver.pacer.heard(self.project, self.site, news(session, told))

    async def _create(self, step: Create) -> None:
        """The agent was asked for, at its turn."""
        claim = self.claim
        want = claim.session.want(step.want)
        if want is None:
            return
        if self.driver.dry_run:
            claim.become(acts.would_ask(claim.session, step, claim.now))
            return
        kept = 0 < want.slot <= claim.now <= want.slot + SLOT_MS
        wait = 0 if kept else await self.driver.pacer.to_create(self.project, step.target, self.site)
        if wait > 0:
            claim.become(acts.reserve(claim.session, step.want, claim.now + math.ceil(wait)))
            return
        if all(rule.name != want.rule for rule in self.site.rules):
            self.driver.chronicle.rule_gone(claim.key, want.rule)
        metadata = calls.metadata(self.site.rules, want, self.seen)
        claim.become(acts.ask(claim.session, step, claim.now))
        await claim.save(Then.KEEP)  # the fence is checked, the lease renewed, and a successor finds the attempt
        self.just_looked = False
        asking = calls.Asking(step, metadata, self.site.tags.of(claim.session, step))
        session, known = await calls.ask(self.site.livekit, claim.session, asking, lambda: claim.now)
        if not known:
            self.seen = None  # law 4: only a look begun after this may lead to a Create
        await self._learn(session)

    async def _retract(self, step: Retract) -> None:
        """The agent, or the dispatch, was asked to go."""
        claim = self.claim
        if self.driver.dry_run:
            claim.become(acts.retracted(claim.session, step, claim.now, done=False, why="dry_run"))
            return
        await self.driver.pacer.taking_back(self.project, self.site.limit)
        await claim.renew()
        self.just_looked = False
        claim.become(await calls.take_back(self.site.livekit, claim.session, step, self.seen, lambda: claim.now))
