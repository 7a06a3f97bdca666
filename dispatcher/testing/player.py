"""Plays recorded webhooks: the bytes as they came, signed anew, for a recorded token is good for 5 minutes only."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from dispatcher.livekit.webhook import sign

_OF_THE_CONNECTION: Final = frozenset({"host", "content-length", "authorization", "accept-encoding"})


class Recording(msgspec.Struct, frozen=True):
    """One delivery: its headers and the exact text of its body."""

    headers: Mapping[str, str]
    body: str


def recordings(folder: Path) -> list[Recording]:
    """The recorded deliveries (`*.json`) of a folder, in the order of their names."""
    return [msgspec.json.decode(path.read_bytes(), type=Recording) for path in sorted(folder.glob("*.json"))]


async def play(url: str, played: Iterable[Recording], *, key: str, secret: str) -> list[int]:
    """Each recording was sent to `url` once, one after the other; the statuses it was answered with."""
    async with aiohttp.ClientSession() as session:
        return [await _send(session, url, recording, sign_with=(key, secret)) for recording in played]


async def _send(session: aiohttp.ClientSession, url: str, recording: Recording, *, sign_with: tuple[str, str]) -> int:
    key, secret = sign_with
    body = recording.body.encode()
    headers = {name: value for name, value in recording.headers.items() if name.lower() not in _OF_THE_CONNECTION}
    headers["Authorization"] = sign(body, key=key, secret=secret, now=time.time_ns() // 1_000_000)
    async with session.post(url, data=body, headers=headers) as response:
        return response.status
