"""Carries out what drives ask for (`dispatcher.core.drive`): the only code that calls LiveKit and saves sessions.

It holds no state of its own between two drives but what `Looks` and `Pacer` keep of projects. A drive works from its
beginning to its end under what was in force when it began. What happened to a session is told only once it is saved: a
lease that was lost tells nothing of what was not done.
"""

import math
from contextlib import closing
from typing import assert_never

from dispatcher import calls
from dispatcher.chronicle import Chronicle
from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import (
    Ask,
    Effect,
    Observe,
    Release,
    Released,
    Reply,
    Save,
    Saved,
    TakeBack,
    Then,
    Turn,
    TurnToCreate,
    TurnToLook,
)
from dispatcher.core.events import Ms
from dispatcher.current import Current, Site
from dispatcher.ledger.interface import Held, Ledger
from dispatcher.ledger.sessions import LeasedSession, LostError
from dispatcher.looks import Looks
from dispatcher.pacer import Pacer
from dispatcher.patience import Patience
from dispatcher.tape import RecordedDrive, Tape


class Driver:
    """Advances sessions it is handed. Safe to use for many at once: each drive keeps to itself."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        current: Current,
        pacer: Pacer,
        chronicle: Chronicle,
        dry_run: bool = False,
        tape: Tape | None = None,
    ) -> None:
        self.ledger = ledger
        self.current = current
        self.pacer = pacer
        self.chronicle = chronicle
        self.dry_run = dry_run
        self.tape = tape
        self.looks = Looks(pacer, chronicle)
        self.patience = Patience()

    async def drive(self, held: Held) -> Ms | None:
        """Advance the session as far as it goes now, and save it; in how many ms it is due, None: at rest or lost.

        Raises LedgerUnavailable: the lease runs out, and whoever claims it then goes on. So it does with a session that
        is left to a later release: nothing is saved.
        """
        if self.patience.is_asked_for(held):
            self.chronicle.left_to_newer(held.lease.key)
            return None
        now = self.current.now
        site = now.sites.get(held.lease.key.project)
        leased = LeasedSession(self.ledger, held)
        try:
            if site is None:  # its project has left the configuration
                await leased.save(Save(session=leased.session, then=Then.REST))
                return None
            terms = Terms(
                tags=site.tags,
                rules=site.rules,
                paused=site.paused,
                limited=site.limit is not None,
                dry_run=self.dry_run,
            )
            return await _Hands(self, leased, site).carry_out(self._begun(leased, terms))
        except LostError:
            self.chronicle.lost(leased.key)
            return None

    def _begun(self, leased: LeasedSession, terms: Terms) -> Drive | RecordedDrive:
        if self.tape is None:
            return Drive(leased.session, leased.inbox, terms, leased.now)
        return self.tape.drive(leased.key.project, leased.session, leased.inbox, terms, leased.now)


class _Hands:
    """Carries out the effects of one drive."""

    def __init__(self, driver: Driver, leased: LeasedSession, site: Site) -> None:
        self.driver = driver
        self.leased = leased
        self.site = site
        self.project = leased.key.project

    async def carry_out(self, drive: Drive | RecordedDrive) -> Ms | None:
        """Carry out one effect after the other until the drive is done; its result. Raises LostError."""
        with closing(drive.run()) as conversation:
            try:
                effect = next(conversation)
                while True:
                    effect = conversation.send(await self._reply(effect))
            except StopIteration as end:
                due_in: Ms | None = end.value
                return due_in

    async def _reply(self, effect: Effect) -> Reply:
        leased, pacer, site = self.leased, self.driver.pacer, self.site
        match effect:
            case TurnToLook():
                return self._turn(await pacer.to_look(self.project, site.limit))
            case TurnToCreate(target):
                return self._turn(await pacer.to_create(self.project, target, site))
            case Observe():
                await leased.renew()
                return await self.driver.looks.look(leased.key, site, lambda: leased.now)
            case Ask():
                return await calls.ask(site.livekit, leased.key.room, effect, lambda: leased.now)
            case TakeBack():
                await pacer.taking_back(self.project, site.limit)
                await leased.renew()
                return await calls.take_back(site.livekit, leased.key.room, effect, lambda: leased.now)
            case Save():
                return await self._save(effect)
            case Release():
                await leased.release()
                return Released(leased.now)
            case _:
                assert_never(effect)

    def _turn(self, wait: float) -> Turn:
        return Turn(self.leased.now, math.ceil(wait))

    async def _save(self, save: Save) -> Saved:
        """Save the session if we still hold the lease; then tell what is new, and let the pace follow it."""
        saved, entries = await self.leased.save(save)
        self.driver.chronicle.tell(self.leased.key, entries)
        await self.driver.pacer.heard(self.project, self.site, entries)
        return saved
