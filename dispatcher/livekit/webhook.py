"""Verifies a webhook: from the Authorization header to who signed it, then from the body to an event.

Two steps, since the first costs little and comes before anything of the body is read: `verify` makes sure that somebody
who has a key signed a body with this hash, `receive` that this is the body, and reads it without trusting its shape. No
IO and no clock here: the instant is an argument. What is not signed is `BadWebhook`, with a reason; what is signed but
cannot be read is `Undecodable`, as refusing it would change nothing.
"""

import hashlib
import hmac
import warnings
from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self, TypeAlias

import msgspec
from jwt import InvalidAlgorithmError, InvalidKeyError, InvalidSignatureError, PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm
from jwt.warnings import InsecureKeyLengthWarning
from msgspec import Meta, Struct

from dispatcher.core.errors import DispatcherError
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.livekit.webhook_body import read

HS256: Final = "HS256"
LEEWAY_S: Final = 60  # clocks may differ by as much; LiveKit's own verifiers allow the same
KEY_SHOWN: Final = 6  # characters; LiveKit's keys are `API` and twelve more
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
    MISSING_CLAIM = "missing_claim", "iss, exp or sha256 is absent; is it a token to join a room?"
    BAD_CLAIM = "bad_claim", "a claim has the wrong type or range, or the token is meant for an audience"
    UNKNOWN_KEY = "unknown_key", "signed with an API key that no project here has"
    UNUSABLE_SECRET = "unusable_secret", "the API key's secret here is empty, or itself a PEM, SSH or JWK key"
    BAD_SIGNATURE = "bad_signature", "the API key is known, but the secret configured for it is another one"
    NOT_YET_VALID = "not_yet_valid", "made in the future: this machine's clock is over 60 s behind LiveKit's"
    EXPIRED = "expired", "over 60 s past its end: an old request, or this machine's clock is ahead of LiveKit's"
    HASH_MISMATCH = "hash_mismatch", "not the body that was signed; does a proxy or a framework rewrite it?"


class BadWebhook(DispatcherError):
    """The sender cannot be trusted. The text is the reason and a hint, and nothing of the token or the body."""

    def __init__(self, reason: Rejected, key: str = "") -> None:
        super().__init__(f"{reason}: {reason.hint}")
        self.reason = reason
        self.key = key_shown(key)  # the beginning of the API key that the token names, true or not


class ApiKey(Struct, frozen=True):
    """What an API key stands for: the project that has it, and the secret it signs with."""

    project: str
    secret: str

    def __repr__(self) -> str:
        """The project alone: a secret reaches no log (law 11)."""
        return f"ApiKey(project={self.project!r})"


class Signed(Struct, frozen=True):
    """Somebody who has `project`'s API key `key` signed a body with this hash.

    `skew`: our clock less the instant of signing, ± 1 s.
    """

    project: str
    key: str
    sha256: str
    skew: Ms


class Received(Struct, frozen=True):
    """A verified event of `project`, signed with API key `key`. `skew`: as of `Signed`."""

    project: str
    key: str
    event: Event
    skew: Ms


class Undecodable(Struct, frozen=True):
    """Signed with the project's `key`, but not an event we can read. `why` names places and types, never content."""

    project: str
    key: str
    why: str


def verify(authorization: str | None, keys: Mapping[str, ApiKey], now: Ms) -> Signed:
    """Find out who signed which body, with one of `keys`, not over 60 s ago by `exp` or in 60 s or more.

    `authorization` is the token, bare as LiveKit sends it or after `Bearer`; `keys` go by their API key.
    Raises BadWebhook, and nothing else, whatever the input.
    """
    token = _token(authorization)
    claims = _claims(token)  # not to be trusted before _check_signature: until then they only choose the key
    key = keys.get(claims.iss)
    if key is None:
        raise BadWebhook(Rejected.UNKNOWN_KEY, claims.iss)
    check_signature(token, claims.iss, key.secret)
    _check_times(claims, now)
    return Signed(key.project, claims.iss, claims.sha256, now - claims.signed_at * 1000)


