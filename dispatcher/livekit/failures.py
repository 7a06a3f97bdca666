"""Why a call to LiveKit failed, and what that means: nothing happened, it may have, or it never will."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
)
from google.protobuf.message import DecodeError

from dispatcher.core.errors import DispatcherError
from dispatcher.livekit.answers import NoReply, TooLong


class Reason(StrEnum):
    """Why a call failed; also the `result` label of `livekit_request_seconds` (its success is "ok")."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # the connection was refused, or broke before the request was sent
    UNTRUSTED = "untrusted"  # its certificate is signed by nobody whom we trust, or for another name
    PROXY = "proxy"  # the proxy that HTTP_PROXY or HTTPS_PROXY names is not there, or refuses
    BROKEN = "broken"  # the connection broke after the request was sent, or a 200 is none of LiveKit's
    OVERSIZED = "oversized"  # a 200 longer than such answers ever are
    REDIRECTED = "redirected"  # 3xx: not followed
    LIMITED = "limited"  # 429
    SERVER = "server"  # 5xx, 408
    INVALID = "invalid"  # 400 and other 4xx
    NOT_FOUND = "not_found"  # 404
    UNAUTHORIZED = "unauthorized"  # 401, 403


class LiveKitError(DispatcherError):
    """A call failed; the subclass says what next. The text is the method and the reason: nothing foreign or secret."""

    def __init__(self, method: str, reason: Reason, *, retry_after: float | None = None, leads_to: str = "") -> None:
        super().__init__(f"{method}: {reason}")
        self.method = method
        self.reason = reason
        self.retry_after = retry_after  # seconds, as the server asked
        self.leads_to = leads_to  # where a redirect leads: scheme, host and port


class Unavailable(LiveKitError):
    """Nothing happened; the same call may succeed later."""


class Refused(LiveKitError):
    """Nothing happened, and the same call never will succeed (see `reason`)."""


class Unknown(LiveKitError):
    """It may have happened: only a look can tell."""


_BY_STATUS: Final[Mapping[int, Reason]] = {
    401: Reason.UNAUTHORIZED,
    403: Reason.UNAUTHORIZED,
    404: Reason.NOT_FOUND,
    408: Reason.SERVER,  # Twirp's deadline_exceeded: the node that hosts the room was slow
    429: Reason.LIMITED,
}
_BY_HUNDRED: Final[Mapping[int, Reason]] = {2: Reason.BROKEN, 3: Reason.REDIRECTED, 4: Reason.INVALID}
# What a failed call means. A read that fails has changed nothing; 404 is a room that closes: the next look says so.
READ: Final[Mapping[Reason, type[LiveKitError]]] = {
    **dict.fromkeys(Reason, Unavailable),
    **dict.fromkeys((Reason.INVALID, Reason.UNAUTHORIZED), Refused),
}
ACT: Final[Mapping[Reason, type[LiveKitError]]] = {
    **dict.fromkeys((Reason.UNREACHABLE, Reason.UNTRUSTED, Reason.PROXY, Reason.LIMITED), Unavailable),
    **dict.fromkeys((Reason.TIMEOUT, Reason.BROKEN, Reason.OVERSIZED, Reason.REDIRECTED, Reason.SERVER), Unknown),
    **dict.fromkeys((Reason.INVALID, Reason.NOT_FOUND, Reason.UNAUTHORIZED), Refused),
}
FOREIGN: Final = (NoReply, TooLong, ClientError, OSError, DecodeError)


def failure(error: Exception, method: str, verdicts: Mapping[Reason, type[LiveKitError]]) -> LiveKitError:
    """One of ours for a foreign error: of the class that says what it means for this kind of call."""
    reason = _reason(error)
    if isinstance(error, NoReply):
        return verdicts[reason](method, reason, retry_after=error.retry_after, leads_to=error.leads_to)
    return verdicts[reason](method, reason)


def _reason(error: Exception) -> Reason:
    match error:
        case NoReply(status=status):
            return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, Reason.SERVER)
        case TooLong():
            return Reason.OVERSIZED
        case ClientProxyConnectionError() | ClientHttpProxyError():
            return Reason.PROXY
        case ClientConnectorCertificateError():
            return Reason.UNTRUSTED
        case ClientConnectorError():
            return Reason.UNREACHABLE
        case TimeoutError():
            return Reason.TIMEOUT
        case _:
            return Reason.BROKEN
