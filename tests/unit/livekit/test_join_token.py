"""Tokens that join a room: who signed them, what they grant, and why not."""

from collections.abc import Mapping

import jwt
import pytest

from dispatcher.livekit.join_token import BadJoinToken, JoinRejected, JoinSigner, read_join_token
from dispatcher.livekit.webhook import LEEWAY_S, ApiKey

SECRET = "a-secret-of-more-than-32-characters"
KEYS = {"APIone": ApiKey(project="eu", secret=SECRET), "APIbad": ApiKey(project="eu", secret="")}
NOW_S = 1_800_000_000
GRANT = {"roomJoin": True, "room": "lobby"}


def made(claims: Mapping[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with these claims beside the usual ones; None: without."""
    usual = {"iss": "APIone", "sub": "avatar", "exp": NOW_S + 60, "video": GRANT}
    kept = {name: value for name, value in (usual | dict(claims)).items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm)


@pytest.mark.parametrize(
    ("claims", "kind", "behalf", "of_agent"),
    [
        ({}, "", "", False),
        ({"kind": "agent"}, "AGENT", "", True),
        ({"kind": "sip"}, "SIP", "", False),
        ({"attributes": {"lk.publish_on_behalf": "agent-1"}}, "", "agent-1", True),
        ({"attributes": {"lk.publish_on_behalf": ""}}, "", "", False),
        ({"nbf": NOW_S + LEEWAY_S, "name": "anything", "metadata": "else"}, "", "", False),
    ],
)
def test_what_a_token_grants(claims: dict[str, object], kind: str, behalf: str, of_agent: bool) -> None:
    """Its room, its identity and whom it speaks for."""
    token = read_join_token(made(claims), KEYS, NOW_S * 1000)

    assert (token.project, token.room, token.identity) == ("eu", "lobby", "avatar")
    assert (token.kind, token.behalf, token.of_agent) == (kind, behalf, of_agent)
    assert token.expires_at == (NOW_S + 60) * 1000


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", JoinRejected.MALFORMED),
        ("a.b.c", JoinRejected.MALFORMED),
        (made({"exp": None}), JoinRejected.MALFORMED),
        (made({"exp": -1}), JoinRejected.MALFORMED),
        (made({"exp": 10**16}), JoinRejected.MALFORMED),
        (made({"video": {"roomJoin": 1, "room": "lobby"}}), JoinRejected.MALFORMED),
        (made({"attributes": {"a": 1}}), JoinRejected.MALFORMED),
        (made({}, SECRET * 2, "HS512"), JoinRejected.MALFORMED),
        (made({"iss": None}), JoinRejected.UNKNOWN_KEY),
        (made({"iss": "APIother"}), JoinRejected.UNKNOWN_KEY),
        (made({"iss": "APIbad"}), JoinRejected.BAD_SIGNATURE),  # whose secret here is empty: nobody can sign with it
        (made({}, SECRET[::-1]), JoinRejected.BAD_SIGNATURE),
        (made({"nbf": NOW_S + LEEWAY_S + 1}), JoinRejected.NOT_YET_VALID),
        (made({"exp": NOW_S}), JoinRejected.EXPIRED),
        (made({"video": None}), JoinRejected.NO_JOIN),
        (made({"video": {"roomJoin": False, "room": "lobby"}}), JoinRejected.NO_JOIN),
        (made({"video": {"roomJoin": True}}), JoinRejected.NO_JOIN),
        (made({"sub": ""}), JoinRejected.NO_IDENTITY),
    ],
)
def test_why_a_token_lets_nobody_in(token: str, reason: JoinRejected) -> None:
    """The error says why, and holds nothing of the token."""
    with pytest.raises(BadJoinToken) as caught:
        read_join_token(token, KEYS, NOW_S * 1000)

    assert caught.value.reason is reason
    assert not [part for part in token.split(".") if len(part) > 4 and part in str(caught.value)]
    assert caught.value.__cause__ is None


def test_two_tokens_have_one_fingerprint_if_they_are_the_same() -> None:
    """It is no token, and gives none away."""
    first, other = made({}), made({"name": "other"})
    prints = [read_join_token(one, KEYS, NOW_S * 1000).fingerprint for one in (first, first, other)]

    assert prints[0] == prints[1] != prints[2]


SIGNER = JoinSigner("APIone", SECRET)
ASKED_AT = NOW_S * 1000 + 123


def to_launch(started_at: int = ASKED_AT, identity: str = "avatar-1") -> str:
    """The token of an attempt that began then."""
    return SIGNER.to_launch("lobby", identity, launcher="avatar", tag="a:tag", started_at=started_at)


def test_the_same_attempt_has_the_same_token_for_an_hour() -> None:
    """Whoever asks again, in another process or with another ledger, asks for what runs."""
    hour = NOW_S * 1000 // 3_600_000 * 3_600_000

    assert len({to_launch(at) for at in (hour, hour + 1, hour + 3_599_999)}) == 1
    assert len({to_launch(), to_launch(hour + 3_600_000), to_launch(identity="avatar-2")}) == 3


@pytest.mark.parametrize("after", [0, 3_599_000])
def test_it_lets_its_agent_join_and_says_whose_it_is(after: int) -> None:
    """For an hour at least; the agent may say of itself that it is done."""
    signed = to_launch()
    token = read_join_token(signed, KEYS, ASKED_AT + after)
    claims = jwt.decode(signed, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})

    assert (token.project, token.room, token.identity, token.of_agent) == ("eu", "lobby", "avatar-1", True)
    assert claims["attributes"] == {"dispatcher.assignment": "a:tag", "dispatcher.launcher": "avatar"}
    assert claims["video"] == {"roomJoin": True, "room": "lobby", "canUpdateOwnMetadata": True}


def test_a_token_to_stop_shows_whose_the_launch_is_for_a_minute() -> None:
    """It is no longer needed then."""
    signed = SIGNER.to_stop("lobby", "avatar-1", ASKED_AT)

    assert read_join_token(signed, KEYS, ASKED_AT).identity == "avatar-1"
    with pytest.raises(BadJoinToken, match="expired"):
        read_join_token(signed, KEYS, ASKED_AT + 60_000)


def test_law_11_a_signer_shows_nothing_of_its_secret() -> None:
    """Printed, it is what it is."""
    assert SECRET not in repr(SIGNER)
