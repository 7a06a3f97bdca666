"""What an application hears of changes: the stream is taken up again where it was, until the service refuses."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import pytest
from aiohttp import web

from dispatcher.client import Dispatcher, Happened, RequestFailed
from tests.unit.client.test_dispatcher import AWAY, Service, answer, asking


def event(number: int, kind: str = "room") -> bytes:
    """An event of the stream."""
    data = f'{{"project":"p","room":"lobby","session":"RM_1","at":{number},"event":"agent.joined","text":"é"}}'
    return f"id: {number}\nevent: {kind}\ndata: {data}\n\n".encode()


def stream(*pieces: bytes, cut: bool = False) -> web.Response:
    """A stream that ends after these bytes; `cut`: in their midst."""
    body = b"".join(pieces)
    headers: Mapping[str, str] = {"Content-Length": str(len(body) + cut)}
    response = web.Response(body=body, content_type="text/event-stream", headers=headers)
    response.force_close()
    return response


async def heard(dispatcher: Dispatcher, number: int, **asked: str) -> list[Happened]:
    """The first so many events."""
    found: list[Happened] = []
    async with asyncio.timeout(10), aclosing(dispatcher.events(**asked)) as happening:
        async for one in happening:
            found.append(one)
            if len(found) == number:
                break
    return found


async def test_what_happens_is_told_as_it_comes() -> None:
    """The stream is asked for with what was asked for; comments and unknown fields mean nothing."""
    service = Service(stream(b"retry: 1000\nid: 0\n\n", b": alive\n\n", event(1), b"odd\nid: 1\n\n", event(2, "gap")))
    async with asking(service) as dispatcher:
        one, other = await heard(dispatcher, 2, room="a/b", project="p")

    assert (one.id, one.kind, one.room, one.at, one.text, one.agent) == ("1", "room", "lobby", 1, "é", "")
    assert other.kind == "gap"
    [request] = service.requests
    assert request.query == {"room": "a/b", "project": "p"}
    assert request.headers["Accept"] == "text/event-stream"
    assert "Last-Event-ID" not in request.headers


async def test_where_the_stream_ends_it_goes_on() -> None:
    """From the last id that came, with an event or without; whether it ended, broke, or nobody answers meanwhile."""
    service = Service(stream(event(1), b"id: 5\n\n"), None, answer(503, AWAY), stream(event(6)), stream(event(7)))
    async with asking(service) as dispatcher:
        found = await heard(dispatcher, 3, after="0")

    assert [one.at for one in found] == [1, 6, 7]
    assert [request.headers["Last-Event-ID"] for request in service.requests] == ["0", "5", "5", "5", "6"]


async def test_what_broke_off_in_an_event_is_told_once() -> None:
    """The rest of it comes when it is asked for anew."""
    service = Service(stream(event(1), event(2)[:-20], cut=True), stream(event(2)))
    async with asking(service) as dispatcher:
        assert [one.at for one in await heard(dispatcher, 2)] == [1, 2]


async def test_a_refusal_is_raised() -> None:
    """Asking on would not help."""
    problem = {"error": "bad_request", "detail": "project: one of default", "field": "project"}
    async with asking(Service(answer(400, problem))) as dispatcher:
        with pytest.raises(RequestFailed) as caught:
            await heard(dispatcher, 1)
    assert (caught.value.status, caught.value.error, caught.value.field) == (400, "bad_request", "project")


async def test_somebody_else_who_answers_is_told_as_such() -> None:
    """A web page is no stream."""
    page = web.Response(text="<html>", content_type="text/html")
    async with asking(Service(page)) as dispatcher:
        with pytest.raises(RequestFailed) as caught:
            await heard(dispatcher, 1)
    assert caught.value.error == "not_the_service"
