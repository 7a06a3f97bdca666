"""Who may speak to us: every way in which a request is not LiveKit's, and the few in which it is."""

import json
import string
from collections.abc import Callable
from typing import Final

import jwt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dispatcher.core.events import Event
from dispatcher.core.facts import Room, RoomSid
from dispatcher.livekit.webhook import ApiKey, BadWebhook, Received, Rejected, Undecodable, receive, sign, verify
from tests.unit.livekit.forged import BODY, HEADER, KEY, NOW, SECRET, claims, segment, token

KEYS: Final = {KEY: ApiKey("default", SECRET)}
EVENT: Final = Event(
    id="EV_1",
    name="room_started",
    created_at=NOW * 1000,
    room=Room(sid=RoomSid("RM_1"), name="café <1>"),
)
TOKEN: Final = token(claims())
UNSIGNED: Final = {"alg": "none", "typ": "JWT"}


def reason(body: bytes, authorization: str | None, now: int = NOW * 1000) -> str:
    """Why it is rejected; "" when it is not."""
    try:
        receive(body, verify(authorization, KEYS, now))
    except BadWebhook as bad:
        return bad.reason
    return ""


def test_what_livekit_signs_is_received() -> None:
    """A signed body is the event it holds, with its project, its key and how far our clock is from LiveKit's."""
    assert receive(BODY, verify(TOKEN, KEYS, NOW * 1000 + 250)) == Received("default", KEY, EVENT, 250)


@pytest.mark.parametrize(
    "around",
    ["{}", "Bearer {}", "bearer {}", "BEARER  {}", " {} ", "\tBearer\t{}\r\n"],
)
def test_s3_a_token_is_accepted_bare_or_as_bearer(around: str) -> None:
    """The header may hold the token as LiveKit sends it, or as everybody else does."""
    assert reason(BODY, around.format(TOKEN)) == ""


def rewritten(change: Callable[[bytes], bytes]) -> bytes:
    """The body as a proxy passes it on; different from what was signed."""
    body = change(BODY)
    assert body != BODY
    return body


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda body: json.dumps(json.loads(body)).encode(), id="dumped again"),
        pytest.param(lambda body: json.dumps(json.loads(body), ensure_ascii=False).encode(), id="dumped as UTF-8"),
        pytest.param(lambda body: json.dumps(json.loads(body), sort_keys=True).encode(), id="keys sorted"),
        pytest.param(lambda body: body.replace(b", ", b","), id="spaces gone"),
        pytest.param(lambda body: body.replace(b"<", b"\\u003c"), id="escaped"),
        pytest.param(lambda body: body.replace("é".encode(), "e\u0301".encode()), id="normalised"),
        pytest.param(lambda body: body.decode().encode("utf-16"), id="another encoding"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="BOM"),
        pytest.param(lambda body: body + b"\n", id="newline"),
        pytest.param(lambda body: body[:-1], id="truncated"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda body: body.replace(b"RM_1", b"RM_2"), id="another room"),
    ],
)
def test_s1_a_body_that_was_not_signed_is_rejected(change: Callable[[bytes], bytes]) -> None:
    """Whatever a proxy does to the body, however little it means, the hash no longer holds."""
    assert reason(rewritten(change), TOKEN) == Rejected.HASH_MISMATCH


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-600_000, Rejected.NOT_YET_VALID),
        (-61_000, Rejected.NOT_YET_VALID),
        (-60_001, Rejected.NOT_YET_VALID),
        (-60_000, ""),
        (-59_000, ""),
        (0, ""),
        (15_000, ""),  # LiveKit's last try has the first one's token
        (59_000, ""),
        (60_000, ""),
        (61_000, ""),
        (300_000, ""),
        (300_000 + 59_000, ""),
        (300_000 + 59_999, ""),
        (300_000 + 60_000, Rejected.EXPIRED),
        (300_000 + 61_000, Rejected.EXPIRED),
        (600_000, Rejected.EXPIRED),
    ],
)
def test_s4_clocks_may_differ_by_a_minute(offset: int, expected: str) -> None:
    """Accepted from a minute before the token is made until a minute after it ends, to the millisecond."""
    assert reason(BODY, TOKEN, NOW * 1000 + offset) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"nbf": NOW + 60}, ""),
        ({"nbf": NOW + 61}, Rejected.NOT_YET_VALID),
        ({"nbf": None}, ""),
        ({"iat": None}, ""),
        ({"iat": None, "nbf": NOW + 60}, ""),
        ({"iat": None, "nbf": NOW + 61}, Rejected.NOT_YET_VALID),
        ({"iat": None, "nbf": None}, ""),
        ({"iat": None, "nbf": None, "exp": NOW + 360}, ""),
        ({"iat": None, "nbf": None, "exp": NOW + 361}, Rejected.NOT_YET_VALID),
        ({"iat": NOW + 61}, Rejected.NOT_YET_VALID),
        ({"exp": NOW - 59}, ""),
        ({"exp": NOW - 60}, Rejected.EXPIRED),
        ({"exp": 0}, Rejected.EXPIRED),
    ],
)
def test_s4_each_time_in_the_token_counts(changed: dict[str, object], expected: str) -> None:
    """The later of `iat` and `nbf` begins the token's time, without both 300 s before `exp`; `exp` ends it."""
    assert reason(BODY, token(claims(**changed))) == expected