def receive(body: bytes, signed: Signed) -> Received | Undecodable:
    """Read the event, if exactly these bytes were signed.

    An event of HEARD has its room's SID and, if it is about a participant, that one's SID and identity.
    Raises BadWebhook(HASH_MISMATCH), and nothing else, whatever the input.
    """
    if not hmac.compare_digest(_hash(body).encode(), signed.sha256.encode()):
        raise BadWebhook(Rejected.HASH_MISMATCH, signed.key)
    try:
        event = read(body)
    except (ValueError, RecursionError) as error:  # all that msgspec, UTF-8 and `read` itself have to say
        return Undecodable(signed.project, signed.key, str(error))
    return Received(signed.project, signed.key, event, signed.skew)


def claimed_key(authorization: str | None) -> str | None:
    """The API key that a webhook's token names, whether it is signed or not; None: it is no webhook's token."""
    try:
        return _claims(_token(authorization)).iss
    except BadWebhook:
        return None


def key_shown(key: str) -> str:
    """The beginning of an API key, by which whoever has its list knows it again."""
    return key if len(key) <= KEY_SHOWN else f"{key[:KEY_SHOWN]}…"


def sign(body: bytes, *, key: str, secret: str, now: Ms, iat: bool = True) -> str:
    """The Authorization header that LiveKit would send with `body` at `now`, byte for byte.

    Without `iat` it is the header of a livekit-server before 1.13.0.
    Raises BadWebhook(UNUSABLE_SECRET) where `verify` would.
    """
    seconds = now // 1000
    times = {"exp": seconds + LIFETIME_S, "nbf": seconds} | ({"iat": seconds} if iat else {})
    claims = {"iss": key, **times, "sha256": _hash(body)}
    try:
        return signed(claims, secret)
    except InvalidKeyError:
        raise BadWebhook(Rejected.UNUSABLE_SECRET) from None


def signed(claims: Mapping[str, object], secret: str) -> str:
    """A token that claims this; the same each time. Raises PyJWT's InvalidKeyError: nothing can be signed with it."""
    return _JWS.encode(msgspec.json.encode(claims), secret, algorithm=HS256)


def quiet_short_secrets() -> None:
    """Keep PyJWT from warning of short secrets, at each token that livekit-api makes: `check` and `doctor` do."""
    warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


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
    """The claims that we check; -1 and "" mean that a required one is absent."""

    iss: str = ""
    exp: _Seconds = -1
    iat: _Seconds = -1
    nbf: _Seconds = 0
    sha256: str = ""
    aud: Any = None

    @property
    def signed_at(self) -> int:
        """In seconds. Servers before 1.13.0 send no `iat`: there it is `nbf`, else what LiveKit's lifetime says."""
        if self.iat >= 0:
            return self.iat
        return self.nbf or self.exp - LIFETIME_S


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
        claims = _claims_decoder.decode(unverified(token))
    except msgspec.ValidationError:
        raise BadWebhook(Rejected.BAD_CLAIM) from None
    except (PyJWTError, ValueError, RecursionError):
        raise BadWebhook(Rejected.MALFORMED_TOKEN) from None
    if not claims.iss or not claims.sha256 or claims.exp < 0:
        raise BadWebhook(Rejected.MISSING_CLAIM)
    if claims.aud:  # whoever it is meant for: LiveKit names nobody
        raise BadWebhook(Rejected.BAD_CLAIM)
    return claims


def unverified(token: str) -> bytes:
    """The claims that a token makes, whoever signed it. Raises PyJWTError or ValueError."""
    claims: bytes = _JWS.decode_complete(token, options={"verify_signature": False})["payload"]
    return claims


def check_signature(token: str, key: str, secret: str) -> None:
    """The token is signed with the key's secret. Raises BadWebhook."""
    try:
        _JWS.decode_complete(token, secret, algorithms=[HS256])
    except PyJWTError as error:
        raise BadWebhook(_UNVERIFIED.get(type(error), Rejected.MALFORMED_TOKEN), key) from None


def _check_times(claims: _Claims, now: Ms) -> None:
    """PyJWT judges times too, but by a clock of its own."""
    if now < (max(claims.signed_at, claims.nbf) - LEEWAY_S) * 1000:
        raise BadWebhook(Rejected.NOT_YET_VALID, claims.iss)
    if now >= (claims.exp + LEEWAY_S) * 1000:
        raise BadWebhook(Rejected.EXPIRED, claims.iss)


def _hash(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()
