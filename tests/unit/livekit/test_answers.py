"""An answer is read with a bound, and a list message by message, however its bytes arrive."""

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestServer
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol import models
from livekit.protocol import room as room_service

from dispatcher.livekit.answers import (
    AT_ONCE,
    COST,
    PROTOBUF,
    REPLY_MAX,
    ROOM_MAX,
    Arriving,
    TooLong,
    each,
    twirp_session,
)

ENOUGH = 1 << 20
ROOMS = room_service.ListRoomsResponse


def varint(number: int) -> bytes:
    """As protobuf writes it."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, wire: int, value: bytes) -> bytes:
    """A field of a message."""
    return varint(number << 3 | wire) + value


def listed(pieces: Iterable[bytes], at_most: int = ENOUGH) -> list[bytes]:
    """What arrives in these pieces."""
    arriving = Arriving(at_most)
    found = [one for piece in pieces for one in arriving.feed(piece)]
    arriving.end()
    return found


def cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The body in pieces."""
    places = [0, *sorted(at for at in cuts if at < len(body)), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


ROOM = st.builds(models.Room, sid=st.text(max_size=9), metadata=st.text(max_size=200), empty_timeout=st.integers(0, 9))
NUMBER = st.integers(2, (1 << 29) - 1)
OTHER = st.one_of(  # fields that the lists do not have today
    st.builds(lambda number, value: field(number, 0, varint(value)), NUMBER, st.integers(0, (1 << 64) - 1)),
    st.builds(lambda number, value: field(number, 1, value), NUMBER, st.binary(min_size=8, max_size=8)),
    st.builds(lambda number, value: field(number, 2, varint(len(value)) + value), NUMBER, st.binary(max_size=200)),
    st.builds(lambda number, value: field(number, 5, value), NUMBER, st.binary(min_size=4, max_size=4)),
)


@given(parts=st.lists(ROOM | OTHER, max_size=8), cuts=st.lists(st.integers(0, 999)))
def test_a_list_is_what_protobuf_would_have_read(parts: list[models.Room | bytes], cuts: list[int]) -> None:
    """In whatever pieces it arrives, and whatever fields stand between its messages."""
    body = b"".join(ROOMS(rooms=[one]).SerializeToString() if isinstance(one, models.Room) else one for one in parts)
    assert [models.Room.FromString(one) for one in listed(cut(body, cuts))] == list(ROOMS.FromString(body).rooms)


@given(junk=st.binary(max_size=200), cuts=st.lists(st.integers(0, 199)))
def test_junk_is_no_list_or_one_that_protobuf_reads_too(junk: bytes, cuts: list[int]) -> None:
    """It is refused, or says the same: it is never taken for another list."""
    try:
        found = [models.Room.FromString(one) for one in listed(cut(junk, cuts))]
    except (DecodeError, TooLong):
        return
    assert found == list(ROOMS.FromString(junk).rooms)


BAD: Mapping[str, bytes] = {
    "zeros": b"\0\0",
    "html": b"<html>",
    "json": b'{"rooms": []}',
    "a number without end": b"\xff" * 10,
    "a length without end": b"\x0a" + b"\xff" * 10,
    "a group": field(2, 3, b""),
    "cut in a key": b"\x80",
    "cut in a length": b"\x0a\x80",
    "cut in a message": b"\x0a\x02\x0a",
    "cut in another field": field(2, 1, b"1234"),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    """An answer that was cut short is not a shorter list."""
    with pytest.raises(DecodeError):
        listed([body])


@pytest.mark.parametrize("body", [b"\x0a\0" * 3, field(2, 2, varint(2 * COST) + b"x" * 2 * COST)])
def test_every_byte_counts_and_every_message(body: bytes) -> None:
    """A million messages of nothing are no small list, nor is one with much beside its messages."""
    listed([body], at_most=len(body) + 3 * COST)
    with pytest.raises(TooLong):
        listed([body], at_most=len(body) - 1 if len(body) > COST else len(body) + 3 * COST - 1)


def test_a_message_that_announces_too_much_is_not_waited_for() -> None:
    """Its length alone is enough."""
    with pytest.raises(TooLong):
        listed([b"\x0a" + varint(ROOM_MAX + 1)])


@asynccontextmanager
async def answered(body: bytes, **headers: str) -> AsyncIterator[ClientResponse]:
    """An answer of protobuf whose body has not been read yet."""
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=PROTOBUF, headers=headers)

    app.router.add_post("/", answer)
    async with TestServer(app) as server, twirp_session() as session, session.post(server.make_url("/")) as response:
        yield response


async def test_others_have_their_turn_while_a_long_list_is_read() -> None:
    """Between two turns of another task, AT_ONCE messages are read at most: some 4 ms."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    body = ROOMS(rooms=[models.Room(sid="RM_1")] * 20 * AT_ONCE).SerializeToString()
    others = asyncio.create_task(other())
    async with answered(body) as answer:
        read_at = [turns async for _ in each(answer, models.Room, 10 * ENOUGH)]
    others.cancel()
    assert len(read_at) == 20 * AT_ONCE
    assert max(Counter(read_at).values()) <= AT_ONCE


async def test_a_list_over_its_bound_is_given_up() -> None:
    """What was read before is of no use to anybody."""
    body = ROOMS(rooms=[models.Room(sid="RM_1")] * 100).SerializeToString()
    async with answered(body) as answer:
        with pytest.raises(TooLong):
            assert [one async for one in each(answer, models.Room, 100)] == []


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_reply_has_a_bound_whatever_it_weighs_on_the_wire(encoding: str) -> None:
    """REPLY_MAX bytes, once inflated, are taken, and not one more."""
    weigh = gzip.compress if encoding == "gzip" else bytes
    headers = {"Content-Encoding": encoding} if encoding == "gzip" else {}
    async with answered(weigh(bytes(REPLY_MAX)), **headers) as answer:
        assert len(await answer.read()) == REPLY_MAX
    async with answered(weigh(bytes(REPLY_MAX + 1)), **headers) as answer:
        with pytest.raises(TooLong):
            await answer.read()
