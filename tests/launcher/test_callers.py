"""The request of every client that is known to ask a launcher, as it sends it; and tokens that let nobody in."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest
from aiohttp import FormData

from dispatcher.config import Secret
from dispatcher.testing import DEV_KEYS
from tests.launcher.launched import Stage, alive, avatar, stage, token

JPEG = b"\xff\xd8\xff\xe0\r\n--\r\n\x00\x01"  # what a form must not take for a border


async def sent(one: Stage, body: object, path: str = "/launch", headers: Mapping[str, str] | None = None) -> int:
    """The status of a request with this body: a mapping as JSON, all else as it is."""
    plain = {"json": body} if isinstance(body, dict) else {"data": body}
    async with one.http.post(f"{one.launcher.url}{path}", headers=headers, **plain) as answer:
        return answer.status


async def test_livekit_s_avatar_example(tmp_path: Path) -> None:
    """JSON by httpx: three fields, a token of kind agent that speaks for one; any 2xx is success."""
    async with stage(tmp_path) as one:
        given = token(identity="avatar_worker", behalf="agent-1")

        assert await sent(one, {"room_name": "lobby", "url": one.livekit.url, "token": given}) == 200


async def test_the_modal_example_and_copies_whose_url_is_written_otherwise(tmp_path: Path) -> None:
    """Schemes ws and http, a name for 127.0.0.1, a slash at the end: one place."""
    async with stage(tmp_path) as one:
        port = one.livekit.url.rpartition(":")[2]
        for number, url in enumerate((f"ws://localhost:{port}/", f"http://127.0.0.1:{port}", f"ws://[::1]:{port}")):
            assert await sent(one, {"room": "lobby", "url": url, "token": token(identity=str(number))}) == 200


def kept(file: Path) -> tuple[bytes, int] | None:
    """What is in a file, and what others than its owner may do in its launch's folder; None: it is gone."""
    return (file.read_bytes(), file.parents[1].stat().st_mode & 0o077) if file.exists() else None


@pytest.mark.parametrize("mode", ["true", "false"])
async def test_bithuman_s_plugin_with_a_custom_endpoint(tmp_path: Path, mode: str) -> None:
    """A multipart form with an image, and its own secret as bearer token, which is none of ours."""
    async with stage(tmp_path, avatar("telling")) as one:
        form = FormData()
        for name, value in (
            ("livekit_url", one.livekit.url),
            ("livekit_token", token(behalf="agent-1")),
            ("room_name", "lobby"),
            ("model", "expression"),
            ("async_mode", mode),
        ):
            form.add_field(name, value)
        form.add_field("avatar_image", JPEG, filename="../../avatar.jpg", content_type="image/jpeg")

        theirs = {"Authorization": "Bearer a-secret-of-the-vendor-s"}
        assert await sent(one, form, f"/launch?async={mode}", theirs) == 200

        launch_id = next(iter(one.launcher.pool.launches))
        await one.until(launch_id, "joined")
        log = await one.text(f"/v1/launches/{launch_id}/log")
        order = json.loads(next(line for line in log.splitlines() if line.startswith("line ")).removeprefix("line "))
        image, folder = Path(order["files"]["avatar_image"]), one.state / launch_id

        assert order["fields"] == {"model": "expression", "async_mode": mode}
        assert image.is_relative_to(folder)
        assert kept(image) == (JPEG, 0)
        await one.stop(launch_id)
        assert kept(image) is None


async def test_bithuman_s_plugin_with_its_default_api(tmp_path: Path) -> None:
    """JSON with an image in base64, and a header of its own."""
    async with stage(tmp_path) as one:
        body = {
            "livekit_url": one.livekit.url,
            "livekit_token": token(behalf="agent-1"),
            "room_name": "lobby",
            "mode": "gpu",
            "image": base64.b64encode(JPEG * 2_000).decode(),
        }

        assert await sent(one, body, headers={"api-secret": "x"}) == 200


async def test_a_plain_form(tmp_path: Path) -> None:
    """As dispatchers of private users take it."""
    async with stage(tmp_path) as one:
        form = FormData({"livekit_url": one.livekit.url, "livekit_token": token(), "room_name": "lobby", "ref": "a b"})

        assert await sent(one, form) == 200


async def test_videosdk_s_client_is_told_that_its_token_is_not_livekit_s(tmp_path: Path) -> None:
    """It shares the path alone: its rooms are another service's."""
    foreign = jwt.encode({"apikey": "x", "permissions": ["allow_join"], "exp": int(time.time()) + 600}, "y" * 32)
    async with stage(tmp_path) as one:
        body = {"room_name": "lobby", "token": foreign, "participant_id": "avatar", "signaling_base_url": "api"}

        assert await sent(one, body) == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"token": "x"}', "room_name"),
        (b'{"room_name": "lobby"}', "token"),
        (b'{"room_name": 7, "token": "x"}', "room_name"),
        (b'{"room_name": "lobby", "token": "x", "more": "' + b"y" * 50_000 + b'"}', "body"),
        (b'{"room_name": "lobby", "token": "' + b"y" * 40_000 + b'"}', "body"),
        (b"[" * 100_000, "body"),
    ],
)
async def test_a_body_that_is_none_is_answered_with_422_and_the_field(tmp_path: Path, body: bytes, field: str) -> None:
    """As the original did, and with the name of what is wrong."""
    async with stage(tmp_path) as one, one.http.post(f"{one.launcher.url}/launch", data=body) as answer:
        assert (answer.status, (await answer.json(content_type=None))["field"]) == (422, field)
        assert one.launcher.pool.launches == {}


