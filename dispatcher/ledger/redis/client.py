"""Scripts run on one Redis, however it is reached: bounded, with a deadline, and with errors of ours alone.

The one place that knows redis-py. Nothing is asked before the first call, so a process starts without its Redis.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias, assert_never

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.redis.address import Address, Topology
from dispatcher.ledger.redis.scripts import Op, script

DEADLINE_S: Final = 1.0  # of a call, its retry and the wait for a connection: a webhook's answer is due in 1.5 s
DROP_S: Final = 0.2  # for closing idle connections, after the deadline as well
NODE_S: Final = 0.4  # for one server where a second one is asked when it does not answer
CONNECTIONS: Final = 32  # in use at once; more only make each slower (bench/ledger.py)

_SPARE: Final = 2  # the pool's size by CONNECTIONS: a cancelled call may give its connection back a moment late
_AGAIN: Final = (NotConnected, TimedOut, ReadOnlyError)
# A node that has died makes redis-py raise what a defect would: AttributeError, KeyError, IndexError.
_FOREIGN: Final = (RedisError, RedisClusterException, OSError, EOFError, AttributeError, LookupError)

_ONCE: Final = Retry(NoBackoff(), 0)
_IMPATIENT: Final = {"socket_timeout": NODE_S, "socket_connect_timeout": NODE_S, "retry": _ONCE}

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


def opened(address: Address) -> tuple[Redis | RedisCluster, Sentinel | None]:
    """A client of redis-py for the address, not connected yet, and what else is to be closed after it."""
    settings: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "protocol": 2,  # no HELLO, and none of what comes unasked with the newer one
        "driver_info": None,
        "socket_timeout": None,  # DEADLINE_S alone: where two end together, redis-py loses the outer one
        "socket_connect_timeout": None,
        "retry": _ONCE,
        "max_connections": CONNECTIONS * _SPARE,
        **_tls(address),
    }
    match address.topology:
        case Topology.ONE:
            (node,) = address.nodes
            return Redis(host=node.host, port=node.port, db=address.db, **settings), None
        case Topology.SOCKET:
            return Redis(unix_socket_path=address.path, db=address.db, **settings), None
        case Topology.SENTINEL:
            sentinel = Sentinel(  # type: ignore[no-untyped-call]
                [(node.host, node.port) for node in address.nodes],
                sentinel_kwargs={**_tls(address), **_IMPATIENT},
                **settings,
            )
            return sentinel.master_for(address.service, db=address.db), sentinel
        case Topology.CLUSTER:
            nodes = [ClusterNode(node.host, node.port) for node in address.nodes]
            return RedisCluster(startup_nodes=nodes, **{**settings, **_IMPATIENT}), None
        case _:
            assert_never(address.topology)


def _tls(address: Address) -> dict[str, Any]:
    return {"ssl": True, **address.options} if address.tls else {}


def told(error: Exception) -> str:
    """What went wrong, without what the server or the library says of it: that may hold what was sent."""
    code, _, _ = str(error).partition(" ")
    if isinstance(error, ResponseError) and code.isupper() and code.isalpha():
        return code
    return type(error).__name__
