"""A process that joins a room of the fake LiveKit, started by a launcher: alone, or ahead. It imports nothing of ours.

`python participant.py`: it joins as LIVEKIT_URL and LIVEKIT_TOKEN say, else as the line on its standard input says, and
stays until it is removed or gets SIGTERM.
"""

import json
import os
import signal
import socket
import sys
from types import FrameType
from urllib.parse import urlsplit

_UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: c29tZWJvZHktam9pbnMhIQ==\r\n"
)
_CLOSE = b"\x88\x80\x00\x00\x00\x00"  # a masked frame of a websocket that says goodbye


def main() -> None:
    """Join, and stay."""
    if url := os.environ.get("LIVEKIT_URL"):
        stay(join(url, os.environ["LIVEKIT_TOKEN"]))
    elif line := sys.stdin.readline():
        told = json.loads(line)
        stay(join(told["url"], told["token"]))


def join(url: str, token: str) -> socket.socket:
    """Be in the room as long as the socket is open. Raises ConnectionError."""
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname, place.port), timeout=5)
    connection.sendall(f"GET /rtc?access_token={token} HTTP/1.1\r\nHost: {place.netloc}\r\n{_UPGRADE}\r\n".encode())
    if b" 101 " not in connection.recv(4096).partition(b"\r\n")[0]:
        raise ConnectionError("the fake LiveKit lets nobody in with this token")
    connection.settimeout(None)
    return connection


def stay(connection: socket.socket) -> None:
    """Until somebody ends it, one way or the other."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        connection.sendall(_CLOSE)
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    while received := connection.recv(4096):
        if received[0] & 0x0F == 8:
            connection.sendall(_CLOSE)
            return


if __name__ == "__main__":
    main()
