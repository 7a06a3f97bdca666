"""The ledger in Redis: each operation is one script, or one in every partition that it concerns.

An operation on one session is atomic. Those on many (`claim`, `list`, `counts`, `standings`, `touch`) are so partition
by partition: what they say of several is true of each.
"""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import count
from typing import Any, Final, TypeVar, Unpack

from msgspec.structs import replace

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import Announced
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.installation import ALONE, Installation
from dispatcher.ledger.interface import (
    SILENT,
    Claimed,
    Counts,
    Delivered,
    Delivery,
    Key,
    Lease,
    LedgerUnavailable,
    Life,
    SaveAnswer,
    SaveResult,
    Slot,
    Standing,
    Telling,
)
from dispatcher.ledger.order import ListedPage, PageFields
from dispatcher.ledger.redis import replies
from dispatcher.ledger.redis.address import Address
from dispatcher.ledger.redis.client import Argument, Client
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.listing import lives, page, touched
from dispatcher.ledger.redis.notices import RedisNotices
from dispatcher.ledger.redis.owner import Owner
from dispatcher.ledger.redis.scripts import Op

UNHEARD_MAX: Final = 1_000  # events of an outage; the sessions of older ones wait out their leases
_NEVER: Final = float("inf")

T = TypeVar("T")


class RedisLedger:
    """The `Ledger` that replicas share. Whatever goes wrong with Redis is LedgerUnavailable, within some 1.2 s.

    It is its installation's alone: while another's processes have the keys of that instance it is LedgerTaken.
    `wake` is called when something this process does makes a session claimable sooner than its last claim said, once
    until the next claim. What other replicas do it is not told of. `ended` says which that have ended are kept.
    `clock`, for tests, is read instead of Redis's own.
    """

    def __init__(
        self,
        address: Address,
        *,
        installation: Installation = ALONE,
        ended: Callable[[], EndedRooms] = EndedRooms,
        wake: Callable[[], None] | None = None,
        clock: Callable[[], Ms] | None = None,
    ) -> None:
        self._keys = Keys(installation.instance, clock)
        self._client = Owner(Client(address), self._keys, installation)
        self.notices = RedisNotices(self._client, self._keys)
        self._ended = ended
        self._wake = wake
        self._announced = -_NEVER  # nobody waits
        self._unheard = deque[tuple[Key, str]](maxlen=UNHEARD_MAX)  # handed out, it may be, in answers that were lost
        self._process = secrets.token_hex(8)
        self._tokens = count()

    async def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool = True) -> Delivery:
        token = self._token()
        try:
            said, *handed = await self._on(key, Op.DELIVER, key.room, event_id, event, int(take), token)
        except LedgerUnavailable:
            self._unheard.append((key, token))
            raise
        delivery = Delivery(outcome=Delivered(said.decode()), handover=replies.handover(handed[0]) if handed else None)
        if not take and delivery.outcome is Delivered.ACCEPTED:
            self._sooner(-_NEVER)
        return delivery

    async def claim(self, limit: int) -> Claimed:
        await self._give_back()
        peeked = await self._everywhere(Op.PEEK, limit, self._kept())
        # By how late they are, not by when they were due: the nodes of a cluster have clocks of their own.
        waits = [(at - now, base) for base, (now, *times) in self._by_base(peeked) for at in times]
        shares = Counter(base for wait, base in nsmallest(limit, waits) if wait <= 0)
        claims = [self._keys.call(Op.CLAIM, base, share, self._token()) for base, share in shares.items()]
        answers = await self._client.run(claims)
        ahead = [wait for wait, base in waits if base not in shares]
        ahead += [first - now for now, first, *_ in answers if first is not None]
        soonest = max(0, min(ahead)) if ahead else None
        self._announced = _NEVER if soonest is None else peeked[0][0] + soonest
        taken = [replies.handover(one) for _, _, *handed in answers for one in handed]
        return Claimed(sorted(taken, key=lambda handover: handover.due), soonest)

    async def save(
        self, lease: Lease, record: bytes, upto: int, then: Then, *, due_at: Ms = 0, telling: Telling = SILENT
    ) -> SaveAnswer:
        args = (lease.token, record, upto, then.value, due_at, replies.lines(telling.index), *self._told(telling))
        said, *handed = await self._on(lease.key, Op.SAVE, *args)
        saved = SaveAnswer(result=SaveResult(said.decode()), handover=replies.handover(handed[0]) if handed else None)
        if saved.result is SaveResult.OK and then is Then.DUE:
            self._sooner(due_at)
        return saved

    async def renew(self, lease: Lease) -> Lease | None:
        until = await self._on(lease.key, Op.RENEW, lease.token)
        return None if until is None else replace(lease, until=until)

    async def release(self, lease: Lease, *, alone_until: Ms = 0) -> None:
        await self._on(lease.key, Op.RELEASE, lease.token, alone_until)
        self._sooner(alone_until or -_NEVER)

    async def find(self, project: str, room: str) -> list[Life]:
        return await lives(self._client, self._keys, project, room, self._kept())

    async def touch(self, keys: Sequence[Key]) -> set[Key]:
        return await touched(self._client, self._keys, keys)

    async def counts(self) -> Counts:
        due, held, rest = map(sum, zip(*await self._everywhere(Op.COUNTS), strict=True))
        return Counts(due=due, held=held, rest=rest)

    async def standings(self) -> Mapping[tuple[str, Standing], int]:
        return replies.standings(await self._everywhere(Op.STANDINGS))

    async def turn(self, name: str, every: Ms) -> bool:
        return bool(await self._named("t:", name, Op.TURN, every, self._token()))

    async def pace(self, name: str, *, interval: float, burst: int) -> Slot:
        return replies.slot(await self._named("p:", name, Op.PACE, interval, burst, name))

    async def adjust(self, name: str, by: float, *, most: float) -> float:
        return float(await self._named("f:", name, Op.ADJUST, by, most))

    async def memos(self, names: Sequence[str]) -> Sequence[bytes | None]:
        return replies.memos(await self._client.run([self._keys.named("m:", name, Op.MEMOS, name) for name in names]))

    async def replace_memo(
        self, name: str, before: bytes | None, after: bytes, *, telling: Telling = SILENT
    ) -> bytes | None:
        return await self._named("m:", name, Op.REPLACE_MEMO, name, before or b"", after, *self._told(telling)) or None

    async def changes(self, since: Ms) -> Announced:
        return replies.changes(await self._everywhere(Op.CHANGES, since))

    async def now(self) -> Ms:
        return int(await self._named("age", "", Op.NOW))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def list(self, project: str, state: str | None = None, **asked: Unpack[PageFields]) -> list[Life]:
        wanted = replies.list_of(project, state, ListedPage(**asked))
        return await page(self._client, self._keys, wanted, self._kept())

    async def _give_back(self) -> None:
        """Make sessions due now that were handed out in lost answers, instead of waiting for their leases to end."""
        unheard = set(self._unheard)
        await self._client.run([self._keys.on(key, Op.RELEASE, token) for key, token in unheard])
        self._unheard = deque((one for one in self._unheard if one not in unheard), UNHEARD_MAX)

    async def _on(self, key: Key, op: Op, *args: Argument) -> Any:  # noqa: ANN401 what Lua answers
        [answer] = await self._client.run([self._keys.on(key, op, *args)])
        return answer

    async def _named(self, kind: str, name: str, op: Op, *args: Argument) -> Any:  # noqa: ANN401 what Lua answers
        [answer] = await self._client.run([self._keys.named(kind, name, op, *args)])
        return answer

    async def _everywhere(self, op: Op, *args: Argument) -> Sequence[Any]:
        return await self._client.run(self._keys.everywhere(op, *args))

    def _by_base(self, answers: Sequence[T]) -> Iterable[tuple[bytes, T]]:
        return zip(self._keys.bases, answers, strict=True)

    def _told(self, telling: Telling) -> Sequence[Argument]:
        notices: Sequence[Argument] = (self._token(), *telling.notices) if telling.notices else ()
        return (telling.change, *notices)

    def _kept(self) -> str:
        return replies.kept(self._ended())

    def _token(self) -> str:
        return f"{self._process}-{next(self._tokens)}"

    def _sooner(self, at: float) -> None:
        if self._wake and at < self._announced:
            self._announced = -_NEVER
            self._wake()