def test_s4_skew_is_our_clock_less_livekits() -> None:
    """A clock that is behind shows as a negative skew."""
    received = receive(BODY, verify(TOKEN, KEYS, NOW * 1000 - 4_500))

    assert isinstance(received, Received)
    assert received.skew == -4_500


@pytest.mark.parametrize("absent", [{"iat": None}, {"iat": None, "nbf": None}])
def test_a_token_of_a_server_before_1_13_has_its_skew_too(absent: dict[str, object]) -> None:
    """It comes from `nbf`, else from LiveKit's lifetime of 300 s before `exp`."""
    received = receive(BODY, verify(token(claims(**absent)), KEYS, NOW * 1000 + 4_500))

    assert isinstance(received, Received)
    assert received.skew == 4_500


PEM: Final = "-----BEGIN PUBLIC KEY-----\neA==\n-----END PUBLIC KEY-----\n"
JWK: Final = '{"kty":"oct","k":"eA"}'
OLD: Final = ApiKey("sales", "the-old-secret")
NEW: Final = ApiKey("sales", "the-new-secret")
OTHER: Final = ApiKey("support", "another-project's-secret")
BOTH: Final = {"old": OLD, "new": NEW, "other": OTHER}


@pytest.mark.parametrize(
    ("key", "secret", "project"),
    [("old", OLD.secret, "sales"), ("new", NEW.secret, "sales"), ("other", OTHER.secret, "support")],
)
def test_s5_each_key_signs_for_its_project(key: str, secret: str, project: str) -> None:
    """Old and new key are accepted side by side, and the event belongs to the project whose key signed it."""
    received = receive(BODY, verify(token(claims(iss=key), secret=secret), BOTH, NOW * 1000))

    assert received == Received(project, key, EVENT, 0)


@pytest.mark.parametrize(
    ("keys", "key", "secret", "expected"),
    [
        ({"new": NEW}, "old", OLD.secret, Rejected.UNKNOWN_KEY),
        ({}, "new", NEW.secret, Rejected.UNKNOWN_KEY),
        (BOTH, "NEW", NEW.secret, Rejected.UNKNOWN_KEY),
        (BOTH, "new", OLD.secret, Rejected.BAD_SIGNATURE),
        (BOTH, "other", NEW.secret, Rejected.BAD_SIGNATURE),
        ({"empty": ApiKey("sales", "")}, "empty", "", Rejected.UNUSABLE_SECRET),
        ({"pem": ApiKey("sales", PEM)}, "pem", PEM, Rejected.UNUSABLE_SECRET),
        ({"jwk": ApiKey("sales", JWK)}, "jwk", JWK, Rejected.UNUSABLE_SECRET),
    ],
)
def test_s5_no_key_signs_for_another(keys: dict[str, ApiKey], key: str, secret: str, expected: str) -> None:
    """A removed key is unknown, each key has its own secret, and one that is no secret signs nothing."""
    with pytest.raises(BadWebhook) as rejected:
        receive(BODY, verify(token(claims(iss=key), secret=secret), keys, NOW * 1000))

    assert rejected.value.reason == expected


