"""Everything that is done to the replicas and to their Redis: as data, and each ends with the harm undone."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from tests.chaos import places
from tests.chaos.scene import NO_SWEEP, SWEEP, Scene
from tests.real.proxy import BlackHole, Fault, Latency, Proxy, Refuse, ResetAfterSend, SlowClose
from tests.real.redis_servers import Redis

HARM_S: Final = 2.5  # longer than every deadline of the ledger
DEAD_PORT: Final = 1
NEEDS_TLS: Final = "TLS and a user of few rights"  # Valkey's wheel has none
_DICE: Final = random.Random(5)  # noqa: S311 - a repeatable test

Harm = Callable[[Scene], Awaitable[None]]


class Case(NamedTuple):
    """A harm, done `runs` times while people come and go, and where."""

    harm: Harm
    place: places.Open = places.kept
    sweep: str = NO_SWEEP
    runs: int = 3
    copies: int = 1


async def kill_a_replica(scene: Scene) -> None:
    """One is killed and starts again."""
    replica = _DICE.choice(scene.replicas)
    replica.kill()
    replica.start()


async def kill_every_replica(scene: Scene) -> None:
    """All are killed at once; one starts again, then the others."""
    for replica in scene.replicas:
        replica.kill()
    for replica in scene.replicas:
        replica.start()


async def restart(scene: Scene) -> None:
    """Redis is killed and, after a while, there again."""
    server = scene.place.server
    server.kill()
    await asyncio.sleep(HARM_S)
    await _back(server)


async def hang(scene: Scene) -> None:
    """Redis takes connections and says nothing (SIGSTOP)."""
    scene.place.server.hang()
    await asyncio.sleep(HARM_S)
    scene.place.server.resume()


async def flush(scene: Scene) -> None:
    """All content is lost."""
    scene.place.server.ask("FLUSHALL")


async def flush_scripts(scene: Scene) -> None:
    """Redis knows no script any more."""
    scene.place.server.ask("SCRIPT", "FLUSH")


async def read_only(scene: Scene) -> None:
    """Redis is a replica for a while, of nobody."""
    scene.place.server.ask("REPLICAOF", "127.0.0.1", DEAD_PORT)
    await asyncio.sleep(HARM_S)
    scene.place.server.ask("REPLICAOF", "NO", "ONE")


async def full(scene: Scene) -> None:
    """Redis has no memory left for a while."""
    scene.place.server.ask("CONFIG", "SET", "maxmemory", "1mb")
    await asyncio.sleep(HARM_S)
    scene.place.server.ask("CONFIG", "SET", "maxmemory", "0")


async def fail_over(scene: Scene) -> None:
    """The master is killed; a replica of it takes its place, and it comes back as a replica."""
    assert scene.place.watch is not None
    old = scene.place.server
    old.kill()
    while scene.place.watch.master() is old:
        await asyncio.sleep(0.05)
    await _back(old)


async def kill_a_node(scene: Scene) -> None:
    """One master of the cluster is killed and, after a while, there again."""
    node = scene.place.servers[0]
    node.kill()
    await asyncio.sleep(HARM_S)
    await _back(node)
    while not all("cluster_state:ok" in str(one.ask("CLUSTER", "INFO")) for one in scene.place.servers):
        await asyncio.sleep(0.05)


async def harm_network(fault: Fault, scene: Scene) -> None:
    """The network between the replicas and Redis does this harm for a while."""
    proxy = _proxy(scene)
    await proxy.meet(fault)
    await asyncio.sleep(HARM_S)
    await proxy.heal()


async def restart_unseen(scene: Scene) -> None:
    """Redis is killed and started again, and the ends of its connections are noticed late."""
    proxy = _proxy(scene)
    await proxy.meet(SlowClose(HARM_S))
    scene.place.server.kill()
    await _back(scene.place.server)
    await asyncio.sleep(HARM_S)
    await proxy.heal()


async def rush(scene: Scene) -> None:
    """Two hundred rooms at once on a slow network: more deliveries than there are connections."""
    proxy = _proxy(scene)
    await proxy.meet(Latency(0.05))
    await asyncio.gather(*(scene.crowd.join() for _ in range(200)))
    await asyncio.sleep(HARM_S)
    await proxy.heal()


async def nothing(_: Scene) -> None:
    """No harm is done; every webhook goes to two replicas together."""
    await asyncio.sleep(HARM_S)


async def _back(server: Redis) -> None:
    """It answers again. The loop that waits is the one that LiveKit and its webhooks live in."""
    server.start()
    while not server.answers():
        await asyncio.sleep(0.02)


def _proxy(scene: Scene) -> Proxy:
    assert scene.place.proxy is not None
    return scene.place.proxy


_BEHIND: Final = partial(Case, place=places.behind_a_proxy)

CASES: Final[Mapping[str, Case]] = {
    "every event to two replicas": Case(nothing, copies=2, runs=1),
    "a replica killed": Case(kill_a_replica, runs=8),
    "every replica killed": Case(kill_every_replica),
    "redis restarted, data kept": Case(restart),
    "redis restarted, data lost": Case(restart, places.unkept, SWEEP),
    "redis hangs": Case(hang),
    "FLUSHALL": Case(flush, sweep=SWEEP),
    "SCRIPT FLUSH": Case(flush_scripts),
    "READONLY": Case(read_only),
    "OOM": Case(full),
    "sentinel failover": Case(fail_over, places.watched, SWEEP, runs=2),
    "cluster, a node killed": Case(kill_a_node, places.shared),
    "network: latency 200 ms": _BEHIND(partial(harm_network, Latency(0.2))),
    "network: reset after sending": _BEHIND(partial(harm_network, ResetAfterSend())),
    "network: black hole": _BEHIND(partial(harm_network, BlackHole())),
    "network: refused": _BEHIND(partial(harm_network, Refuse())),
    "network: slow close, redis restarted": _BEHIND(restart_unseen),
    "200 rooms at once, 50 ms away": _BEHIND(rush),
    NEEDS_TLS: Case(flush_scripts, places.with_tls),
}
