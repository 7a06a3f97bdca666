"""Operations on the sessions of a name, and on many, partition by partition."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest, nsmallest
from typing import Final, TypeVar

from msgspec.structs import replace

from dispatcher.ledger.interface import Key, Life
from dispatcher.ledger.redis import replies
from dispatcher.ledger.redis.keys import Keys, session_id
from dispatcher.ledger.redis.owner import Owner
from dispatcher.ledger.redis.replies import ListAsked
from dispatcher.ledger.redis.scripts import Op

TOUCHED_MAX: Final = 256  # by one script: some 3 ms in which Redis does nothing else
TOUCHES_MAX: Final = 16  # scripts within one deadline: 10,000 live rooms are not to be a matter of one second

T = TypeVar("T")


async def lives(client: Owner, keys: Keys, project: str, room: str, kept: str) -> list[Life]:
    """The lives of a room name, the newest first."""
    base, name = keys.base(project, room), f"{project}\0{room}".encode()
    [found] = await client.run([keys.call(Op.FIND, base, name, kept, key=base + b"n:" + name)])
    return [replies.life(one) for one in found]


async def page(client: Owner, keys: Keys, asked: ListAsked, kept: str) -> list[Life]:
    """So many sessions of a list, in its order; those that have gone meanwhile are left out."""
    listed = await client.run(keys.everywhere(Op.LIST, *asked, kept))
    by_base = zip(keys.bases, listed, strict=True)
    found = ((*entry.split(b"\0", 1), base) for base, entries in by_base for entry in entries)
    chosen = (nsmallest if asked.order else nlargest)(asked.limit, found)
    by_id = _grouped((base, session_id(Key(asked.project, "", sid.decode()))) for _, sid, base in chosen)
    answers = await client.run([keys.call(Op.LIVES, base, *ids) for base, ids in by_id.items()])
    living = [(base, replies.life(one)) for base, some in zip(by_id, answers, strict=True) for one in some]
    shown = {(base, life.key.sid.encode()): life for base, life in living if life.finished or not asked.ended}
    here = [(int(at), shown[base, sid]) for at, sid, base in chosen if (base, sid) in shown]
    return [replace(life, waiting_since=at) if asked.order else life for at, life in here]


async def touched(client: Owner, keys: Keys, asked: Sequence[Key]) -> set[Key]:
    """Keep those that are known, and find the others."""
    by_base = _grouped((keys.base(key.project, key.room), key) for key in set(asked))
    batches = [(base, batch) for base, some in by_base.items() for batch in _slices(some, TOUCHED_MAX)]
    calls = [keys.call(Op.TOUCH, base, *map(session_id, batch)) for base, batch in batches]
    known = [said for some in _slices(calls, TOUCHES_MAX) for said in await client.run(some)]
    said_of = (pair for (_, batch), said in zip(batches, known, strict=True) for pair in zip(batch, said, strict=True))
    return {key for key, is_known in said_of if not is_known}


def _grouped(pairs: Iterable[tuple[bytes, T]]) -> Mapping[bytes, list[T]]:
    groups: defaultdict[bytes, list[T]] = defaultdict(list)
    for base, item in pairs:
        groups[base].append(item)
    return groups


def _slices(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[n : n + size] for n in range(0, len(items), size))
