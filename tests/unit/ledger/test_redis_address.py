from pathlib import Path

import pytest

from dispatcher.ledger.redis.address import Address, Node, Topology, read
from dispatcher.ledger.redis.connections import opened

HERE = (Node("127.0.0.1", 6379),)
SEVERAL = (Node("a", 1), Node("b", 26379))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1", Address(topology=Topology.ONE, nodes=HERE, options={})),
        ("redis://127.0.0.1:6379/3", Address(topology=Topology.ONE, nodes=HERE, db=3, options={})),
        ("redis://127.0.0.1/?db=4", Address(topology=Topology.ONE, nodes=HERE, db=4, options={})),
        ("redis://[::1]:7000", Address(topology=Topology.ONE, nodes=(Node("::1", 7000),), options={})),
        (
            "redis://:hu%40sh@127.0.0.1",
            Address(topology=Topology.ONE, nodes=HERE, password="hu@sh", options={}),
        ),
        (
            "rediss://ann:hush@127.0.0.1?ssl_cert_reqs=none&ssl_check_hostname=False",
            Address(
                topology=Topology.ONE,
                nodes=HERE,
                username="ann",
                password="hush",
                tls=True,
                options={"ssl_cert_reqs": "none", "ssl_check_hostname": False},
            ),
        ),
        ("unix:///run/redis.sock", Address(topology=Topology.SOCKET, path="/run/redis.sock", options={})),
        (
            "unix://:hush@/run/redis.sock?db=2",
            Address(topology=Topology.SOCKET, path="/run/redis.sock", db=2, password="hush", options={}),
        ),
        (
            "redis+sentinel://ann:hush@a:1,b/mymaster/2",
            Address(
                topology=Topology.SENTINEL,
                nodes=SEVERAL,
                service="mymaster",
                db=2,
                username="ann",
                password="hush",
                options={},
            ),
        ),
        (
            "rediss+sentinel://a:1,b/mymaster",
            Address(topology=Topology.SENTINEL, nodes=SEVERAL, service="mymaster", tls=True, options={}),
        ),
        (
            "redis+cluster://127.0.0.1,b:7001",
            Address(topology=Topology.CLUSTER, nodes=(*HERE, Node("b", 7001)), options={}),
        ),
    ],
)
def test_a_url_is_read(url: str, address: Address) -> None:
    """Host and port, who asks, which database, and how."""
    assert read(url) == address


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://hush", "the scheme must be redis, rediss, unix"),
        ("rediss+unix://hush", "the scheme must be"),
        ("redis://", "write a URL such as redis://localhost:6379/0"),
        ("redis://:hush@", "the host is missing"),
        ("redis://hush:port", "a port is a number up to 65535"),
        ("redis://hush:65536", "a port is a number up to 65535"),
        ("redis://[hush", "the host is no IPv6 address in brackets"),
        ("redis://a,hush", "several hosts need redis+sentinel or redis+cluster"),
        ("redis://a/hush", "the database is a number, as in /0"),
        ("redis://:hush#1@a", "write # as %23"),
        ("redis://a?hush=1", "unknown parameter; known are db, sentinel_username, sentinel_password, ssl_ca_certs"),
        ("redis://a?ssl_cert_reqs=hush", "ssl_cert_reqs is for TLS: the scheme must begin with rediss"),
        ("rediss://a?ssl_cert_reqs=hush", "ssl_cert_reqs: write none, optional or required"),
        ("rediss://a?ssl_check_hostname=hush", "ssl_check_hostname: write true or false"),
        ("rediss://a?ssl_ca_certs=/hush/ca.pem", "ssl_ca_certs: the file cannot be read: No such file or directory"),
        ("unix://hush", "write the socket's path after three slashes"),
        ("unix://hush/run/redis.sock", "write the socket's path after three slashes"),
        ("redis+sentinel://hush", "the name of the master that the sentinels watch is missing"),
        ("redis+sentinel://a,,hush/mymaster", "the host is missing"),
        ("redis+sentinel://a/mymaster/hush", "the database is a number"),
        ("redis://a?sentinel_password=hush", "sentinel_password is for sentinels: the scheme must end in +sentinel"),
        ("redis+cluster://a,hush/1", "a cluster has no database but 0"),
    ],
)
def test_a_wrong_url_is_told_what_is_wrong_and_not_shown(url: str, wrong: str) -> None:
    """What stands in it may be a password in the wrong place."""
    with pytest.raises(ValueError, match=wrong.replace("+", r"\+")) as raised:
        read(url)
    assert "hush" not in str(raised.value)


def test_sentinels_have_a_user_and_a_password_of_their_own() -> None:
    """Those before the hosts are the master's; neither shows, and each server is given its own."""
    url = "redis+sentinel://ann:hush@a:1/mymaster?sentinel_username=watch&sentinel_password=h%40sh&db=3"
    address = read(url)
    _, sentinel = opened(address)

    assert (address.sentinel_username, address.sentinel_password, address.db) == ("watch", "h@sh", 3)
    assert "h@sh" not in repr(address)
    assert sentinel is not None
    asked = sentinel.sentinels[0].connection_pool.connection_kwargs
    assert (asked["username"], asked["password"]) == ("watch", "h@sh")
    assert (sentinel.connection_kwargs["username"], sentinel.connection_kwargs["password"]) == ("ann", "hush")


def test_a_certificates_file_is_looked_for(tmp_path: Path) -> None:
    """It is there, and its place is what redis-py is given."""
    file = tmp_path / "ca.pem"
    file.touch()

    assert read(f"rediss://a?ssl_ca_certs={file}").options == {"ssl_ca_certs": str(file)}


def test_an_address_shows_no_secret() -> None:
    """Neither user nor password."""
    assert repr(read("redis+sentinel://ann:hush@a:1,b/mymaster")) == "Address(sentinel, a:1,b:26379, mymaster)"
    assert repr(read("unix://:hush@/run/redis.sock?db=2")) == "Address(socket, /run/redis.sock, 2)"
