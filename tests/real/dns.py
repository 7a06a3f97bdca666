"""A DNS server of the tests' own on loopback, for programs that find replicas by name as they do in Docker."""

import socketserver
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from threading import Thread
from typing import Final

A: Final = b"\0\1"
INTERNET: Final = b"\0\1"
TTL: Final = (1).to_bytes(4)
AS_ASKED: Final = b"\xc0\x0c"  # the name at byte 12, which is the question's
FOUND, UNKNOWN = b"\x81\x80", b"\x81\x83"


@contextmanager
def answering(names: Mapping[str, Sequence[str]], port: int) -> Iterator[None]:
    """Whoever asks 127.0.0.1 at this UDP port hears all the IPv4 addresses of a name."""

    class Answer(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(answer(self.rfile.read(), names))

    with socketserver.UDPServer(("127.0.0.1", port), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def answer(query: bytes, names: Mapping[str, Sequence[str]]) -> bytes:
    """Every address of the one name asked for; none of another kind than A, and NXDOMAIN where nobody has the name."""
    labels, end = [], 12
    while length := query[end]:
        labels.append(query[end + 1 : end + 1 + length].decode())
        end += 1 + length
    kind, question = query[end + 1 : end + 3], query[12 : end + 5]
    addresses = names.get(".".join(labels))
    told = addresses if addresses and kind == A else ()
    records = [AS_ASKED + A + INTERNET + TTL + (4).to_bytes(2) + IPv4Address(one).packed for one in told]
    counts = b"".join(number.to_bytes(2) for number in (1, len(records), 0, 0))
    return query[:2] + (UNKNOWN if addresses is None else FOUND) + counts + question + b"".join(records)
