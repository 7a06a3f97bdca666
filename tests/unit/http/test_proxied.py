"""Which addresses are a proxy's."""

from ipaddress import ip_network

import pytest

from dispatcher.http.proxied import is_among

PROXIES = (ip_network("10.0.0.7"), ip_network("10.1.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "one"),
    [
        ("10.0.0.7", True),
        ("10.0.0.8", False),
        ("10.1.255.1", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:10.2.2.3", False),
        ("fd00::1%eth0", True),
        ("fe80::1%eth0", False),
        (None, False),
    ],
)
def test_a_proxy_is_known_by_its_address(peer: str | None, *, one: bool) -> None:
    """Also where a socket on `::` sees IPv4, and where an address names its interface; not once it is gone."""
    assert is_among(peer, PROXIES) is one
