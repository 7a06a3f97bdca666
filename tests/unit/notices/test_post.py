"""Which addresses are connected to."""

import pytest

from dispatcher.notices.post import is_public

PUBLIC = ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
    *("255.255.255.255", "198.18.0.1", "192.0.0.1", "240.0.0.1", "0.1.2.3"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_connected_to(address: str) -> None:
    """However the address is written."""
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_nothing_else_is(address: str) -> None:
    """Neither what is here, nor beside it, nor a cloud's metadata, nor what stands for one of them."""
    assert not is_public(address)
