"""Bytes and the Authorization header in, an event out: verified first, then read without trusting its shape.

No IO and no clock here: the instant is an argument. What is not signed is `BadWebhook`, with a reason; what is signed
but cannot be read is `Unreadable`, as refusing it would change nothing. The body is protojson: defaults are left out,
null means the default, 64-bit integers are strings, enums names or numbers. Only the fields below are ever decoded, so
that `turnPassword` goes no further than the bytes.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self, TypeAlias

import msgspec
from jwt import InvalidAlgorithmError, InvalidKeyError, InvalidSignatureError, PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm
from livekit.protocol.models import DisconnectReason, ParticipantInfo
from msgspec import Meta, Struct, field

from dispatcher.core.events import HEARD, ROOM_FINISHED, ROOM_STARTED, Event, Ms, Participant, Room, RoomSid

HS256: Final = "HS256"
LEEWAY_S: Final = 60  # clocks may differ by as much; LiveKit's own verifiers allow the same
LIFETIME_S: Final = 300  # of the token that LiveKit makes for a webhook (docs/livekit.md §1.1)


class Rejected(StrEnum):
    """Why a request is not a webhook of ours, and what to look at. Bounded: a metric's label, a log's reason."""

    hint: str

    def __new__(cls, value: str, hint: str) -> Self:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.hint = hint
        return reason

    NO_TOKEN = "no_token", "the Authorization header is absent or empty; LiveKit always sends one"
    MALFORMED_TOKEN = "malformed_token", "the Authorization header is neither a JWT nor `Bearer` and a JWT"
    WRONG_ALGORITHM = "wrong_algorithm", "LiveKit signs with HS256, and nothing else is accepted"
    MISSING_CLAIM = "missing_claim", "iss, exp, iat or sha256 is absent; is it a token to join a room?"
    BAD_CLAIM = "bad_claim", "a claim has the wrong type or range, or the token is meant for an audience"
    UNKNOWN_KEY = "unknown_key", "signed with an API key that no project here has"
    UNUSABLE_SECRET = "unusable_secret", "the API key's secret here is empty, or itself a PEM, SSH or JWK key"
    BAD_SIGNATURE = "bad_signature", "the API key is known, but the secret configured for it is another one"
    NOT_YET_VALID = "not_yet_valid", "made in the future: this machine's clock is over 60 s behind LiveKit's"
    EXPIRED = "expired", "over 60 s past its end: an old request, or this machine's clock is ahead of LiveKit's"
    HASH_MISMATCH = "hash_mismatch", "not the body that was signed; does a proxy or a framework rewrite it?"


class BadWebhook(Exception):
    """The request cannot be trusted. Its text is the reason and a hint, never any of the token or the body."""

    def __init__(self, reason: Rejected) -> None:
        super().__init__(f"{reason}: {reason.hint}")
        self.reason = reason


class ApiKey(Struct, frozen=True):
    """What an API key stands for: the project that has it, and the secret it signs with."""

    project: str
    secret: str

    def __repr__(self) -> str:
        """The project alone: a secret reaches no log (law 11)."""
        return f"ApiKey(project={self.project!r})"


class Received(Struct, frozen=True):
    """A verified event of `project`, signed with API key `key`. `skew`: `now` less its instant of signing, ± 1 s."""

    project: str
    key: str
    event: Event
    skew: Ms


class Unreadable(Struct, frozen=True):
    """Signed with the project's `key`, but not an event we can read. `why` names places and types, never content."""

    project: str
    key: str
    why: str


