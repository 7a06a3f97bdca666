"""Verifies a token to join a room: which project signed it, for which room, and who joins with it. And its mirror.

Whoever holds such a token can join already; here it proves that its holder may have a process started that does. No IO
and no clock: the instant is an argument. Nothing of a token is in an error.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import msgspec
from jwt import PyJWTError
from msgspec import Meta, Struct, field

from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import AGENT, LAUNCHER, TAG, Ms
from dispatcher.livekit.webhook import LEEWAY_S, ApiKey, BadWebhook, Rejected, check_signature, signed, unverified

ON_BEHALF: Final = "lk.publish_on_behalf"  # the attribute of an avatar: the identity of the agent that it speaks for


_HOUR: Final = 3_600
_MINUTE: Final = 60


class JoinRejected(StrEnum):
    """Why a token lets nobody join. Bounded: a log's reason."""

    MALFORMED = "malformed_token"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    NO_JOIN = "no_room_join"
    NO_IDENTITY = "no_identity"


_SAYS: Final[Mapping[JoinRejected, str]] = {
    JoinRejected.MALFORMED: "it is no token of LiveKit's, signed with HS256, that has an end",
    JoinRejected.UNKNOWN_KEY: "it is signed with an API key that no project here has",
    JoinRejected.BAD_SIGNATURE: "it is not signed with the secret of its API key",
    JoinRejected.NOT_YET_VALID: "it is not valid yet: one of the clocks is wrong",
    JoinRejected.EXPIRED: "it has expired",
    JoinRejected.NO_JOIN: "it does not grant `roomJoin` for one room",
    JoinRejected.NO_IDENTITY: "it names no identity",
}


class BadJoinToken(DispatcherError):
    """The token lets nobody join a room of ours. The text says why, and holds nothing of the token."""

    def __init__(self, reason: JoinRejected) -> None:
        super().__init__(_SAYS[reason])
        self.reason = reason


class JoinToken(Struct, frozen=True, kw_only=True):
    """Who holds it can join `room` of `project` as `identity`, until `expires_at`."""

    project: str
    room: str
    identity: str
    kind: str = ""  # as LiveKit's participants have it: AGENT, SIP, …; "" for a person
    behalf: str = ""  # the identity that it speaks for
    expires_at: Ms  # epoch
    fingerprint: str  # of the token: two have the same one if they are the same

    @property
    def of_agent(self) -> bool:
        """Whether it was made for an agent, or for an avatar of one."""
        return self.kind == AGENT or bool(self.behalf)


_Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=10**15)]


class _Video(Struct, frozen=True, rename="camel"):
    room_join: bool = False
    room: str = ""


class _Claims(Struct, frozen=True):
    iss: str = ""
    sub: str = ""
    exp: _Seconds = -1
    nbf: _Seconds = 0
    video: _Video = _Video()
    kind: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


_DECODER: Final = msgspec.json.Decoder(_Claims)


def read_join_token(token: str, keys: Mapping[str, ApiKey], now: Ms) -> JoinToken:
    """What the token grants, by `keys` at `now`. A clock may be LEEWAY_S behind its beginning; its end is its end.

    Raises BadJoinToken.
    """
    claims = _read(token)
    key = keys.get(claims.iss)
    if key is None:
        raise BadJoinToken(JoinRejected.UNKNOWN_KEY)
    try:
        check_signature(token, claims.iss, key.secret)
    except BadWebhook as bad:
        forged = bad.reason in {Rejected.BAD_SIGNATURE, Rejected.UNUSABLE_SECRET}
        raise BadJoinToken(JoinRejected.BAD_SIGNATURE if forged else JoinRejected.MALFORMED) from None
    if now < (claims.nbf - LEEWAY_S) * 1000:
        raise BadJoinToken(JoinRejected.NOT_YET_VALID)
    if now >= claims.exp * 1000:
        raise BadJoinToken(JoinRejected.EXPIRED)
    if not claims.video.room_join or not claims.video.room:
        raise BadJoinToken(JoinRejected.NO_JOIN)
    if not claims.sub:
        raise BadJoinToken(JoinRejected.NO_IDENTITY)
    return JoinToken(
        project=key.project,
        room=claims.video.room,
        identity=claims.sub,
        kind=claims.kind.upper(),
        behalf=claims.attributes.get(ON_BEHALF, ""),
        expires_at=claims.exp * 1000,
        fingerprint=hashlib.sha256(token.encode()).hexdigest(),
    )


def _read(token: str) -> _Claims:
    try:
        claims = _DECODER.decode(unverified(token))
    except (PyJWTError, ValueError, RecursionError):  # msgspec's ValidationError is a ValueError
        raise BadJoinToken(JoinRejected.MALFORMED) from None
    if claims.exp < 0:
        raise BadJoinToken(JoinRejected.MALFORMED)
    return claims


class JoinSigner:
    """Signs tokens of agents that launchers start for a project. Nothing of its secret shows when it is printed."""

    def __init__(self, key: str, secret: str) -> None:
        self._key = key
        self._secret = secret

    def to_launch(self, room: str, identity: str, *, launcher: str, tag: str, started_at: Ms) -> str:
        """A token to join with, good for one to two hours: the same for whatever is asked within the same hour.

        So whoever asks a launcher once more, in another process or with another ledger, asks for what runs already.
        """
        began = started_at // 1000 // _HOUR * _HOUR
        return self._signed(room, identity, began, began + 2 * _HOUR, {TAG: tag, LAUNCHER: launcher})

    def to_stop(self, room: str, identity: str, now: Ms) -> str:
        """A token that shows whose a launch is."""
        began = now // 1000
        return self._signed(room, identity, began, began + _MINUTE, {})

    def _signed(self, room: str, identity: str, began: int, ends: int, attributes: Mapping[str, str]) -> str:
        video = {"roomJoin": True, "room": room, "canUpdateOwnMetadata": True}
        claims = {"iss": self._key, "sub": identity, "nbf": began, "exp": ends, "kind": AGENT.lower(), "video": video}
        return signed({**claims, "attributes": attributes}, self._secret)