JOIN: Final = {"iss": KEY, "exp": NOW + 300, "nbf": NOW, "sub": "alice", "video": {"room": "r", "roomJoin": True}}
FORGED: dict[str, tuple[str | None, Rejected]] = {
    "no header": (None, Rejected.NO_TOKEN),
    "empty header": ("", Rejected.NO_TOKEN),
    "blank header": (" \t", Rejected.NO_TOKEN),
    "bearer of nothing": ("Bearer ", Rejected.NO_TOKEN),
    "two tokens": (f"{TOKEN} {TOKEN}", Rejected.MALFORMED_TOKEN),
    "another scheme": (f"Basic {TOKEN}", Rejected.MALFORMED_TOKEN),
    "bearer twice": (f"Bearer Bearer {TOKEN}", Rejected.MALFORMED_TOKEN),
    "not a token": ("secret", Rejected.MALFORMED_TOKEN),
    "empty parts": ("..", Rejected.MALFORMED_TOKEN),
    "two parts": (TOKEN.rpartition(".")[0], Rejected.MALFORMED_TOKEN),
    "four parts": (f"{TOKEN}.e30", Rejected.MALFORMED_TOKEN),
    "not ASCII": (f"{TOKEN}é", Rejected.MALFORMED_TOKEN),
    "a lone surrogate": (f"{TOKEN}\udcff", Rejected.MALFORMED_TOKEN),
    "not base64": (TOKEN.replace(".", ".!"), Rejected.MALFORMED_TOKEN),
    "header is no JSON": (token(claims(), header=b"{"), Rejected.MALFORMED_TOKEN),
    "header is a list": (token(claims(), header=b"[]"), Rejected.MALFORMED_TOKEN),
    "header is deep": (token(claims(), header=b"[" * 10_000), Rejected.MALFORMED_TOKEN),
    "payload is no JSON": (token(b"{"), Rejected.MALFORMED_TOKEN),
    "payload is empty": (token(b""), Rejected.MALFORMED_TOKEN),
    "payload is deep": (token(b'{"aud":' + b"[" * 10_000), Rejected.MALFORMED_TOKEN),
    "payload is not UTF-8": (token(b'{"iss":"\xff"}'), Rejected.MALFORMED_TOKEN),
    "payload is a list": (token(b"[]"), Rejected.BAD_CLAIM),
    "alg none": (token(claims(), header=UNSIGNED), Rejected.WRONG_ALGORITHM),
    "alg none, no signature": (f"{segment(UNSIGNED)}.{segment(claims())}.", Rejected.WRONG_ALGORITHM),
    "alg None": (token(claims(), header={"alg": "None"}), Rejected.WRONG_ALGORITHM),
    "alg absent": (token(claims(), header={"typ": "JWT"}), Rejected.WRONG_ALGORITHM),
    "alg null": (token(claims(), header={"alg": None}), Rejected.WRONG_ALGORITHM),
    "alg a list": (token(claims(), header={"alg": ["HS256"]}), Rejected.WRONG_ALGORITHM),
    "alg hs256": (token(claims(), header={"alg": "hs256"}), Rejected.WRONG_ALGORITHM),
    "HS384": (token(claims(), header={"alg": "HS384"}, algorithm="sha384"), Rejected.WRONG_ALGORITHM),
    "HS512": (token(claims(), header={"alg": "HS512"}, algorithm="sha512"), Rejected.WRONG_ALGORITHM),
    "RS256": (token(claims(), header={"alg": "RS256"}), Rejected.WRONG_ALGORITHM),
    "HS256 over SHA-512": (token(claims(), algorithm="sha512"), Rejected.BAD_SIGNATURE),
    "no signature": (TOKEN.rpartition(".")[0] + ".", Rejected.BAD_SIGNATURE),
    "another's signature": (TOKEN.rpartition(".")[0] + "." + token({}).rpartition(".")[2], Rejected.BAD_SIGNATURE),
    "another secret": (token(claims(), secret="guessed"), Rejected.BAD_SIGNATURE),
    "empty secret": (token(claims(), secret=""), Rejected.BAD_SIGNATURE),
    "its own key, jwk": (
        token(claims(), header=HEADER | {"jwk": {"kty": "oct", "k": "Z3Vlc3NlZA"}}, secret="guessed"),
        Rejected.BAD_SIGNATURE,
    ),
    "its own key, jku": (
        token(claims(), header=HEADER | {"jku": "https://evil.example/keys"}, secret="guessed"),
        Rejected.BAD_SIGNATURE,
    ),
    "its own key, kid": (token(claims(), header=HEADER | {"kid": "other"}, secret="guessed"), Rejected.BAD_SIGNATURE),
    "kid not a string": (token(claims(), header=HEADER | {"kid": 5}), Rejected.MALFORMED_TOKEN),
    "crit": (token(claims(), header=HEADER | {"crit": ["exp"], "exp": 1}), Rejected.MALFORMED_TOKEN),
    "crit empty": (token(claims(), header=HEADER | {"crit": []}), Rejected.MALFORMED_TOKEN),
    "b64 false": (token(claims(), header=HEADER | {"b64": False, "crit": ["b64"]}), Rejected.MALFORMED_TOKEN),
    "b64 false, payload elsewhere": (
        token(b"", header=HEADER | {"b64": False, "crit": ["b64"]}),
        Rejected.MALFORMED_TOKEN,
    ),
    "unknown key": (token(claims(iss="other")), Rejected.UNKNOWN_KEY),
    "another's key in the header": (token(claims(iss="other"), header=HEADER | {"iss": KEY}), Rejected.UNKNOWN_KEY),
    "issuer given twice": (
        token(b'{"iss":"devkey","iss":"other","exp":1,"iat":1,"sha256":"x"}'),
        Rejected.UNKNOWN_KEY,
    ),
    "a token to join a room": (token(JOIN), Rejected.MISSING_CLAIM),
    "a token to join a room, with iat": (token(JOIN | {"iat": NOW}), Rejected.MISSING_CLAIM),
    "no iat, and too early by nbf": (token(claims(iat=None, nbf=NOW + 61)), Rejected.NOT_YET_VALID),
    "no iat, no nbf, and too early by exp": (
        token(claims(iat=None, nbf=None, exp=NOW + 361)),
        Rejected.NOT_YET_VALID,
    ),
    "no iat, and too old": (token(claims(iat=None, exp=NOW - 60)), Rejected.EXPIRED),
    "nothing claimed": (token({}), Rejected.MISSING_CLAIM),
    "no iss": (token(claims(iss=None)), Rejected.MISSING_CLAIM),
    "empty iss": (token(claims(iss="")), Rejected.MISSING_CLAIM),
    "no exp": (token(claims(exp=None)), Rejected.MISSING_CLAIM),
    "no sha256": (token(claims(sha256=None)), Rejected.MISSING_CLAIM),
    "empty sha256": (token(claims(sha256="")), Rejected.MISSING_CLAIM),
    "sha256 without padding": (token(claims(sha256=str(claims()["sha256"]).rstrip("="))), Rejected.HASH_MISMATCH),
    "sha256 in hex": (token(claims(sha256="ab" * 32)), Rejected.HASH_MISMATCH),
    "sha256 of another body": (token(claims(b"{}")), Rejected.HASH_MISMATCH),
    "sha256 not ASCII": (token(claims(sha256="é")), Rejected.HASH_MISMATCH),
    "an audience": (token(claims(aud="somebody")), Rejected.BAD_CLAIM),
    "audiences": (token(claims(aud=["somebody", KEY])), Rejected.BAD_CLAIM),
}
ILL_TYPED: Final[dict[str, tuple[object, ...]]] = {
    **dict.fromkeys(
        ("exp", "iat", "nbf"), (True, "1795251778", 1795251778.0, 1.5, -1, 10**16, 10**30, 10**4000, [], {})
    ),
    **dict.fromkeys(("iss", "sha256"), (True, 5, [KEY], {})),
}
FORGED |= {
    f"{claim} is {json.dumps(value):.40}": (token(claims() | {claim: value}), Rejected.BAD_CLAIM)
    for claim, values in ILL_TYPED.items()
    for value in (None, *values)
}


