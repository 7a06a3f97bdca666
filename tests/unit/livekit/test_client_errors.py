"""Every way for a call to LiveKit to fail, and what it is called here."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

import pytest
from aiohttp import TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from livekit.protocol import agent_dispatch
from livekit.protocol import room as room_service

from dispatcher.core.rules import Target
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason, Refused, Unavailable, Unknown
from tests.real.server import free_port
from tests.unit.livekit.twirp import HASTY, READS, SID, Answer, Script, fail, leads, raw, reply, reset, scripted

Ask: TypeAlias = Callable[[LiveKit], Awaitable[object]]
Failure: TypeAlias = tuple[type[LiveKitError], Reason]


@pytest.fixture
async def server() -> AsyncIterator[Script]:
    """A scripted LiveKit."""
    async with scripted() as script:
        yield script


def asked(server: Script, method: str) -> int:
    """How often the method was asked."""
    return [name for name, _ in server.asked].count(method)


def look(livekit: LiveKit) -> Awaitable[object]:
    """A look at the room."""
    return livekit.look("r", SID)


def rooms(livekit: LiveKit) -> Awaitable[object]:
    """The sweep's list."""
    return livekit.rooms()


def create(livekit: LiveKit) -> Awaitable[object]:
    """A dispatch for `sales`."""
    return livekit.create("r", Target("sales"), metadata="{}", tag="default:w#1")


def remove(livekit: LiveKit) -> Awaitable[object]:
    """An agent out."""
    return livekit.remove("r", "agent-AJ_1")


def delete(livekit: LiveKit) -> Awaitable[object]:
    """A dispatch away."""
    return livekit.delete("r", "AD_1")


READ: Mapping[str, Ask] = {"ListRooms": rooms, "look": look}
ACT: Mapping[str, Ask] = {"CreateDispatch": create, "RemoveParticipant": remove, "DeleteDispatch": delete}