async def test_a_form_that_is_too_large_or_broken_is_refused(tmp_path: Path) -> None:
    """Before anything of it is on disk."""
    async with stage(tmp_path) as one:
        large = FormData()
        large.add_field("avatar_image", io.BytesIO(b"x" * (17 << 20)), filename="a")
        broken = b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"

        assert await sent(one, large) == 413
        assert await sent(one, broken, headers={"Content-Type": "multipart/form-data; boundary=b"}) == 422
        assert await sent(one, b"x", headers={"Content-Type": "multipart/form-data"}) == 422
        assert [path.name for path in one.state.iterdir()] == ["lock"]


def forged(**claims: object) -> str:
    """A token of ours with other claims, signed as it should be."""
    usual = {"iss": "devkey", "sub": "avatar", "exp": int(time.time()) + 36_000, "kind": "agent"}
    video = {"roomJoin": True, "room": "lobby"}
    made = {name: value for name, value in {**usual, "video": video, **claims}.items() if value is not None}
    return jwt.encode(made, DEV_KEYS["devkey"])


SECRET = "devsecret-devsecret-devsecret-devsecret"


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        (token(secret="x" * 32), 401, "bad_signature"),
        (token(key="another"), 401, "unknown_key"),
        (jwt.encode({"iss": "devkey"}, "", algorithm="none"), 401, "malformed_token"),
        (jwt.encode({"iss": "devkey", "exp": 9_999_999_999}, SECRET * 2, algorithm="HS512"), 401, "malformed_token"),
        ("a.b.c", 401, "malformed_token"),
        ("é" * 40, 401, "malformed_token"),
        (forged(exp=None), 401, "malformed_token"),
        (forged(exp=int(time.time()) - 1), 401, "expired"),
        (forged(nbf=int(time.time()) + 3_600), 401, "not_yet_valid"),
        (forged(sub=None), 401, "no_identity"),
        (forged(video={"roomAdmin": True, "room": "lobby"}), 401, "no_room_join"),
        (forged(video={"roomJoin": True}), 401, "no_room_join"),
        (forged(video={"roomJoin": "true", "room": "lobby"}), 401, "malformed_token"),
        (token(room="another"), 403, "wrong_room"),
        (token(kind="standard"), 403, "not_an_agent"),
        (token(kind="sip"), 403, "not_an_agent"),
    ],
)
async def test_a_token_that_is_forged_or_foreign_starts_nothing(
    tmp_path: Path, given: str, status: int, error: str
) -> None:
    """And nothing of it is in the answer or the log."""
    async with stage(tmp_path) as one:
        answered, answer = await one.post(token=given)

        assert (answered, answer["error"]) == (status, error)
        assert given not in json.dumps([answer, one.lines], ensure_ascii=False)
        assert one.launcher.pool.launches == {}


async def test_a_url_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """The endpoint is no way to send a process, and a token, to any place."""
    async with stage(tmp_path) as one:
        for url in ("ws://elsewhere.example", "http://127.0.0.1:1", "//", "ws://[", "ws://localhost:99999999"):
            status, answer = await one.post(url=url)
            assert (status, answer["error"], answer["field"]) == (403, "wrong_url", "url")


async def test_a_person_s_token_needs_the_launcher_s_own(tmp_path: Path) -> None:
    """Who joins a room may not therefore start processes; a backend may, with the launcher's own token."""
    async with stage(tmp_path, avatar(token=Secret("the-launcher-s-token"))) as one:
        body = {"room_name": "lobby", "token": token(kind="standard")}
        tries = [
            await sent(one, body, headers={"Authorization": given} if given else None)
            for given in ("", "Bearer wrong", "Basic the-launcher-s-token", "Bearer the-launcher-s-token")
        ]

        assert tries == [403, 403, 403, 200]


async def test_two_hundred_requests_at_a_limit_of_eight(tmp_path: Path) -> None:
    """Eight processes, and never a ninth; the others are refused before anything is made."""
    async with stage(tmp_path, avatar(limit=8)) as one:
        posts = (one.post(token=token(identity=f"avatar-{number}")) for number in range(200))
        answers = await asyncio.gather(*posts)
        launched = [answer["id"] for status, answer in answers if status == 200]

        assert len(launched) == 8
        assert [status for status, _ in answers].count(503) == 192
        assert len(list(one.state.iterdir())) == 9  # and the lock
        for launch_id in launched:
            await one.until(launch_id, "joined")
        assert sum(len(alive(launch_id)) for launch_id in launched) == 8