@pytest.mark.parametrize("forged", FORGED)
def test_s6_what_livekit_did_not_sign_is_rejected_by_name(forged: str) -> None:
    """Each forgery has its own reason, and no exception but ours."""
    authorization, expected = FORGED[forged]

    assert reason(BODY, authorization) == expected


def test_s6_an_empty_body_is_rejected_or_undecodable() -> None:
    """An empty body under another's token is a mismatch; signed by LiveKit it would only be undecodable."""
    assert reason(b"", TOKEN) == Rejected.HASH_MISMATCH
    assert isinstance(receive(b"", verify(token(claims(b"")), KEYS, NOW * 1000)), Undecodable)


def test_s7_a_repeated_request_is_the_same_event() -> None:
    """A captured request sent again within its time is verified again: that it is a repeat shows in its event id."""
    assert receive(BODY, verify(TOKEN, KEYS, NOW * 1000)) == receive(BODY, verify(TOKEN, KEYS, NOW * 1000))


@pytest.mark.parametrize("headers", [{"typ": "application/webhook"}, {"kid": KEY}, {"b64": True, "crit": ["b64"]}])
def test_headers_that_change_nothing_are_ignored(headers: dict[str, object]) -> None:
    """A header that we do not need, under a good signature, does no harm."""
    assert reason(BODY, token(claims(), header=HEADER | headers)) == ""


