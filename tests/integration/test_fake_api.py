"""The real SDK's client against the fake LiveKit: what docs/livekit.md §2 and §4 say of the API."""

import asyncio
from typing import Any

import aiohttp
import jwt
import pytest
from livekit.api import ServerError
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    ListParticipantsRequest,
    ListRoomsRequest,
    RoomParticipantIdentity,
    UpdateRoomMetadataRequest,
)

from dispatcher.testing import FakeLiveKit
from tests.integration.stage import FAST, SPEED, asks, client


async def test_create_is_answered_whether_there_is_a_worker_or_not() -> None:
    """CreateDispatch on a live room succeeds, echoes what was asked and shows no job."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby")
        asked = asks("lobby", metadata="{}", deployment="canary")
        asked.attributes["dispatcher.assignment"] = "w"

        made = await api.agent_dispatch.create_dispatch(asked)

        assert made.id.startswith("AD_")
        assert (made.agent_name, made.room, made.metadata, made.deployment) == ("greeter", "lobby", "{}", "canary")
        assert dict(made.attributes) == {"dispatcher.assignment": "w"}
        assert made.state.created_at > 10**18
        assert not made.state.jobs
        assert livekit.create_calls == [asked]


async def test_create_is_not_idempotent() -> None:
    """The same call twice makes two dispatches."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby")
        ids = {(await api.agent_dispatch.create_dispatch(asks("lobby"))).id for _ in range(2)}

        assert {one.id for one in livekit.rooms.dispatches_in("lobby")} == ids
        assert len(ids) == 2


async def test_create_opens_a_room_that_is_not_live() -> None:
    """With auto_create the name comes back under a new SID."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        first = (await livekit.rooms.open("lobby")).info.sid
        await livekit.rooms.close("lobby")

        await api.agent_dispatch.create_dispatch(asks("lobby"))

        (room,) = (await api.room.list_rooms(ListRoomsRequest())).rooms
        assert room.name == "lobby"
        assert room.sid != first


async def test_create_without_auto_create_needs_a_live_room() -> None:
    """Create answers 503 late where no room is live, and works where one is."""
    async with FakeLiveKit(timings=FAST, auto_create=False) as livekit, client(livekit) as api:
        with pytest.raises(ServerError) as caught:
            await api.agent_dispatch.create_dispatch(asks("lobby"))
        await livekit.rooms.open("lobby")
        await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert (caught.value.status, caught.value.code) == (503, "unavailable")
        assert [call.status for call in livekit.calls] == [503, 200]


@pytest.mark.parametrize("method", ["list", "delete"])
async def test_dispatches_of_an_absent_room_take_three_seconds_to_fail(method: str) -> None:
    """ListDispatch and DeleteDispatch on a room that is not live answer 503 after 3 s."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ServerError, match="no response from servers") as caught:
            await (
                api.agent_dispatch.list_dispatch("lobby")
                if method == "list"
                else api.agent_dispatch.delete_dispatch("AD_x", "lobby")
            )

        assert (caught.value.status, caught.value.code) == (503, "unavailable")
        assert asyncio.get_running_loop().time() - began >= 3.0 / SPEED


async def test_reads_of_an_absent_room_are_empty() -> None:
    """ListRooms and ListParticipants answer 200 and nothing."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        assert not (await api.room.list_rooms(ListRoomsRequest(names=["lobby"]))).rooms
        assert not (await api.room.list_participants(ListParticipantsRequest(room="lobby"))).participants


async def test_rooms_are_listed_by_name_or_all() -> None:
    """ListRooms filters by names; a room shows its metadata, its times and a secret."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby", metadata="{}")
        await livekit.rooms.open("hall")

        everything = await api.room.list_rooms(ListRoomsRequest())
        (lobby,) = (await api.room.list_rooms(ListRoomsRequest(names=["lobby", "attic"]))).rooms

        assert [room.name for room in everything.rooms] == ["lobby", "hall"] == livekit.rooms.names()
        assert lobby.sid.startswith("RM_")
        assert (lobby.metadata, lobby.empty_timeout, lobby.departure_timeout) == ("{}", 300, 20)
        assert lobby.creation_time == lobby.creation_time_ms // 1000 > 0
        assert lobby.turn_password


