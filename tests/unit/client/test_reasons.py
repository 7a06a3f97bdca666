"""Why a connection failed: the system's own words, found behind whatever was raised."""

import socket
import ssl

import pytest
from aiohttp import ClientConnectorCertificateError, ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey

from dispatcher.client.reasons import why
from dispatcher.ledger.interface import LedgerUnavailable

KEY = ConnectionKey("livekit.example", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's own order
REFUSED = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 7880)")
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL] certificate verify failed: self-signed certificate")
UNTRUSTED.verify_message = "self-signed certificate"


def behind(error: Exception) -> Exception:
    """An error of ours that another led to, and that does not show it."""
    ours = LedgerUnavailable("Redis: ConnectionError")
    ours.__context__, ours.__suppress_context__ = error, True  # as `raise ours from None` leaves it
    return ours


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (REFUSED, "Connection refused"),
        (ClientConnectorError(KEY, REFUSED), "Connection refused"),
        (behind(REFUSED), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Connect"),
            "Connection refused, Network is unreachable",
        ),
        (
            ClientConnectorCertificateError(KEY, UNTRUSTED),
            "its certificate is not trusted: self-signed certificate (SSL_CERT_FILE names others to trust)",
        ),
        (UNTRUSTED, "its certificate is not trusted: self-signed certificate (SSL_CERT_FILE names others to trust)"),
        (TimeoutError(), ""),
        (ValueError("secret"), ""),
        (OSError("secret"), ""),
    ],
)
def test_the_systems_reason_is_found(error: Exception, reason: str) -> None:
    """And nothing else of the error's text."""
    assert why(error) == reason


def test_a_server_without_tls_is_told() -> None:
    """OpenSSL's word for it."""
    here, there = socket.socketpair()
    there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with here, there, pytest.raises(ssl.SSLError) as caught:
        ssl.create_default_context().wrap_socket(here, server_hostname="x")

    assert why(caught.value).startswith("TLS: ")
