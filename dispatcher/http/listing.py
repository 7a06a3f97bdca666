"""Pages of rooms: which match, in which order, and where the next page begins; however many there are, nobody waits."""

import binascii
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, Struct

from dispatcher.client.rooms import ListedRoom
from dispatcher.core.facts import Ms, is_probe
from dispatcher.core.session import Assignment
from dispatcher.engine.slices import Slices
from dispatcher.http import shown
from dispatcher.http.asked import RoomsAsked
from dispatcher.http.problems import bad_request
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger, Life
from dispatcher.ledger.order import Order, Position
from dispatcher.telemetry.masks import Mask

BATCH: Final = 200  # sessions that are read at once: some milliseconds of a Redis, and of us
SEARCH_S: Final = 0.5  # then the page ends, however many were found: the next one goes on
_CURSOR_MAX: Final = 1_024  # characters of a cursor that are read

_ANY: Final = "\U0010ffff"  # no sid comes after it


class Cursor(Struct, frozen=True):
    """Where a session stands among those of all projects."""

    order: Order
    at: Ms
    project: str
    sid: str

    @property
    def cursor(self) -> str:
        """As a page names it."""
        text = "\0".join((self.order, str(self.at), self.project, self.sid))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def within(self, project: str) -> Position:
        """Where the list of one project goes on: sessions of one instant follow each other by project, then sid."""
        if project == self.project:
            return Position(self.at, self.sid)
        newest = self.order is not Order.WAIT
        behind = project < self.project if newest else project > self.project
        return Position(self.at, _ANY if newest is behind else "")


def place_of(cursor: str, order: Order) -> Cursor:
    """Where a page begins. Raises ApiError: no page has named it, or one of another order."""
    try:
        padded = cursor[:_CURSOR_MAX] + "=" * (-len(cursor) % 4)
        said, at, project, sid = urlsafe_b64decode(padded.encode("ascii")).decode().split("\0")
    except (ValueError, binascii.Error):
        raise bad_request("cursor", "as `next_cursor` of an answer has it") from None
    if said != order or not at.isdecimal() or len(at) > 15:
        raise bad_request("cursor", "as `next_cursor` of an answer to the same `sort` has it")
    return Cursor(order, int(at), project, sid)


class Pages:
    """Lists the rooms of projects, page by page. A page is bounded in time, so it may have few rooms, or none."""

    def __init__(self, ledger: Ledger, mask: Mask) -> None:
        self.ledger = ledger
        self.mask = mask

    async def page(self, asked: RoomsAsked, projects: Sequence[str]) -> tuple[tuple[ListedRoom, ...], str | None]:
        """The rooms of a page, and the cursor of the next one. Raises ApiError, LedgerUnavailable."""
        place = None if asked.cursor is UNSET else place_of(asked.cursor, asked.sort)
        most = BATCH if _searches(asked) else min(BATCH, asked.limit + 1)
        slices, end = Slices(rest=0), time.monotonic() + SEARCH_S
        found: list[ListedRoom] = []
        while True:
            batch = await self._batch(asked, projects, place, most)
            for life in batch:
                room = self._listed(asked, life)
                if room is not None and len(found) == asked.limit:
                    return tuple(found), place.cursor if place else None
                found += [room] if room else []
                place = Cursor(asked.sort, _stands(life, asked.sort), life.key.project, life.key.sid)
                await slices.give_way()
            if not batch:  # a short one may have lost sessions that ended while it was read
                return tuple(found), None
            if place is not None and time.monotonic() > end:
                return tuple(found), place.cursor

    async def _batch(self, asked: RoomsAsked, projects: Sequence[str], place: Cursor | None, most: int) -> list[Life]:
        """The next sessions of all projects, in order."""
        state = None if asked.state is UNSET else asked.state
        lives = [
            life
            for project in projects
            for life in await self.ledger.list(
                project, state, order=asked.sort, after=place.within(project) if place else None, limit=most
            )
        ]
        return sorted(
            lives,
            key=lambda one: (_stands(one, asked.sort), one.key.project, one.key.sid),
            reverse=asked.sort is not Order.WAIT,
        )[:most]

    def _listed(self, asked: RoomsAsked, life: Life) -> ListedRoom | None:
        """The session as it is listed; None: it is not what was asked for. A probe's is listed to who looks for it."""
        if is_probe(life.key.room) and asked.q is UNSET:
            return None
        name = self.mask.numbers(life.key.room)
        if asked.q is not UNSET and asked.q.casefold() not in name.casefold() and asked.q != life.key.sid:
            return None
        known = sessions.known(life)
        session = known.session
        if _narrows(asked) and not any(_matches(asked, one) for one in session.assignments):
            return None
        return shown.summary(known, shown.masked(session, self.mask))


def _stands(life: Life, order: Order) -> Ms:
    """Where in the order: its birth, since when somebody waits, or its end."""
    return {Order.NEWEST: life.born, Order.WAIT: life.waiting_since, Order.ENDED: life.ended_at}[order]


def _searches(asked: RoomsAsked) -> bool:
    """Whether sessions are read that may not match."""
    state_alone = asked.state is not UNSET and asked.sort is not Order.NEWEST
    return asked.q is not UNSET or asked.agent is not UNSET or asked.rule is not UNSET or state_alone


def _narrows(asked: RoomsAsked) -> bool:
    return asked.state is not UNSET or asked.agent is not UNSET or asked.rule is not UNSET


def _matches(asked: RoomsAsked, one: Assignment) -> bool:
    """Whether the assignment is all that was asked for."""
    return (
        (asked.state is UNSET or one.state is asked.state)
        and (asked.agent is UNSET or one.next_target.name == asked.agent)
        and (asked.rule is UNSET or one.rule == asked.rule)
    )
