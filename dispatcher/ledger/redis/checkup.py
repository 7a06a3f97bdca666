"""Asks the ledger's Redis, once, for all facts that `dispatcher doctor` judges."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError

from dispatcher.core.facts import Ms
from dispatcher.ledger.installation import Installation, LiveKitAt
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.redis.address import Address
from dispatcher.ledger.redis.client import FOREIGN, Client, described
from dispatcher.ledger.redis.connections import opened
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.owner import Owner

WITHIN_S: Final = 5.0  # for everything that one server is asked
PINGS: Final = 9  # of which the median counts


class ServerFacts(Struct, frozen=True, kw_only=True):
    """ServerFacts of one server. None: the user may not ask for it."""

    name: str  # host:port, or the socket's path
    round_trip: float  # ms; the median of PINGS
    ahead: Ms  # its clock less ours
    make: str | None = None  # redis or valkey
    version: str | None = None
    replica: bool | None = None
    replicas: int | None = None  # connected to it
    appends: bool | None = None  # `appendonly yes`
    eviction: str | None = None  # `maxmemory-policy`
    memory: int | None = None  # bytes in use
    memory_max: int | None = None  # `maxmemory`; 0: no limit


async def check_up(address: Address) -> list[ServerFacts]:
    """Ask each server for its facts: the one at the address, the master that the sentinels name, a cluster's masters.

    Raises LedgerUnavailable with the reason when one cannot be asked within WITHIN_S.
    """
    client, sentinel = opened(address)
    try:
        async with asyncio.timeout(WITHIN_S):
            if isinstance(client, Redis):
                return [await _ask(named(address), client)]
            cluster = await client.initialize()
            return [await _ask(node.name, cluster, target_nodes=node) for node in cluster.get_primaries()]
    except TimeoutError:
        raise LedgerUnavailable(f"Redis: no answer within {WITHIN_S:g} s") from None
    except FOREIGN as error:
        raise LedgerUnavailable(f"Redis: {described(error)}") from None
    finally:
        await client.aclose()
        if sentinel is not None:
            await sentinel.aclose()


async def other_installation(address: Address, instance: str, livekits: Mapping[str, LiveKitAt]) -> str:
    """Which other installation works on the keys of this instance, in words; "": none. Raises LedgerUnavailable."""
    owner = Owner(Client(address), Keys(instance), Installation(instance=instance))
    try:
        return await owner.look(livekits)
    finally:
        await owner.aclose()


def named(address: Address) -> str:
    """The server as a person knows it. Of several nodes these are the sentinels: the master is what they name."""
    if address.service:
        return address.service
    return address.path or "".join(f"{node.host}:{node.port}" for node in address.nodes)


async def _ask(name: str, client: Redis | RedisCluster, **target: Any) -> ServerFacts:  # noqa: ANN401 - of a cluster, the node
    trips = []
    for _ in range(PINGS):
        began = time.monotonic()
        await client.execute_command("PING", **target)
        trips.append((time.monotonic() - began) * 1000)
    before = time.time_ns() // 1_000_000
    seconds, micros = await client.execute_command("TIME", **target)
    middle = (before + time.time_ns() // 1_000_000) // 2
    facts = ServerFacts(
        name=name, round_trip=sorted(trips)[PINGS // 2], ahead=int(seconds) * 1000 + int(micros) // 1000 - middle
    )
    try:
        told_by_it = await client.execute_command("INFO", **target)
    except NoPermissionError:
        return facts
    return _with(facts, told_by_it)


def _with(facts: ServerFacts, said: Mapping[str, Any]) -> ServerFacts:
    return ServerFacts(
        name=facts.name,
        round_trip=facts.round_trip,
        ahead=facts.ahead,
        make=said.get("server_name", "redis"),
        version=str(said.get("valkey_version") or said["redis_version"]),
        replica=said["role"] == "slave",
        replicas=said["connected_slaves"],
        appends=bool(said["aof_enabled"]),
        eviction=said["maxmemory_policy"],
        memory=said["used_memory"],
        memory_max=said["maxmemory"],
    )
