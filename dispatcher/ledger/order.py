"""In which order a ledger lists sessions, and where a list goes on."""

from enum import StrEnum
from typing import NamedTuple, TypedDict

from msgspec import Struct

from dispatcher.core.facts import Ms


class Order(StrEnum):
    """In which order sessions are listed."""

    NEWEST = "newest"  # by birth, the newest first
    WAIT = "wait"  # those in which somebody waits, the longest wait first
    ENDED = "ended"  # those that have ended, instead of those that live: the one that ended last first


class Position(NamedTuple):
    """Where a list goes on: after the session that stands there, whether or not it still does."""

    at: Ms  # its birth, since when somebody waits, or its end
    sid: str


class ListedPage(Struct, frozen=True, kw_only=True):
    """So many sessions of a list, from its beginning or after a position."""

    order: Order = Order.NEWEST
    after: Position | None = None
    limit: int = 100


class PageFields(TypedDict, total=False):
    """The fields of a ListedPage."""

    order: Order
    after: Position | None
    limit: int
