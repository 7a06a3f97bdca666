"""Each receiver's queue: a memo of the ledger's, replaced only by who knows it."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct

from dispatcher.core.notices import EMPTY, Queue
from dispatcher.ledger.interface import Ledger

TRIES: Final = 10  # at a queue that others replace at the same time


class _Memo(Struct, frozen=True):
    queue: Queue
    writer: str  # no two are the same, so whoever replaces a memo knows that it was they


class Kept(Struct, frozen=True):
    """A queue, and the memo that it was read from."""

    memo: bytes | None
    queue: Queue


_MEMO: Final = msgspec.json.Decoder(_Memo)


class Queues:
    """The queues of all receivers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def read(self, receivers: Sequence[str]) -> Sequence[Kept]:
        """Read the queue of each. Raises LedgerUnavailable."""
        memos = await self._ledger.memos([_name(receiver) for receiver in receivers])
        return [Kept(memo, _loaded(memo)) for memo in memos]

    async def replace(self, receiver: str, kept: Kept, queue: Queue) -> bool:
        """Put the queue in the place of the one that was read; False: somebody else has replaced that.

        Raises LedgerUnavailable.
        """
        if queue == kept.queue:
            return True
        after = msgspec.json.encode(_Memo(queue, uuid4().hex))
        return await self._ledger.replace_memo(_name(receiver), kept.memo, after) == after

    async def change(self, receiver: str, change: Callable[[Queue], Queue]) -> None:
        """Change the queue, whoever else does at the same time. Raises LedgerUnavailable."""
        for _ in range(TRIES):
            [kept] = await self.read([receiver])
            if await self.replace(receiver, kept, change(kept.queue)):
                return


def _name(receiver: str) -> str:
    return f"notices/{receiver}"


def _loaded(memo: bytes | None) -> Queue:
    """The queue of a memo; an empty one where there is none, or another release wrote it."""
    try:
        return _MEMO.decode(memo).queue if memo else EMPTY
    except msgspec.DecodeError:
        return EMPTY
