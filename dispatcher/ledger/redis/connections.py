"""Makes redis-py's client for an address, set up so that it does nothing by itself: no retries, delays or questions."""

import ssl
from typing import Any, Final, assert_never

from redis.asyncio import Connection, ConnectionPool, Redis, RedisCluster, Sentinel, SSLConnection
from redis.asyncio import UnixDomainSocketConnection as SocketConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import RedisSSLContext
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.backoff import NoBackoff

from dispatcher.ledger.redis.address import Address, Topology

CONNECTIONS: Final = 32  # in use at once; more only make each slower (bench/ledger.py)
NODE_S: Final = 0.4  # for one server where a second one is asked when it does not answer

_SPARE: Final = 2  # the pool's size by CONNECTIONS: a cancelled call may give its connection back a moment late
_ONCE: Final = Retry(NoBackoff(), 0)
_IMPATIENT: Final = {"socket_timeout": NODE_S, "socket_connect_timeout": NODE_S, "retry": _ONCE}


class _Tls(SSLConnection):
    """A connection that shares its context: to make one takes some 30 ms, in which nothing else runs."""

    def __init__(self, *, shared: RedisSSLContext, **settings: Any) -> None:  # noqa: ANN401 redis-py's own
        super().__init__(**settings)
        self.ssl_context = shared


class _WatchedTls(SentinelManagedSSLConnection):
    """The same, to the master that sentinels name."""

    def __init__(self, *, shared: RedisSSLContext, **settings: Any) -> None:  # noqa: ANN401 redis-py's own
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self.ssl_context = shared


def opened(address: Address) -> tuple[Redis | RedisCluster, Sentinel | None]:
    """A client for the address, not connected yet, and what else is to be closed after it."""
    settings: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "protocol": 2,  # no HELLO, and none of what comes unasked with the newer one
        "driver_info": None,
        "socket_timeout": None,  # the caller's deadline alone: where two end together, redis-py loses the outer one
        "socket_connect_timeout": None,
        "retry": _ONCE,
        "max_connections": CONNECTIONS * _SPARE,
    }
    shared: dict[str, Any] = {"shared": _context(address)} if address.tls else {}
    match address.topology:
        case Topology.ONE:
            (node,) = address.nodes
            kind = _Tls if address.tls else Connection
            return _pooled(kind, host=node.host, port=node.port, db=address.db, **shared, **settings), None
        case Topology.SOCKET:
            return _pooled(SocketConnection, path=address.path, db=address.db, **settings), None
        case Topology.SENTINEL:
            nodes = [(node.host, node.port) for node in address.nodes]
            login = {"username": address.sentinel_username, "password": address.sentinel_password}
            watching = {**login, **_tls(address), **_IMPATIENT}
            sentinel = Sentinel(nodes, sentinel_kwargs=watching, **settings)  # type: ignore[no-untyped-call]
            watched = _WatchedTls if address.tls else SentinelManagedConnection
            return sentinel.master_for(address.service, connection_class=watched, db=address.db, **shared), sentinel
        case Topology.CLUSTER:
            seeds = [ClusterNode(node.host, node.port) for node in address.nodes]
            return RedisCluster(startup_nodes=seeds, **{**settings, **_tls(address), **_IMPATIENT}), None
        case _:
            assert_never(address.topology)


def _pooled(kind: type[Connection | SocketConnection], **settings: Any) -> Redis:  # noqa: ANN401 redis-py's own
    return Redis.from_pool(ConnectionPool(connection_class=kind, **settings))


def _tls(address: Address) -> dict[str, Any]:
    return {"ssl": True, **address.options} if address.tls else {}


def _context(address: Address) -> RedisSSLContext:
    """Made when the first connection asks for it. The server is verified unless an option says otherwise."""
    options = {name.removeprefix("ssl_"): value for name, value in address.options.items()}
    return RedisSSLContext(**{"cert_reqs": ssl.CERT_REQUIRED, "check_hostname": True, **options})
