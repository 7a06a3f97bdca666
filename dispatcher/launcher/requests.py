"""Reads a request for a launch: the JSON and the forms of every client that there is, under the names that they use.

The names, and who sends them, are in docs/launcher.md. What is wrong is an ApiError that names the field.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BodyPartReader, web
from msgspec import Struct

from dispatcher.http.bodies import Bodies, BodyRefused
from dispatcher.http.problems import ApiError, unprocessable
from dispatcher.launcher.processes import ORDER_MAX

URL: Final = ("url", "livekit_url")
TOKEN: Final = ("token", "livekit_token")
ROOM: Final = ("room_name", "room")
ROOM_SID: Final = ("room_sid",)
FIELDS_MAX: Final = ORDER_MAX - (16 << 10)  # bytes of the fields that are handed on; the token and the rest need some
FORM_MAX: Final = 16 << 20  # bytes of a form with its files
FORMS_MAX: Final = 4  # forms that are read at once
FORM_WITHIN_S: Final = 10.0
NAMES_MAX: Final = 64  # fields of a request
FILE_SIZE: Final = 256  # bytes of a file's path


class LaunchRequest(Struct, frozen=True, kw_only=True):
    """What was asked, not believed yet. `fields` and `files` are all that was sent beside."""

    url: str = ""  # "": the project's
    token: str
    room: str
    room_sid: str = ""  # of the life of the room that it is for; "": whichever it finds
    fields: Mapping[str, object] = {}
    files: Mapping[str, bytes] = {}


class LaunchBodies:
    """Reads requests, a bounded number of bytes at once over all of them."""

    def __init__(self) -> None:
        self._plain = Bodies()
        self._forms = 0

    async def read(self, request: web.Request) -> LaunchRequest:
        """The request. Raises ApiError."""
        kind = request.content_type
        if kind == "multipart/form-data":
            return _request(*await self._form(request))
        try:
            async with self._plain.of(request) as body:
                if kind == "application/x-www-form-urlencoded":
                    return _request(_pairs(body), {})
                return _request(_object(body), {})
        except BodyRefused as refused:
            raise ApiError(HTTPStatus(refused.status), refused.reason, "the body was not read to its end") from None

    async def _form(self, request: web.Request) -> tuple[dict[str, object], dict[str, bytes]]:
        if self._forms >= FORMS_MAX:
            wait = {"Retry-After": "1"}
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many forms are being read", headers=wait)
        self._forms += 1
        try:
            async with asyncio.timeout(FORM_WITHIN_S):
                return await _parts(request)
        except TimeoutError:
            raise ApiError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "the form did not come in time") from None
        except (ValueError, web.RequestPayloadError, ConnectionError):
            raise unprocessable("body", "write a form that is complete") from None
        finally:
            self._forms -= 1


async def _parts(request: web.Request) -> tuple[dict[str, object], dict[str, bytes]]:
    fields, files, left = dict[str, object](), dict[str, bytes](), FORM_MAX
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not part.name:
            raise unprocessable("body", "write a form of named fields")
        if len(fields) + len(files) >= NAMES_MAX:
            raise unprocessable("body", f"write at most {NAMES_MAX} fields")
        content = bytearray()
        while piece := await part.read_chunk():
            content += piece
            if len(content) > left:
                raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"a form has {FORM_MAX} bytes at most")
        left -= len(content)
        if part.filename:
            files[part.name] = bytes(content)
        else:
            fields[part.name] = content.decode(errors="replace")
    return fields, files


def _pairs(body: bytes) -> dict[str, object]:
    """The fields of a form without files."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=NAMES_MAX))


def _object(body: bytes) -> dict[str, object]:
    try:
        read = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise unprocessable("body", "write a JSON object, or a form") from None
    if not isinstance(read, dict):
        raise unprocessable("body", "write a JSON object, or a form")
    return cast("dict[str, object]", read)


def _request(fields: dict[str, object], files: dict[str, bytes]) -> LaunchRequest:
    url, token, room, room_sid = (_taken(fields, names) for names in (URL, TOKEN, ROOM, ROOM_SID))
    if not token:
        raise unprocessable(TOKEN[0], "missing: a LiveKit token that joins the room")
    if not room:
        raise unprocessable(ROOM[0], "missing: the name of the room")
    if len(msgspec.json.encode(fields)) > FIELDS_MAX:
        raise unprocessable("body", f"fields to be handed on have {FIELDS_MAX} bytes at most; send a file")
    if _order_bytes(fields, token, files) > ORDER_MAX:
        raise unprocessable("body", f"the token and all that is handed on have {ORDER_MAX} bytes at most")
    return LaunchRequest(url=url, token=token, room=room, room_sid=room_sid, fields=fields, files=files)


def _order_bytes(fields: Mapping[str, object], token: str, files: Mapping[str, bytes]) -> int:
    """Of the line that a process is given, at most: its room and identity are in the token, too."""
    return len(msgspec.json.encode((fields, token, token, tuple(files)))) + FILE_SIZE * len(files)


def _taken(fields: dict[str, object], names: tuple[str, ...]) -> str:
    """The value of the first of the names that is there, which are fields no more. Raises ApiError: it is no text."""
    values = [fields.pop(name) for name in names if name in fields]
    if not values:
        return ""
    if not isinstance(values[0], str):
        raise unprocessable(names[0], "write text")
    return values[0]
