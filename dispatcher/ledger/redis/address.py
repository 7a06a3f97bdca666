"""Reads REDIS_URL: where the ledger's Redis is and how to reach it, or a ValueError that says what is wrong.

No message repeats what was written, as there may be a password in it.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
PORT_MAX: Final = 65_535

_FORMS: Final = "redis, rediss, unix, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster"


class Topology(StrEnum):
    ONE = "one"
    SOCKET = "socket"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Node(Struct, frozen=True):
    """Where one server listens."""

    host: str
    port: int


class Address(Struct, frozen=True, kw_only=True):
    """Where Redis is. Shown, it has no user, password or option."""

    topology: Topology
    nodes: tuple[Node, ...] = ()  # none with SOCKET; the sentinels with SENTINEL
    path: str = ""  # of the socket
    service: str = ""  # the master's name with SENTINEL
    db: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None  # of the sentinels themselves, which have users of their own
    sentinel_password: str | None = None
    tls: bool = False
    options: Mapping[str, Any]  # of a TLS connection, by redis-py's names

    def __repr__(self) -> str:
        where = self.path or ",".join(f"{node.host}:{node.port}" for node in self.nodes)
        return f"Address({self.topology}, {where}, {self.service or self.db})"


def _existing(value: str) -> str:
    try:
        with Path(value).open("rb"):
            return value
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError("write true or false")
    return value.lower() == "true"


def _requirement(value: str) -> str:
    if value not in {"none", "optional", "required"}:
        raise ValueError("write none, optional or required")
    return value


_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_TLS_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "ssl_ca_certs": _existing,
    "ssl_certfile": _existing,
    "ssl_keyfile": _existing,
    "ssl_check_hostname": _truth,
    "ssl_cert_reqs": _requirement,
}


def read(url: str) -> Address:
    """Read the address. Connects to nothing; only looks for the files of a TLS connection."""
    scheme, parts = _parts(url)
    tls, form = scheme.startswith("rediss"), scheme.replace("rediss", "redis")
    options = _options(parts.query, tls=tls)
    db = options.pop("db", None)
    sentinels = _of_sentinels(options, form)
    username, password, hosts = _credentials(parts.netloc)
    address = partial(Address, username=username, password=password, tls=tls, options=options)
    match form:
        case "redis":
            if "," in hosts:
                raise ValueError("several hosts need redis+sentinel or redis+cluster")
            return address(topology=Topology.ONE, nodes=_nodes(hosts, PORT), db=_db(parts.path, db))
        case "unix":
            if not parts.path.strip("/") or hosts:
                raise ValueError("write the socket's path after three slashes, such as unix:///run/redis.sock")
            return address(topology=Topology.SOCKET, path=unquote(parts.path), db=_db("", db))
        case "redis+sentinel":
            nodes, (service, path) = _nodes(hosts, SENTINEL_PORT), _service(parts.path)
            return address(topology=Topology.SENTINEL, nodes=nodes, service=service, db=_db(path, db), **sentinels)
        case "redis+cluster":
            if _db(parts.path, db):
                raise ValueError("a cluster has no database but 0")
            return address(topology=Topology.CLUSTER, nodes=_nodes(hosts, PORT))
        case _:
            raise ValueError(f"the scheme must be {_FORMS}")


def _parts(url: str) -> tuple[str, SplitResult]:
    """The scheme, and all that follows it."""
    if not re.fullmatch("[a-z+]+://[!-~]+", url):
        raise ValueError("write a URL such as redis://localhost:6379/0")
    scheme, _, rest = url.partition("://")
    try:
        # One server's form, whatever the scheme: several hosts would be no URL to the standard library.
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError("the host is no IPv6 address in brackets") from None
    if parts.fragment:
        raise ValueError("write # as %23")
    return scheme, parts


def _options(query: str, *, tls: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "db" or name in _SENTINEL_OPTIONS:
            options[name] = value
        elif name not in _TLS_OPTIONS:
            raise ValueError(f"unknown parameter; known are db, {', '.join((*_SENTINEL_OPTIONS, *_TLS_OPTIONS))}")
        elif not tls:
            raise ValueError(f"{name} is for TLS: the scheme must begin with rediss")
        else:
            options[name] = _option(name, value)
    return options


def _of_sentinels(options: dict[str, Any], form: str) -> dict[str, Any]:
    """Take the sentinels' own user and password out of the options."""
    found: dict[str, Any] = {name: options.pop(name) for name in _SENTINEL_OPTIONS if name in options}
    if found and form != "redis+sentinel":
        raise ValueError(f"{min(found)} is for sentinels: the scheme must end in +sentinel")
    return found


def _option(name: str, value: str) -> object:
    try:
        return _TLS_OPTIONS[name](value)
    except ValueError as wrong:
        raise ValueError(f"{name}: {wrong}") from None


def _credentials(netloc: str) -> tuple[str | None, str | None, str]:
    credentials, _, hosts = netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    return unquote(username) or None, unquote(password) or None, hosts


def _nodes(hosts: str, port: int) -> tuple[Node, ...]:
    return tuple(_node(host, port) for host in hosts.split(","))


def _node(host: str, port: int) -> Node:
    try:
        parts = urlsplit(f"//{host}")
        number = parts.port
    except ValueError:
        raise ValueError("a port is a number up to 65535, after the host and a colon") from None
    if not parts.hostname:
        raise ValueError("the host is missing")
    return Node(parts.hostname, port if number is None else number)


def _service(path: str) -> tuple[str, str]:
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise ValueError("the name of the master that the sentinels watch is missing, as in /mymaster/0")
    return unquote(service), db


def _db(path: str, option: str | None) -> int:
    text = path.strip("/") or option or "0"
    if not (text.isascii() and text.isdigit()):
        raise ValueError("the database is a number, as in /0")
    return int(text)
