"""The memory ledger's lists: sessions in order, so that a page of them costs the same however many there are."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Sequence
from sys import intern
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Key, Standing
from dispatcher.ledger.order import ListedPage, Order

_ALL: Final = ""
_WAITING: Final = "~"  # no state is called so
_ENDED: Final = "^"  # nor so
_LAST: Final = "\U0010ffff"  # no room's name comes after it


class Listing(Struct, frozen=True, order=True, gc=False):
    """A session's place in one list."""

    at: Ms  # its birth, since when somebody waits, or its end
    sid: str
    room: str


def listings(born: Ms, index: Sequence[Standing]) -> tuple[tuple[str, Ms], ...]:
    """In which lists of its project a live session is, and where."""
    states = {(intern(str(line.state)), born) for line in index}
    waits = [line.since for line in index if line.since]
    return ((_ALL, born), *states, *([(_WAITING, min(waits))] if waits else []))


def ended(at: Ms) -> tuple[tuple[str, Ms], ...]:
    """In which list a session is that ended then, and where."""
    return ((_ENDED, at),)


class Lists:
    """Of each project: all that live, those with an assignment in each state, in which somebody waits, that ended."""

    def __init__(self) -> None:
        self._lists: defaultdict[tuple[str, str], list[Listing]] = defaultdict(list)

    def move(self, key: Key, before: Collection[tuple[str, Ms]], after: Collection[tuple[str, Ms]]) -> None:
        """The session is in these lists, and no more in those."""
        for name, at in set(before) - set(after):
            listed = self._lists[key.project, name]
            del listed[bisect_left(listed, Listing(at, key.sid, key.room))]
        for name, at in set(after) - set(before):
            insort(self._lists[key.project, name], Listing(at, key.sid, key.room))

    def page(self, project: str, state: str | None, page: ListedPage) -> list[tuple[Ms, Key]]:
        """So many of the list, in its order."""
        order, after, limit = page.order, page.after, page.limit
        name = {Order.NEWEST: state or _ALL, Order.WAIT: _WAITING, Order.ENDED: _ENDED}[order]
        listed = self._lists.get((project, name), [])
        if order is Order.WAIT:
            begin = 0 if after is None else bisect_right(listed, Listing(*after, _LAST))
            some = listed[begin : begin + limit]
        else:
            end = len(listed) if after is None else bisect_left(listed, Listing(*after, ""))
            some = listed[max(0, end - limit) : end][::-1]
        return [(one.at, Key(project, one.room, one.sid)) for one in some]