def receive(body: bytes, authorization: str | None, keys: Mapping[str, ApiKey], now: Ms) -> Received | Unreadable:
    """The event, if exactly these bytes were signed with one of `keys`, and iat - 60 s <= now < exp + 60 s.

    `authorization` is the token, bare as LiveKit sends it or after `Bearer`; `keys` go by their API key.
    An event of HEARD has its room's SID and, if it is about a participant, that one's SID and identity.
    Raises BadWebhook, and nothing else, whatever the input.
    """
    token = _token(authorization)
    claims = _claims(token)  # not to be trusted before _verify: until then they only choose the key
    key = keys.get(claims.iss)
    if key is None:
        raise BadWebhook(Rejected.UNKNOWN_KEY)
    _verify(token, key.secret)
    _check_times(claims, now)
    if not hmac.compare_digest(_hash(body).encode(), claims.sha256.encode()):
        raise BadWebhook(Rejected.HASH_MISMATCH)
    try:
        event = _read(body)
    except (ValueError, RecursionError) as error:  # all that msgspec, UTF-8 and _read itself have to say
        return Unreadable(key.project, claims.iss, str(error))
    return Received(key.project, claims.iss, event, now - claims.iat * 1000)


def sign(body: bytes, *, key: str, secret: str, now: Ms) -> str:
    """The Authorization header that LiveKit would send with `body` at `now`, byte for byte.

    Raises BadWebhook(UNUSABLE_SECRET) where `receive` would.
    """
    iat = now // 1000
    claims = {"iss": key, "exp": iat + LIFETIME_S, "nbf": iat, "iat": iat, "sha256": _hash(body)}
    try:
        return _JWS.encode(msgspec.json.encode(claims), secret, algorithm=HS256)
    except InvalidKeyError:
        raise BadWebhook(Rejected.UNUSABLE_SECRET) from None


# ---- the token


class _AnyLength(HMACAlgorithm):
    """HMAC without PyJWT's warning about short secrets, which development servers have."""

    def check_key_length(self, key: bytes) -> None:
        """Every length is the operator's choice."""


_JWS: Final = PyJWS(algorithms=[])  # HS256 is all it knows: no header can ask it for anything else
_JWS.register_algorithm(HS256, _AnyLength(_AnyLength.SHA256))
_UNVERIFIED: Final[Mapping[type[PyJWTError], Rejected]] = {
    InvalidAlgorithmError: Rejected.WRONG_ALGORITHM,
    InvalidKeyError: Rejected.UNUSABLE_SECRET,
    InvalidSignatureError: Rejected.BAD_SIGNATURE,
}

_Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=10**15)]  # 1000 times it stays within 64 bits


class _Claims(Struct, frozen=True):
    """The claims we judge; -1 and "" say that a required one is absent."""

    iss: str = ""
    exp: _Seconds = -1
    iat: _Seconds = -1
    nbf: _Seconds = 0
    sha256: str = ""
    aud: Any = None


_claims_decoder: Final = msgspec.json.Decoder(_Claims)


def _token(authorization: str | None) -> str:
    words = (authorization or "").split()
    if words and words[0].lower() == "bearer":
        words = words[1:]
    if not words:
        raise BadWebhook(Rejected.NO_TOKEN)
    if len(words) > 1:
        raise BadWebhook(Rejected.MALFORMED_TOKEN)
    return words[0]


def _claims(token: str) -> _Claims:
    try:
        claims = _claims_decoder.decode(_JWS.decode_complete(token, options={"verify_signature": False})["payload"])
    except msgspec.ValidationError:
        raise BadWebhook(Rejected.BAD_CLAIM) from None
    except (PyJWTError, ValueError, RecursionError):
        raise BadWebhook(Rejected.MALFORMED_TOKEN) from None
    if not claims.iss or not claims.sha256 or claims.exp < 0 or claims.iat < 0:
        raise BadWebhook(Rejected.MISSING_CLAIM)
    if claims.aud:  # whoever it is meant for: LiveKit names nobody
        raise BadWebhook(Rejected.BAD_CLAIM)
    return claims


def _verify(token: str, secret: str) -> None:
    try:
        _JWS.decode_complete(token, secret, algorithms=[HS256])
    except PyJWTError as error:
        raise BadWebhook(_UNVERIFIED.get(type(error), Rejected.MALFORMED_TOKEN)) from None


def _check_times(claims: _Claims, now: Ms) -> None:
    """PyJWT judges times too, but by a clock of its own."""
    if now < (max(claims.iat, claims.nbf) - LEEWAY_S) * 1000:
        raise BadWebhook(Rejected.NOT_YET_VALID)
    if now >= (claims.exp + LEEWAY_S) * 1000:
        raise BadWebhook(Rejected.EXPIRED)


