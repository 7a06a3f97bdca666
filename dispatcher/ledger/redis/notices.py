"""Notices that wait in the partitions: an id is the partition's number and the name that the notice has there."""

from collections import defaultdict
from collections.abc import Sequence

from dispatcher.ledger.interface import PostedNotice
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.owner import Owner
from dispatcher.ledger.redis.scripts import PARTITIONS, Op


class RedisNotices:
    """The notices of one installation."""

    def __init__(self, client: Owner, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def oldest(self, limit: int) -> Sequence[PostedNotice]:
        answers = await self._client.run(self._keys.everywhere(Op.POSTED, -(-limit // PARTITIONS)))
        return [
            PostedNotice(f"{partition}/{name.decode()}", notice)
            for partition, answer in enumerate(answers)
            for name, notice in zip(answer[::2], answer[1::2], strict=True)
        ]

    async def discard(self, ids: Sequence[str]) -> None:
        names: defaultdict[int, list[str]] = defaultdict(list)
        for one in ids:
            partition, _, name = one.partition("/")
            names[int(partition)].append(name)
        await self._client.run(
            [self._keys.call(Op.DISCARD, self._keys.bases[number], *some) for number, some in names.items()]
        )
