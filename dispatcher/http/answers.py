"""What an order is answered: how its assignment stands, at once or as soon as it has come to its end."""

import asyncio
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from dispatcher.client.rooms import ROOM_FINISHED, Dispatched
from dispatcher.core.facts import Ms
from dispatcher.core.session import Session, State
from dispatcher.engine.orders import Placed
from dispatcher.explain import Known, diagnosis
from dispatcher.http import shown
from dispatcher.http.route import Answered
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.sessions import KnownSession
from dispatcher.targets.pauses import PauseBoard
from dispatcher.telemetry.masks import Mask

POLL_S: Final = 0.2  # how often the ledger is asked for what somebody waits for
SETTLED: Final = frozenset({State.SERVED, State.STARVED, State.FINISHED})  # it is known how it ended


class OrderAnswers:
    """Answers orders with what the ledger says of their assignments."""

    def __init__(self, ledger: Ledger, pauses: PauseBoard, mask: Mask) -> None:
        self.ledger = ledger
        self.pauses = pauses
        self.mask = mask

    async def stands(self, placed: Placed, wait: Ms, soon: Collection[State], told: int = 0) -> KnownSession | None:
        """The session at once, or as soon as the assignment has come to its end, after `wait` ms at most.

        That is in one of the states `soon`, or, the order having been taken in (more than `told` entries), in any.
        """
        end = time.monotonic() + wait / 1000
        while True:
            every = await sessions.find(self.ledger, placed.key.project, placed.key.room)
            known = next((one for one in every if one.key == placed.key), None)
            if time.monotonic() >= end or (known and _settled(known, placed.assignment, soon, told)):
                return known
            await asyncio.sleep(min(POLL_S, max(0.0, end - time.monotonic())))

    async def shown(self, placed: Placed, known: KnownSession | None) -> Answered[Dispatched]:
        """202 while it is under way, 200 once it is known how it ended."""
        session = shown.masked(known.session, self.mask) if known else None
        key = self.mask.assignment(placed.assignment)
        one = session.find(key) if session else None
        over = known.over if known else placed.repeated  # it was there: it has ended so long ago that it is forgotten
        state = ROOM_FINISHED if over else one.state if one else State.WAITING
        told = Dispatched(
            project=placed.key.project,
            room=self.mask.numbers(placed.key.room),
            sid=placed.key.sid,
            assignment=key,
            state=state,
            agent=str(one.next_target) if one else None,
            diagnosis=await self._diagnosis(placed, session) if session else (),
        )
        headers = {"Idempotent-Replayed": "true"} if placed.repeated else None
        under_way = state not in {*SETTLED, ROOM_FINISHED}
        return Answered(body=told, status=HTTPStatus.ACCEPTED if under_way else HTTPStatus.OK, headers=headers)

    async def _diagnosis(self, placed: Placed, session: Session) -> tuple[str, ...]:
        now = await self.ledger.now()
        return tuple(diagnosis(session, Known(now=now, paused=await self.pauses.paused(placed.key.project, now))))


def _settled(known: KnownSession, assignment: str, soon: Collection[State], told: int) -> bool:
    one = known.session.find(assignment)
    if known.over or one is None:
        return known.over
    return one.state in soon or (known.session.entries_total > told > 0 and one.state in SETTLED)
