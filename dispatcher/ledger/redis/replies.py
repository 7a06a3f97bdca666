"""Makes the interface's types from the scripts' answers, and what scripts read from the interface's types."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.ledger.changes import Announced, Change
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.interface import Handover, Key, Lease, Life, Slot, Standing
from dispatcher.ledger.order import ListedPage, Order
from dispatcher.ledger.redis.scripts import PARTITIONS

WAITING: Final = "~"  # the list of sessions in which somebody waits; no state is called so
ENDED: Final = "^"  # the list of those that have ended; nor so


def lines(index: Sequence[Standing]) -> bytes:
    """The lines of the index as the scripts read them."""
    return msgspec.json.encode(index)


class ListAsked(NamedTuple):
    """Which list, and where it goes on, as list.lua reads it."""

    lines: str
    limit: int
    after: str
    order: str

    @property
    def project(self) -> str:
        return self.lines.partition("\0")[0]

    @property
    def ended(self) -> bool:
        return self.lines.endswith(f"\0{ENDED}")


def list_of(project: str, state: str | None, page: ListedPage) -> ListAsked:
    """What list.lua is asked."""
    name = {Order.NEWEST: state or "", Order.WAIT: WAITING, Order.ENDED: ENDED}[page.order]
    after = page.after
    place = "" if after is None else f"{after.at:0{1 if page.order is Order.NEWEST else 13}d}\0{after.sid}"
    return ListAsked(f"{project}\0{name}", page.limit, place, "wait" if page.order is Order.WAIT else "")


def kept(ended: EndedRooms) -> str:
    """What `forget_ended` in preamble.lua is told: a partition's share."""
    return f"{ended.keep} {ended.max_rooms // PARTITIONS} {ended.max_bytes // PARTITIONS}"


def handover(answer: Sequence[Any]) -> Handover:
    """What `held` in preamble.lua has made."""
    name, room, token, until, now, due, upto, record, inbox, lapses = answer
    lease = Lease(key=_key(name, room), token=token.decode(), until=until)
    return Handover(lease=lease, record=record, inbox=tuple(inbox), upto=upto, now=now, due=due, lapses=lapses)


def life(answer: Sequence[Any]) -> Life:
    """What `life` in preamble.lua has made."""
    name, room, record, born, due_at, ended_at = answer
    return Life(key=_key(name, room), record=record, born=born, due_at=due_at, ended_at=ended_at)


def slot(answer: Sequence[bytes]) -> Slot:
    """What pace.lua answers."""
    wait, memo = answer
    return Slot(float(wait), memo or None)


def memos(answers: Iterable[Sequence[bytes]]) -> list[bytes | None]:
    """What memos.lua answers, one of each name."""
    return [memo or None for [memo] in answers]


def standings(answers: Iterable[Sequence[bytes]]) -> dict[tuple[str, Standing], int]:
    """The counters of all partitions, added up."""
    total: dict[tuple[str, Standing], int] = {}
    for answer in answers:
        for field, number in zip(answer[::2], answer[1::2], strict=True):
            project, state, agent = field.decode().split("\0", 2)
            line = (project, Standing(state, agent))
            total[line] = total.get(line, 0) + int(number)
    return total


def changes(answers: Sequence[Sequence[Any]]) -> Announced:
    """What changes.lua answers in each partition, in one order.

    What one partition has from the earliest of their readings on is left for the next time: others may have older ones
    by then.
    """
    until = min(now for now, *_ in answers)
    found = [one for partition, (_, _, *told) in enumerate(answers) for one in _announced(partition, told)]
    complete_from = max(complete_from for _, complete_from, *_ in answers)
    return Announced(tuple(sorted(one for one in found if one.at < until)), until, complete_from)


def _announced(partition: int, told: Sequence[bytes]) -> Iterator[Change]:
    for name, body in zip(told[::2], told[1::2], strict=True):
        at, number = map(int, name.split(b"-"))
        yield Change(at, number, partition, body)


def _key(name: bytes, room: bytes) -> Key:
    project, _, sid = name.decode().partition("\0")
    return Key(project, room.decode(), sid)
