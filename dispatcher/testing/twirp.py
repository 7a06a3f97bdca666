"""LiveKit's server API over HTTP: Twirp in protobuf or JSON, tokens, errors, and the faults that calls meet."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final, Generic, TypeVar, assert_never

import jwt
from aiohttp import web
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import DecodeError, Message
from jwt.types import Options

from dispatcher.core.errors import DispatcherError
from dispatcher.testing.faults import ApiFault, Armed, Fail, LoseReply, Reset, Slow
from dispatcher.testing.timers import Timers

A = TypeVar("A", bound=Message)

LEEWAY_S: Final = 60  # of a token's times, as LiveKit's own verifier has it (docs/livekit.md §2.7)

_JSON: Final = "application/json"
_NO_TIMES: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}  # by our own clock; see LEEWAY_S
_STATUS: Final = {  # Twirp's codes (docs/livekit.md §2.7)
    "invalid_argument": 400,
    "malformed": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "bad_route": 404,
    "deadline_exceeded": 408,
    "resource_exhausted": 429,
    "internal": 500,
    "unavailable": 503,
}


class TwirpError(DispatcherError):
    """The caller is answered with this code, as LiveKit would answer."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Unverified(DispatcherError):
    """The token is not one of ours; LiveKit answers 401 as bare text, not as a Twirp error."""


@dataclass(frozen=True, slots=True)
class Method(Generic[A]):
    """One method of the API: what it takes, which grants a caller must hold, what it does."""

    asks: type[A]
    needs: Callable[[A], Mapping[str, object]]
    run: Callable[[A], Awaitable[Message]]


@dataclass(slots=True)
class ReceivedCall:
    """One call that arrived, whatever became of it. `status` is what the caller was told; None: nothing (yet)."""

    method: str
    asked: Message
    status: int | None = None


class Twirp:
    """Answers `POST /twirp/livekit.<service>/<method>`; each call meets at most one fault."""

    def __init__(
        self,
        keys: Mapping[str, str],
        methods: Mapping[str, Method[Any]],
        timers: Timers,
        arrived: Callable[[], None],
    ) -> None:
        self.calls: list[ReceivedCall] = []
        self.faults: Armed[ApiFault] = Armed()
        self.more: list[web.RouteDef] = []  # that LiveKit does not have
        self._keys = keys
        self._methods = methods
        self._timers = timers
        self._arrived = arrived

    def app(self) -> web.Application:
        """The web application, for one start of a server."""
        app = web.Application(client_max_size=10 * 2**20)  # LiveKit's own limit (docs/livekit.md §2.7)
        app.router.add_post("/twirp/livekit.{service}/{method}", self._answer)
        app.add_routes(self.more)
        app.on_response_prepare.append(self._date)
        return app

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Every answer has a date, of LiveKit's clock, as a Go server's has."""
        response.headers["Date"] = formatdate(self._timers.now_ms() / 1000, usegmt=True)

    async def _answer(self, request: web.Request) -> web.Response:
        route = f"{request.match_info['service']}/{request.match_info['method']}"
        try:
            method = self._method(route)
            grants = self._grants(request)
            asked = await _decode(request, method.asks)
        except _Unverified:
            return web.Response(status=401, content_type="text/plain")
        except TwirpError as error:
            return _failure(error.code, str(error))
        call = ReceivedCall(request.match_info["method"], asked)
        self.calls.append(call)
        self._arrived()
        return await self._meet_fault(request, method, grants, call)

    async def _meet_fault(
        self, request: web.Request, method: Method[Any], grants: Mapping[str, object], call: ReceivedCall
    ) -> web.Response:
        match self.faults.take(call.method):
            case None:
                return await self._execute(request, method, grants, call)
            case Slow(seconds):
                await self._timers.sleep(seconds)
                return await self._execute(request, method, grants, call)
            case Fail() as fault:
                call.status = fault.status
                return _told_to_fail(fault)
            case Reset():
                return _cut(request)
            case LoseReply(hangs):
                await self._execute(request, method, grants, call)
                call.status = None
                if hangs:
                    await asyncio.Event().wait()  # until the server stops
                return _cut(request)
            case fault:
                assert_never(fault)

    async def _execute(
        self, request: web.Request, method: Method[Any], grants: Mapping[str, object], call: ReceivedCall
    ) -> web.Response:
        try:
            _authorise(grants, method.needs(call.asked))
            reply = await method.run(call.asked)
        except TwirpError as error:
            response = _failure(error.code, str(error))
        else:
            response = _encode(request, reply)
        call.status = response.status
        self._arrived()
        return response

    def _method(self, route: str) -> Method[Any]:
        method = self._methods.get(route)
        if method is None:
            raise TwirpError("bad_route", f"no handler for path {route}")
        return method

    def _grants(self, request: web.Request) -> Mapping[str, object]:
        """What the caller's token grants: nothing without a token."""
        header = request.headers.get("Authorization")
        if header is None:
            return {}
        try:
            token = header.removeprefix("Bearer ")
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
            claims = jwt.decode(token, self._keys[issuer], algorithms=["HS256"], issuer=issuer, options=_NO_TIMES)
        except (jwt.InvalidTokenError, KeyError):
            raise _Unverified from None
        if not _timely(claims, self._timers.now_ms() / 1000):
            raise _Unverified
        video: Mapping[str, object] = claims.get("video", {})
        return video


def _timely(claims: Mapping[str, object], now: float) -> bool:
    begins, ends = claims.get("nbf", now), claims.get("exp", now)
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        return False
    return begins - LEEWAY_S <= now < ends + LEEWAY_S


def _authorise(grants: Mapping[str, object], needs: Mapping[str, object]) -> None:
    if any(grants.get(name) != value for name, value in needs.items()):
        raise TwirpError("unauthenticated", "permissions denied")


async def _decode(request: web.Request, asks: type[A]) -> A:
    body = await request.read()
    try:
        if request.content_type == _JSON:
            return Parse(body, asks(), ignore_unknown_fields=True)
        return asks.FromString(body)
    except (DecodeError, ParseError):
        raise TwirpError("malformed", "the request could not be decoded") from None


def _encode(request: web.Request, reply: Message) -> web.Response:
    if request.content_type == _JSON:
        return web.Response(text=MessageToJson(reply, preserving_proto_field_name=True), content_type=_JSON)
    return web.Response(body=reply.SerializeToString(), content_type="application/protobuf")


def _failure(code: str, text: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=_STATUS[code])


def _told_to_fail(fault: Fail) -> web.Response:
    code = next((code for code, status in _STATUS.items() if status == fault.status), "unknown")
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    return web.json_response({"code": code, "msg": "told to fail"}, status=fault.status, headers=headers)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # nobody receives it