@pytest.mark.parametrize("secret", ["secret", "x", "0", "ключ", SECRET * 10])
def test_a_secret_of_any_length_signs_and_verifies_without_a_warning(secret: str) -> None:
    """Development servers have `secret`: it works, and (warnings are errors here) nothing is said about it."""
    signed = sign(BODY, key=KEY, secret=secret, now=NOW * 1000)

    assert receive(BODY, verify(signed, {KEY: ApiKey("default", secret)}, NOW * 1000)) == Received(
        "default", KEY, EVENT, 0
    )


@pytest.mark.parametrize("secret", ["", PEM, JWK])
def test_sign_refuses_a_secret_that_receive_refuses(secret: str) -> None:
    """A secret that is none gives no token."""
    with pytest.raises(BadWebhook, match="unusable_secret"):
        sign(BODY, key=KEY, secret=secret, now=NOW * 1000)


def test_pyjwt_itself_accepts_what_sign_makes() -> None:
    """The mirror's token is a plain JWT with LiveKit's claims."""
    signed = sign(BODY, key=KEY, secret=SECRET, now=NOW * 1000)

    options: jwt.types.Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    assert jwt.decode(signed, SECRET, algorithms=["HS256"], issuer=KEY, options=options) == claims()


@pytest.mark.parametrize("why", Rejected)
def test_a_rejection_names_its_reason_and_what_to_look_at(why: Rejected) -> None:
    """The text begins with the reason, which is a label, and goes on with a hint."""
    assert set(why.value) <= {*string.ascii_lowercase, "_"}
    assert str(BadWebhook(why)) == f"{why.value}: {why.hint}"
    assert len(why.hint) > 20


@pytest.mark.parametrize("forged", FORGED)
def test_a_rejection_tells_nothing_of_what_came_or_of_the_secret(forged: str) -> None:
    """Neither the text nor a chained exception holds the token, a claim or the secret."""
    authorization, expected = FORGED[forged]

    with pytest.raises(BadWebhook) as raised:
        receive(BODY, verify(authorization, KEYS, NOW * 1000))
    assert str(raised.value) == str(BadWebhook(expected))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_an_api_key_does_not_show_its_secret() -> None:
    """However it is printed, the secret stays out."""
    key = ApiKey("default", SECRET)

    assert SECRET not in f"{key} {key!r} {KEYS}"


@settings(deadline=None)
@given(at=st.integers(0, len(BODY) - 1), xor=st.integers(1, 255))
def test_any_other_byte_in_the_body_is_rejected(at: int, xor: int) -> None:
    """No byte of a signed body can be another one."""
    changed = bytearray(BODY)
    changed[at] ^= xor

    assert reason(bytes(changed), TOKEN) == Rejected.HASH_MISMATCH


@settings(deadline=None)
@given(at=st.integers(0, len(TOKEN) - 1), byte=st.integers(0, 255))
@example(at=len(TOKEN) - 1, byte=ord("="))
def test_any_other_byte_in_the_token_is_rejected(at: int, byte: int) -> None:
    """No byte of a token can be another one, not even one whose bits base64 ignores."""
    assume(chr(byte) != TOKEN[at])

    assert reason(BODY, TOKEN[:at] + chr(byte) + TOKEN[at + 1 :]) != ""


@settings(deadline=None)
@given(authorization=st.none() | st.text() | st.binary().map(lambda b: b.decode("latin-1")), body=st.binary())
def test_nothing_but_a_rejection_comes_of_noise(authorization: str | None, body: bytes) -> None:
    """Random bytes with random headers are rejected, and raise nothing else."""
    assert reason(body, authorization) in set(Rejected)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES: Final = st.sampled_from(["iss", "exp", "iat", "nbf", "sha256", "aud", "alg", "kid", "crit", "b64", "jwk", "typ"])


@settings(deadline=None)
@given(
    header=st.dictionaries(NAMES, JSON, max_size=2),
    changed=st.dictionaries(NAMES, JSON, max_size=2),
    body=st.binary() | st.just(BODY),
)
def test_a_well_signed_token_of_any_content_raises_nothing_foreign(
    header: dict[str, object],
    changed: dict[str, object],
    body: bytes,
) -> None:
    """Whatever a holder of the secret claims, the answer is an event, an undecodable one or a named reason."""
    assert reason(body, token(claims(body) | changed, header=HEADER | header)) in {"", *Rejected}