async def test_rooms_are_made_changed_and_deleted_by_the_api() -> None:
    """CreateRoom, UpdateRoomMetadata and DeleteRoom do what they say; an absent room is 404."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        made = await api.room.create_room(CreateRoomRequest(name="lobby", empty_timeout=30, departure_timeout=5))
        changed = await api.room.update_room_metadata(UpdateRoomMetadataRequest(room="lobby", metadata="new"))
        await api.room.delete_room(DeleteRoomRequest(room="lobby"))
        with pytest.raises(ServerError, match="requested room does not exist") as caught:
            await api.room.delete_room(DeleteRoomRequest(room="lobby"))

        assert (made.empty_timeout, made.departure_timeout) == (30, 5)
        assert (changed.sid, changed.metadata) == (made.sid, "new")
        assert caught.value.status == 404
        assert livekit.rooms.names() == []


async def test_participants_are_listed_got_and_removed() -> None:
    """Everybody is listed, hidden or not; one who was removed is gone a moment later."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.join(
            "lobby", "alice", kind="SIP", attributes={"sip.callID": "1"}, metadata="m", name="Alice"
        )
        await livekit.rooms.join("lobby", "spy", hidden=True, kind_details=["CONNECTOR_TWILIO"], region="eu-1")

        listed = (await api.room.list_participants(ListParticipantsRequest(room="lobby"))).participants
        alice = await api.room.get_participant(RoomParticipantIdentity(room="lobby", identity="alice"))
        await api.room.remove_participant(RoomParticipantIdentity(room="lobby", identity="alice"))
        await livekit.wait_until(lambda: not livekit.rooms.people_in("lobby"))

        assert [one.identity for one in listed] == ["alice", "spy"]
        assert listed[1].permission.hidden
        assert (list(listed[1].kind_details), listed[1].region) == ([alice.KindDetail.CONNECTOR_TWILIO], "eu-1")
        assert alice == listed[0]
        assert alice.sid.startswith("PA_")
        assert (alice.kind, alice.state) == (alice.Kind.SIP, alice.State.ACTIVE)
        assert (alice.name, alice.metadata, dict(alice.attributes)) == ("Alice", "m", {"sip.callID": "1"})


@pytest.mark.parametrize("room", ["lobby", "attic"])
async def test_nobody_is_404(room: str) -> None:
    """GetParticipant and RemoveParticipant of one who is not there, in a live room or in none."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby")
        nobody = RoomParticipantIdentity(room=room, identity="nobody")
        with pytest.raises(ServerError) as got:
            await api.room.get_participant(nobody)
        with pytest.raises(ServerError) as removed:
            await api.room.remove_participant(nobody)

        assert (got.value.status, removed.value.status) == (404, 404)


async def test_a_room_without_agents_lists_the_implicit_dispatch() -> None:
    """Its agent name is empty; a room opened with agents lists theirs and no other."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("plain")
        await livekit.rooms.open("staffed", agents=["greeter", "scribe"])

        assert [one.agent_name for one in await api.agent_dispatch.list_dispatch("plain")] == [""]
        assert [one.agent_name for one in await api.agent_dispatch.list_dispatch("staffed")] == ["greeter", "scribe"]
        assert livekit.rooms.dispatches_in("plain") == []


async def test_a_dispatch_is_found_by_its_id() -> None:
    """An unknown id in a live room is an empty list, not an error; deleting it is 404."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        await livekit.rooms.open("lobby")
        made = await api.agent_dispatch.create_dispatch(asks("lobby"))

        assert await api.agent_dispatch.get_dispatch(made.id, "lobby") == made
        assert await api.agent_dispatch.get_dispatch("AD_unknown", "lobby") is None
        with pytest.raises(ServerError) as caught:
            await api.agent_dispatch.delete_dispatch("AD_unknown", "lobby")
        assert (caught.value.status, caught.value.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", "x" * (512 * 1024 + 1)),
        ("deployment", "d" * 65),
        ("deployment", "under_score"),
        ("deployment", "white space"),
        ("attributes", {"k": "x" * 64 * 1024}),
    ],
    ids=["metadata", "long deployment", "underscore", "blank", "attributes"],
)
async def test_a_dispatch_that_is_not_valid_is_refused(field: str, value: object) -> None:
    """400 invalid_argument, and no room is opened for it."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        asked = asks("lobby")
        asked.MergeFrom(type(asked)(**{field: value}))  # type: ignore[arg-type]
        with pytest.raises(ServerError) as caught:
            await api.agent_dispatch.create_dispatch(asked)

        assert (caught.value.status, caught.value.code) == (400, "invalid_argument")
        assert livekit.rooms.names() == []