BROKEN: tuple[Failure, Failure] = (Unavailable, Reason.BROKEN), (Unknown, Reason.BROKEN)
REDIRECTED: tuple[Failure, Failure] = (Unavailable, Reason.REDIRECTED), (Unknown, Reason.REDIRECTED)
FAILURES: Mapping[str, tuple[Answer, Failure, Failure]] = {  # answer, what a read raises, what an act raises
    "200 html": (raw(200, b"<html>", "text/html"), *BROKEN),
    "200 html in name only": (raw(200, b"<html>", "application/protobuf"), *BROKEN),
    "200 json": (raw(200, b"{}", "application/json"), *BROKEN),
    "200 empty": (raw(200, b"", "application/octet-stream"), *BROKEN),
    "202": (raw(202, b"", "application/protobuf"), *BROKEN),
    "204": (raw(204, b"", "application/protobuf"), *BROKEN),
    "301": (leads("https://elsewhere.example/", 301), *REDIRECTED),
    "302": (leads("/twirp/livekit.RoomService/Elsewhere", 302), *REDIRECTED),
    "302 nowhere": (fail(302), *REDIRECTED),
    "307": (leads("/twirp/livekit.RoomService/Elsewhere", 307), *REDIRECTED),
    "400": (fail(400), (Refused, Reason.INVALID), (Refused, Reason.INVALID)),
    "401": (raw(401, b"", "text/plain"), (Refused, Reason.UNAUTHORIZED), (Refused, Reason.UNAUTHORIZED)),
    "403": (fail(403), (Refused, Reason.UNAUTHORIZED), (Refused, Reason.UNAUTHORIZED)),
    "408": (fail(408), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "412": (fail(412), (Refused, Reason.INVALID), (Refused, Reason.INVALID)),
    "413": (fail(413), (Refused, Reason.INVALID), (Refused, Reason.INVALID)),
    "429": (fail(429), (Unavailable, Reason.LIMITED), (Unavailable, Reason.LIMITED)),
    "500": (fail(500), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "502 html": (raw(502, b"<html>", "text/html"), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "503": (fail(503), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "503 json list": (fail(503, "[]"), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "520": (raw(520, b"<html>", "text/html"), (Unavailable, Reason.SERVER), (Unknown, Reason.SERVER)),
    "reset": (reset, *BROKEN),
    "malformed": (raw(200, b"\xff\xff", "application/protobuf"), *BROKEN),
}


@pytest.mark.parametrize("ask", READ.values(), ids=READ)
@pytest.mark.parametrize(("answer", "expected"), [(row[0], row[1]) for row in FAILURES.values()], ids=FAILURES)
async def test_a_failed_read_is_never_taken_for_absence(
    server: Script, ask: Ask, answer: Answer, expected: Failure
) -> None:
    """Every way for a read to fail raises: later again (Unavailable), or never (Refused)."""
    server.show()
    server.answer("ListRooms", answer)
    with pytest.raises(LiveKitError) as caught:
        await ask(server.client())
    assert (type(caught.value), caught.value.reason) == expected
    assert caught.value.method == "ListRooms"


@pytest.mark.parametrize(("method", "ask"), ACT.items(), ids=ACT)
@pytest.mark.parametrize(("answer", "expected"), [(row[0], row[2]) for row in FAILURES.values()], ids=FAILURES)
async def test_a_failed_act_says_whether_it_may_have_happened(
    server: Script, method: str, ask: Ask, answer: Answer, expected: Failure
) -> None:
    """Unavailable and Refused promise that nothing happened; Unknown does not. One POST in every case (I5)."""
    server.answer_all(answer)
    with pytest.raises(LiveKitError) as caught:
        await ask(server.client())
    assert (type(caught.value), caught.value.reason, caught.value.method) == (*expected, method)
    assert server.told == [(method, expected[1])]
    assert len(server.asked) == 1


@pytest.mark.parametrize("method", READS)
async def test_each_part_of_a_look_may_fail_it(server: Script, method: str) -> None:
    """A look is whole or it is none: nothing is judged on two thirds of it (I9)."""
    server.show()
    server.answer(method, fail(500))
    with pytest.raises(Unavailable, match=f"^{method}: server$"):
        await look(server.client())


async def test_an_error_carries_nothing_foreign(server: Script) -> None:
    """The text is method and reason; the server's message stays at the door (law 11)."""
    server.answer_all(fail(400))
    with pytest.raises(Refused) as caught:
        await create(server.client())
    assert str(caught.value) == "CreateDispatch: invalid"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert caught.value.retry_after is None


async def test_create_into_an_absent_room_is_refused_as_not_found(server: Script) -> None:
    """404 from CreateDispatch asks for another look and blames nobody (Q3)."""
    server.answer_all(fail(404))
    with pytest.raises(Refused) as caught:
        await create(server.client())
    assert caught.value.reason is Reason.NOT_FOUND


async def test_a_room_that_closes_during_a_look_is_unavailable(server: Script) -> None:
    """404 from ListDispatch, as in the closing race, is no refusal: the next look tells."""
    server.show()
    server.answer("ListDispatch", fail(404))
    with pytest.raises(Unavailable) as caught:
        await look(server.client())
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(("method", "ask"), [("RemoveParticipant", remove), ("DeleteDispatch", delete)])
async def test_what_is_gone_already_is_a_success(server: Script, method: str, ask: Ask) -> None:
    """404 from RemoveParticipant or DeleteDispatch is what was wanted; it is still observed as it was."""
    server.answer_all(fail(404))
    await ask(server.client())
    assert server.told == [(method, "not_found")]


@pytest.mark.parametrize("ask", [create, delete])
async def test_an_empty_answer_that_must_name_a_dispatch_is_unknown(server: Script, ask: Ask) -> None:
    """A 200 without a dispatch id, as a proxy may send, is no proof of a dispatch, nor of its end."""
    server.answer_all(reply(agent_dispatch.AgentDispatch()))
    with pytest.raises(Unknown) as caught:
        await ask(server.client())
    assert caught.value.reason is Reason.BROKEN
    assert [result for _, result in server.told] == ["broken"]


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("https://elsewhere.example:7443/twirp?access_token=s3cret", "https://elsewhere.example:7443"),
        ("https://user:s3cret@elsewhere.example/", "https://elsewhere.example"),
        ("/login?next=s3cret", ""),
        ("https://[", ""),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example"),
    ],
)
async def test_a_redirect_is_named_and_nothing_of_its_path(server: Script, location: str, leads_to: str) -> None:
    """Scheme, host and port: what LIVEKIT_URL would have to be."""
    server.answer("ListRooms", leads(location, 307))
    with pytest.raises(Unavailable) as caught:
        await server.client().rooms()
    assert (str(caught.value), caught.value.leads_to) == ("ListRooms: redirected", leads_to)


async def test_cookies_are_neither_kept_nor_sent(server: Script) -> None:
    """A balancer that sets one with each answer does not fill the memory, nor one project's cookies another's calls."""

    async def sticky(request: web.Request) -> web.StreamResponse:
        assert "Cookie" not in request.headers
        answer = web.Response(content_type="application/protobuf")
        answer.set_cookie(f"AWSALB{len(server.asked)}", "x" * 1_000)
        return answer

    server.answer_all(sticky)
    for _ in range(3):
        await server.client().rooms()
    assert [result for _, result in server.told] == ["ok"] * 3


@pytest.mark.parametrize(("method", "ask"), [("ListRooms", rooms), *ACT.items()])
async def test_a_call_that_hangs_is_given_up(server: Script, method: str, ask: Ask) -> None:
    """Each call has its own deadline: the SDK's does nothing. A read that ran out of time is not tried again."""
    server.answer_all(server.hang)
    with pytest.raises(LiveKitError) as caught:
        await ask(server.client(HASTY))
    assert caught.value.reason is Reason.TIMEOUT
    assert isinstance(caught.value, Unknown if method in ACT else Unavailable)
    assert server.told == [(method, "timeout")]
    assert len(server.asked) == 1


@pytest.mark.parametrize("method", READS)
async def test_a_look_has_one_deadline_for_all_it_asks(server: Script, method: str) -> None:
    """One read that hangs ends the look in time, whichever it is."""
    server.show()
    server.answer(method, server.hang)
    with pytest.raises(Unavailable, match=f"^{method}: timeout$"):
        await look(server.client(HASTY))


@pytest.mark.parametrize("ask", [*READ.values(), *ACT.values()], ids=[*READ, *ACT])
async def test_a_refused_connection_is_unavailable(server: Script, ask: Ask) -> None:
    """Nobody listens: nothing happened, even for a create (I4)."""
    closed = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable) as caught:
        await ask(server.client(url=closed))
    assert caught.value.reason is Reason.UNREACHABLE


async def test_a_failed_handshake_is_unavailable(server: Script) -> None:
    """TLS that is not spoken there fails before anything is sent."""
    tls = server.url.replace("http:", "https:")
    with pytest.raises(Unavailable) as caught:
        await create(server.client(url=tls))
    assert caught.value.reason is Reason.UNREACHABLE
    assert server.asked == []


class Loopback(AbstractResolver):
    """A resolver that knows LiveKit Cloud's names alone, and finds them all here."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        if not host.endswith(".livekit.cloud"):
            raise OSError(host)
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=family, flags=0)]

    async def close(self) -> None:
        pass


async def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    """DNS fails before anything is sent."""
    async with scripted(TCPConnector(resolver=Loopback())) as server:
        with pytest.raises(Unavailable) as caught:
            await create(server.client(url="wss://livekit.invalid"))
    assert caught.value.reason is Reason.UNREACHABLE


async def test_create_is_never_sent_to_another_region() -> None:
    """On LiveKit Cloud the SDK would replay any POST that failed; ours is sent once (I5)."""
    async with scripted(TCPConnector(resolver=Loopback())) as server:
        server.answer_all(fail(503))
        cloud = server.url.replace("127.0.0.1", "project.livekit.cloud")
        with pytest.raises(Unknown):
            await create(server.client(url=cloud))
    assert len(server.asked) == 1


@pytest.mark.parametrize("first", [fail(503), reset], ids=["503", "reset"])
async def test_a_read_is_tried_a_second_time(server: Script, first: Answer) -> None:
    """A passing trouble costs a look a moment, not a backoff."""
    server.show()
    server.answer("ListParticipants", first, reply(room_service.ListParticipantsResponse()))
    snapshot = await server.client().look("r", SID)
    assert snapshot.room is not None
    assert asked(server, "ListParticipants") == 2


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (429, 1), (400, 1), (401, 1)])
async def test_a_read_is_tried_twice_at_most(server: Script, status: int, tries: int) -> None:
    """A second try is for passing trouble; a limit or a refusal is taken at its word."""
    server.answer("ListRooms", fail(status))
    with pytest.raises(LiveKitError):
        await server.client().rooms()
    assert asked(server, "ListRooms") == tries
    assert len(server.told) == tries