def _hash(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()


# ---- the body. Each name of two words is there twice: a reader of protojson takes camel case and the proto's own.

_Needed: TypeAlias = Annotated[str, Meta(min_length=1)]
_Time: TypeAlias = Annotated[int, Meta(ge=-(10**15), le=10**15)] | None  # 1000 times it stays within 64 bits
_Enum: TypeAlias = int | str | None


class _Room(Struct):
    name: _Needed
    sid: str | None = None
    metadata: str | None = None
    started: _Time = field(default=None, name="creationTime")
    started_ms: _Time = field(default=None, name="creationTimeMs")
    creation_time: _Time = None
    creation_time_ms: _Time = None

    def core(self) -> Room:
        created_at = self.started_ms or self.creation_time_ms or (self.started or self.creation_time or 0) * 1000
        return Room(sid=RoomSid(self.sid or ""), name=self.name, metadata=self.metadata or "", created_at=created_at)


class _Permission(Struct):
    hidden: bool | None = None


class _Participant(Struct):
    sid: str | None = None
    identity: str | None = None
    name: str | None = None
    kind: _Enum = None
    state: _Enum = None
    metadata: str | None = None
    attributes: dict[str, str] | None = None
    permission: _Permission | None = None
    publisher: bool | None = field(default=None, name="isPublisher")
    is_publisher: bool | None = None
    joined: _Time = field(default=None, name="joinedAt")
    joined_ms: _Time = field(default=None, name="joinedAtMs")
    joined_at: _Time = None
    joined_at_ms: _Time = None
    reason: _Enum = field(default=None, name="disconnectReason")
    disconnect_reason: _Enum = None

    def core(self) -> Participant:
        return Participant(
            sid=self.sid or "",
            identity=self.identity or "",
            kind=_named(_KINDS, self.kind),
            name=self.name or "",
            active=_named(_STATES, self.state) == "ACTIVE",
            hidden=bool(self.permission and self.permission.hidden),
            publisher=bool(self.publisher or self.is_publisher),
            joined_at=self.joined_ms or self.joined_at_ms or (self.joined or self.joined_at or 0) * 1000,
            metadata=self.metadata or "",
            attributes=self.attributes or {},
            disconnect_reason=_named(_REASONS, self.reason or self.disconnect_reason),
        )


class _Event(Struct):
    id: _Needed
    event: _Needed
    created: _Time = field(default=None, name="createdAt")
    created_at: _Time = None
    room: _Room | None = None
    participant: _Participant | None = None


_ABOUT_SOMEBODY: Final = HEARD - {ROOM_STARTED, ROOM_FINISHED}
_event_decoder: Final = msgspec.json.Decoder(_Event, strict=False)  # lax as protojson: numbers may be strings


def _read(body: bytes) -> Event:
    wire = _event_decoder.decode(body.decode())
    room = wire.room.core() if wire.room else None
    participant = wire.participant.core() if wire.participant else None
    if wire.event in HEARD and not (room and room.sid):
        raise ValueError("no room SID")
    if wire.event in _ABOUT_SOMEBODY and not (participant and participant.sid and participant.identity):
        raise ValueError("no participant SID and identity")
    created_at = (wire.created or wire.created_at or 0) * 1000
    return Event(id=wire.id, name=wire.event, created_at=created_at, room=room, participant=participant)


def _names(values: Iterable[tuple[str, int]], default: str) -> Mapping[_Enum, str]:
    """Every spelling of an enum's values, as name or number, to the name; `default` where it is the zero or absent."""
    names: dict[_Enum, str] = {spelt: name for name, number in values for spelt in (name, number, str(number))}
    return names | dict.fromkeys(("", None, 0, "0", names[0]), default)


_KINDS: Final = _names(ParticipantInfo.Kind.items(), "STANDARD")
_STATES: Final = _names(ParticipantInfo.State.items(), "JOINING")
_REASONS: Final = _names(DisconnectReason.items(), "")


def _named(names: Mapping[_Enum, str], value: _Enum) -> str:
    return names.get(value, str(value))
