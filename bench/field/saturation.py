"""The highest rate that a contender holds: its answers are quick, and everybody has an agent."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from bench.field.rows import Row

QUICK_MS: Final = 10.0  # 99 of 100 webhooks are answered within
SENDER_MS: Final = 5.0  # later than that, the sender is what is measured
EXACT: Final = 0.05  # of the rate, and
LEAST: Final = 5.0  # rooms a second: how far apart what is held and what is not are at the end
FIRST: Final = 100.0  # rooms a second
RISE: Final = 1.5
MOST: Final = 1500.0


class Saturation(Struct, frozen=True):
    """How far a contender went."""

    name: str
    held: float  # rooms a second; 0: none
    create_p99: float | None  # ms, there
    gave_way: str  # what happened beyond it


def late(row: Row) -> bool:
    """Whether it tells of the sender."""
    return row.sender_late is not None and row.sender_late > SENDER_MS


def why_not(row: Row) -> str:
    """Why this rate is not held; empty: it is."""
    if late(row):
        return f"the sender was {row.sender_late:.0f} ms late"
    if row.failed:
        return f"{row.failed} webhooks failed"
    if row.ack_p99 is None or row.ack_p99 > QUICK_MS:
        return f"ack p99 {row.ack_p99 or 0:.0f} ms"
    return f"{row.missing} rooms without an agent" if row.missing else ""


async def saturate(name: str, measure: Callable[[float], Awaitable[Row]]) -> Saturation:
    """The rate rises until it is not held, and is then narrowed down."""
    best: Row | None = None
    low, high, rate, reason = 0.0, MOST, FIRST, ""
    while high - low > max(LEAST, EXACT * high) and rate <= MOST:
        row = await measure(rate)
        if late(row):  # by whatever else ran here, it may be
            row = await measure(rate)
        if why := why_not(row):
            high, reason = rate, f"{why} at {rate:.0f}"
        else:
            low, best = rate, row
        rate = round((low + high) / 2 if reason else rate * RISE)
    return Saturation(name, low, best.create_p99 if best else None, reason)
