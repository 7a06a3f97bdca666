"""Runs scripts on one Redis, however it is reached: bounded, with a deadline, and with our own errors only.

Nothing is asked before the first call, so a process starts without its Redis.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import Redis, RedisCluster
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
FOREIGN: Final = (RedisError, RedisClusterException, OSError, EOFError, AttributeError, LookupError)


Argument: TypeAlias = bytes | str | int | float


class ScriptCall(NamedTuple):
    """One script. `key` is one of the partition's keys, `base` what they all begin with."""

    op: Op
    base: bytes
    key: bytes
    args: Sequence[Argument]


class Client:
    """One Redis. Belongs to the event loop that uses it first."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._redis, self._sentinel = opened(address)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._dropping = False

    async def run(self, calls: Sequence[ScriptCall], within: float = DEADLINE_S) -> list[Any]:
        """Run the scripts; their answers in order. Several are no transaction. Raises LedgerUnavailable.

        A call whose answer was lost is sent once more: every script bears that, or costs a lease or a slot by it.
        """
        if not calls:
            return []
        redis = self._redis
        try:
            async with asyncio.timeout(within):
                return await self._run_twice(redis, calls)
        except TimeoutError:
            await self._drop(redis)
            raise LedgerUnavailable(f"Redis: no answer within {DEADLINE_S:g} s") from None
        except FOREIGN as error:
            raise LedgerUnavailable(f"Redis: {described(error)}") from None

    async def aclose(self) -> None:
        """Close every connection."""
        with suppress(TimeoutError, *FOREIGN):  # of a server that no longer answers
            async with asyncio.timeout(DEADLINE_S):
                await self._redis.aclose()
                if self._sentinel is not None:
                    await self._sentinel.aclose()

    async def _run_twice(self, redis: Redis | RedisCluster, calls: Sequence[ScriptCall]) -> list[Any]:
        try:
            return await self._run(redis, calls)
        except _AGAIN:
            await self._drop(redis)
            return await self._run(self._redis, calls)

    async def _run(self, redis: Redis | RedisCluster, calls: Sequence[ScriptCall]) -> list[Any]:
        if isinstance(redis, RedisCluster):
            try:
                return await self._run_apart(redis, calls)
            finally:
                if redis is not self._redis:  # replaced meanwhile, and perhaps connected again by this very call
                    await _close(redis)
        if len(calls) == 1:
            return [await self._run_one(redis, calls[0])]
        pipeline = redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", script(call.op).sha, 2, call.key, call.base, *call.args)
        async with self._free:
            answers = await pipeline.execute(raise_on_error=False)
        return [await self._mended(redis, call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _run_apart(self, redis: RedisCluster, calls: Sequence[ScriptCall]) -> list[Any]:
        """A cluster's pipelines know no scripts. All have ended before an error is raised."""
        redis = await redis.initialize()  # before them all: side by side they close each other's connections
        answers = await asyncio.gather(*(self._run_one(redis, call) for call in calls), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    async def _mended(self, redis: Redis, call: ScriptCall, answer: object) -> object:
        match answer:
            case NoScriptError():
                return await self._run_one(redis, call)
            case Exception():
                raise answer
            case _:
                return answer

    async def _run_one(self, redis: Redis | RedisCluster, call: ScriptCall) -> Any:  # noqa: ANN401 what Lua answers
        keys_and_args: tuple[Any, ...] = (call.key, call.base, *call.args)
        async with self._free:
            try:
                return await redis.evalsha(script(call.op).sha, 2, *keys_and_args)
            except NoScriptError:  # a Redis that was restarted, or that has never seen it
                return await redis.eval(script(call.op).text, 2, *keys_and_args)

    async def _drop(self, failed: Redis | RedisCluster) -> None:
        """No call begins on a connection from before: it may be dead, or lead to a master that no longer is one.

        Of many calls that fail together one does it.
        """
        if self._dropping:
            return
        self._dropping = True
        try:
            if isinstance(failed, Redis):
                with suppress(TimeoutError, *FOREIGN):  # they are gone all the same
                    async with asyncio.timeout(DROP_S):
                        await failed.connection_pool.disconnect(inuse_connections=False)
            elif failed is self._redis:
                # Not mended: redis-py, where one call fails, closes connections that others have just been given,
                # which fail and do so too, without end.
                self._redis, _ = opened(self._address)
                await _close(failed)
        finally:
            self._dropping = False


async def _close(replaced: RedisCluster) -> None:
    """Its connections are closed; a call still under way on one fails, and is sent again on the client that is new."""
    with suppress(TimeoutError, *FOREIGN):
        async with asyncio.timeout(DROP_S):
            await replaced.aclose()  # does nothing while a call connects it; that one's connections are closed by these
            await replaced.nodes_manager.aclose()
            await replaced.nodes_manager.aclose("startup_nodes")


def described(error: Exception) -> str:
    """What went wrong, without what the server or the library says of it: that may hold what was sent."""
    code, _, _ = str(error).partition(" ")
    if isinstance(error, ResponseError) and code.isupper() and code.isalpha():
        return code
    return type(error).__name__
