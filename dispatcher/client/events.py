"""What changes, as the running service tells it for as long as somebody listens (server-sent events)."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

import msgspec
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from msgspec import Struct

from dispatcher.client.transport import WITHIN_S, Answer, answering, whole

SILENT_S: Final = 45.0  # a service that is there says so every 15 s
STREAM: Final = "text/event-stream"


class Happened(Struct, frozen=True, kw_only=True):
    """Something that has changed. Of kind `gap`: some changes are missing here, fetch anew what you show."""

    id: str = ""  # `after` which to go on, even in another process
    kind: str = ""  # `room`, `agent`, `pause`, `gap`
    project: str
    room: str  # "": of no room alone
    session: str
    at: int  # milliseconds since 1970
    event: str  # its name, as in the log: docs/logs.md
    text: str  # what it means, for people
    assignment: str = ""
    agent: str = ""


class Told(Struct, frozen=True):
    """A piece of the stream: what has happened, if anything, and the id to go on from."""

    id: str
    happened: Happened | None


async def listen(http: ClientSession, address: str, headers: Mapping[str, str]) -> AsyncGenerator[Told | Answer]:
    """Give what is told, until the service ends the stream; any other answer is given as it is.

    Raises RequestFailed: nobody answers, it breaks off, or falls silent.
    """
    within = ClientTimeout(total=None, sock_connect=WITHIN_S, sock_read=SILENT_S)
    async with answering(http, "GET", address, {**headers, "Accept": STREAM}, None, within) as answer:
        if answer.content_type != STREAM:
            yield await whole(address, answer)
            return
        async with aclosing(_read(answer)) as stream:
            async for told in stream:
                yield told


async def _read(answer: ClientResponse) -> AsyncGenerator[Told]:
    """Give each block of the stream that has an id."""
    fields: dict[str, str] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if name or value:
            fields[name] = value.removeprefix(" ")
            continue
        if "id" in fields:
            yield Told(fields["id"], _happened(fields))
        fields = {}


def _happened(fields: Mapping[str, str]) -> Happened | None:
    if "data" not in fields:
        return None
    happened = msgspec.json.decode(fields["data"], type=Happened)
    return msgspec.structs.replace(happened, id=fields["id"], kind=fields.get("event", ""))
