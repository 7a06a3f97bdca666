"""Scripts run on one Redis, however it is reached: bounded, with a deadline, and with errors of ours alone.

Nothing is asked before the first call, so a process starts without its Redis.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import RedisCluster
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.redis.address import Address
from dispatcher.ledger.redis.connections import CONNECTIONS, opened
from dispatcher.ledger.redis.scripts import Op, script

DEADLINE_S: Final = 1.0  # of a call, its retry and the wait for a connection: a webhook's answer is due in 1.5 s
DROP_S: Final = 0.2  # for closing idle connections, after the deadline as well

_AGAIN: Final = (NotConnected, TimedOut, ReadOnlyError)
# A node that has died makes redis-py raise what a defect would: AttributeError, KeyError, IndexError.
_FOREIGN: Final = (RedisError, RedisClusterException, OSError, EOFError, AttributeError, LookupError)


Argument: TypeAlias = bytes | str | int | float


class Call(NamedTuple):
    """One script. `key` is one of the partition's keys, `base` what they all begin with."""

    op: Op
    base: bytes
    key: bytes
    args: Sequence[Argument]


class Client:
    """One Redis. Belongs to the event loop that uses it first."""

    def __init__(self, address: Address) -> None:
        self._redis, self._sentinel = opened(address)
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """What each script answers, in order; several are no transaction. Raises LedgerUnavailable.

        A call whose answer was lost is sent once more: every script bears that, or costs a lease or a slot by it.
        """
        if not calls:
            return []
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._run_twice(calls)
        except TimeoutError:
            await self._drop()
            raise LedgerUnavailable(f"Redis: no answer within {DEADLINE_S:g} s") from None
        except _FOREIGN as error:
            raise LedgerUnavailable(f"Redis: {told(error)}") from None

    async def aclose(self) -> None:
        """Every connection is closed."""
        with suppress(TimeoutError, *_FOREIGN):  # of a server that no longer answers
            async with asyncio.timeout(DEADLINE_S):
                await self._redis.aclose()
                if self._sentinel is not None:
                    await self._sentinel.aclose()

    async def _run_twice(self, calls: Sequence[Call]) -> list[Any]:
        try:
            return await self._run(calls)
        except _AGAIN:
            await self._drop()
            return await self._run(calls)

    async def _run(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) == 1:
            return [await self._run_one(calls[0])]
        if isinstance(self._redis, RedisCluster):  # its pipelines know no scripts
            return list(await asyncio.gather(*(self._run_one(call) for call in calls)))
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", script(call.op).sha, 2, call.key, call.base, *call.args)
        async with self._free:
            answers = await pipeline.execute(raise_on_error=False)
        return [await self._mended(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _mended(self, call: Call, answer: object) -> object:
        match answer:
            case NoScriptError():
                return await self._run_one(call)
            case Exception():
                raise answer
            case _:
                return answer

    async def _run_one(self, call: Call) -> Any:  # noqa: ANN401 what Lua answers
        keys_and_args: tuple[Any, ...] = (call.key, call.base, *call.args)
        async with self._free:
            try:
                return await self._redis.evalsha(script(call.op).sha, 2, *keys_and_args)
            except NoScriptError:  # a Redis that was restarted, or that has never seen it
                return await self._redis.eval(script(call.op).text, 2, *keys_and_args)

    async def _drop(self) -> None:
        """No call begins on a connection from before: it may be dead, or lead to a master that no longer is one."""
        if isinstance(self._redis, RedisCluster):  # does so by itself
            return
        with suppress(TimeoutError, *_FOREIGN):
            async with asyncio.timeout(DROP_S):
                await self._redis.connection_pool.disconnect(inuse_connections=False)


def told(error: Exception) -> str:
    """What went wrong, without what the server or the library says of it: that may hold what was sent."""
    code, _, _ = str(error).partition(" ")
    if isinstance(error, ResponseError) and code.isupper() and code.isalpha():
        return code
    return type(error).__name__
