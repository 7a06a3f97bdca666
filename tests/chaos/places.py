"""Where the replicas' ledger lives while it is harmed: a Redis alone, behind a harmful network, Sentinel, Cluster."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.real.proxy import Proxy
from tests.real.redis_servers import ALL_DATA, NO_DATA, Make, Redis, Sentinels, alone, cluster, secured, sentinels


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The servers behind `url`, which is what the replicas are given."""

    url: str
    servers: list[Redis]
    proxy: Proxy | None = None
    watch: Sentinels | None = None

    @property
    def server(self) -> Redis:
        """The one that serves: the master, or the cluster's first node."""
        return self.watch.master() if self.watch else self.servers[0]

    @property
    def holders(self) -> list[Redis]:
        """Those that hold what the ledger has: every node of a cluster, else the one that serves."""
        return [self.server] if self.watch else self.servers

    def without_end(self) -> list[str]:
        """Keys that would stay for ever."""
        return [key for key, ttl in self.lives() if ttl == -1]

    def lives(self) -> list[tuple[str, int]]:
        """Every key, and how many ms it has to live; -1: it stays for ever."""
        found: list[tuple[str, int]] = []
        for holder in self.holders:
            with holder.client() as client:
                found += [(key, client.pttl(key)) for key in client.scan_iter(count=1000)]
        return found

    def memory(self) -> int:
        """How many bytes the ledger's content takes."""
        return sum(int(holder.ask("INFO", "memory")["used_memory_dataset"]) for holder in self.holders)


Open: TypeAlias = Callable[[Path, Make], AbstractAsyncContextManager[Place]]


@asynccontextmanager
async def kept(directory: Path, make: Make) -> AsyncIterator[Place]:
    """One server that has every write on disk before it answers."""
    with alone(directory / "redis", *ALL_DATA, make=make) as server:
        yield Place(url=server.url, servers=[server])


@asynccontextmanager
async def unkept(directory: Path, make: Make) -> AsyncIterator[Place]:
    """One server that keeps nothing."""
    with alone(directory / "redis", *NO_DATA, make=make) as server:
        yield Place(url=server.url, servers=[server])


@asynccontextmanager
async def behind_a_proxy(directory: Path, make: Make) -> AsyncIterator[Place]:
    """One server, on the other side of a network that can do harm."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(unkept(directory, make))
        proxy = await stack.enter_async_context(Proxy(place.server.port))
        yield Place(url=f"redis://127.0.0.1:{proxy.port}", servers=place.servers, proxy=proxy)


@asynccontextmanager
async def with_tls(directory: Path, make: Make) -> AsyncIterator[Place]:
    """One server that speaks TLS alone, to a user who may not administrate."""
    with secured(directory / "redis", make) as server:
        yield Place(url=server.url, servers=[server])


@asynccontextmanager
async def watched(directory: Path, make: Make) -> AsyncIterator[Place]:
    """A master, two replicas of it, and three sentinels."""
    with sentinels(directory / "redis", make=make) as here:
        yield Place(url=here.url, servers=here.servers, watch=here)


@asynccontextmanager
async def shared(directory: Path, make: Make) -> AsyncIterator[Place]:
    """A cluster of three masters, each with every write on disk before it answers."""
    with cluster(directory / "redis", *ALL_DATA, make=make) as here:
        yield Place(url=here.url, servers=here.nodes)