async def test_a_wrong_secret_is_401_without_a_twirp_error() -> None:
    """The client sees code `unknown` and an empty message; the call is not counted."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit, secret="w" * 40) as api:
        with pytest.raises(ServerError) as caught:
            await api.room.list_rooms(ListRoomsRequest())

        assert (caught.value.status, caught.value.code, caught.value.message) == (401, "unknown", "")
        assert livekit.calls == []


def token(livekit: FakeLiveKit, **claims: object) -> str:
    """A token of the fake's own key."""
    return jwt.encode({"iss": livekit.api_key, **claims}, livekit.api_secret, algorithm="HS256")


@pytest.mark.parametrize("claims", [{"iss": "nobody"}, {"exp": 1}, {"nbf": 2**33}, {"nbf": "now"}], ids=str)
async def test_a_token_that_is_not_good_is_401_as_bare_text(claims: dict[str, object]) -> None:
    """An unknown key, an expired token, one from the future: no Twirp error says so."""
    async with FakeLiveKit(timings=FAST) as livekit:
        bearer = token(livekit, video={"roomList": True}, **claims)
        headers = {"Authorization": f"Bearer {bearer}"}
        url = f"{livekit.url}/twirp/livekit.RoomService/ListRooms"
        async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as response:
            assert (response.status, response.content_type, await response.text()) == (401, "text/plain", "")


@pytest.mark.parametrize(
    "video",
    [
        {},
        {"roomAdmin": True, "room": "hall"},
        {"roomAdmin": False, "room": "lobby"},
        {"roomList": True},
    ],
    ids=["none", "another room", "no admin", "another grant"],
)
async def test_a_token_without_the_grant_is_unauthenticated(video: dict[str, object]) -> None:
    """ListParticipants needs roomAdmin and the very room: else 401 as a Twirp error."""
    async with FakeLiveKit(timings=FAST) as livekit:
        assert await post(livekit, "RoomService/ListParticipants", b"{}", token(livekit, video=video)) == (
            401,
            {"code": "unauthenticated", "msg": "permissions denied"},
        )


async def test_a_call_without_a_token_is_unauthenticated() -> None:
    """No token grants nothing."""
    async with FakeLiveKit(timings=FAST) as livekit:
        status, error = await post(livekit, "RoomService/ListRooms", b"{}")

        assert (status, error["code"]) == (401, "unauthenticated")


async def test_json_is_spoken_too() -> None:
    """A JSON request is answered in JSON, with the names of the protocol's own fields."""
    async with FakeLiveKit(timings=FAST) as livekit:
        await livekit.rooms.open("lobby")
        status, reply = await post(
            livekit, "RoomService/ListRooms", b'{"names":["lobby"],"more":1}', token(livekit, video={"roomList": True})
        )

        assert status == 200
        assert reply["rooms"][0]["empty_timeout"] == 300


@pytest.mark.parametrize(
    ("route", "body", "content_type", "status", "code"),
    [
        ("RoomService/ListRooms", b"{", "application/json", 400, "malformed"),
        ("RoomService/ListRooms", b"\xff", "application/protobuf", 400, "malformed"),
        ("RoomService/MuteTrack", b"", "application/protobuf", 404, "bad_route"),
    ],
)
async def test_what_cannot_be_read_or_found_is_said(
    route: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    """Bodies that do not decode are `malformed`, methods that the fake does not have `bad_route`."""
    async with FakeLiveKit(timings=FAST) as livekit:
        told, error = await post(livekit, route, body, token(livekit), content_type)

        assert (told, error["code"]) == (status, code)


async def post(
    livekit: FakeLiveKit, route: str, body: bytes, bearer: str | None = None, content_type: str = "application/json"
) -> tuple[int, Any]:
    """The status and the JSON of a call made by hand."""
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    url = f"{livekit.url}/twirp/livekit.{route}"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status, await response.json()
