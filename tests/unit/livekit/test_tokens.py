"""Tokens are made once for each room, and used while they are young."""

from typing import Any

import jwt
import pytest
from livekit.api import AccessToken

from dispatcher.livekit import tokens
from dispatcher.livekit.tokens import GOOD_FOR_S, KEPT_MAX, USED_FOR_S, Tokens

KEY = "key"
SECRET = "a-secret-of-thirty-two-bytes-or-so"
JOINED_ONLY = {"canPublish", "canSubscribe", "canPublishData"}  # these mean nothing without `roomJoin`


class Clock:
    """It shows what it is set to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def claims(token: str) -> dict[str, Any]:
    """What the token says; its signature is right."""
    said: dict[str, Any] = jwt.decode(token, SECRET, ["HS256"])
    return said


def test_a_token_may_what_its_calls_need_and_no_more() -> None:
    """One lists rooms, the other is for one room; both end soon."""
    made = Tokens(KEY, SECRET)
    listing, room = claims(made.to_list_rooms()), claims(made.for_room("r"))
    assert listing["iss"] == room["iss"] == KEY
    assert listing["video"].keys() - JOINED_ONLY == {"roomList"}
    assert {grant: room["video"][grant] for grant in room["video"].keys() - JOINED_ONLY} == {
        "roomAdmin": True,
        "room": "r",
    }
    assert all(0 <= one["exp"] - one["nbf"] - GOOD_FOR_S <= 1 for one in (listing, room))


@pytest.mark.parametrize(
    ("passed", "again"),
    [(0.0, True), (USED_FOR_S - 1, True), (USED_FOR_S, False), (-1.0, False), (-86_400.0, False)],
    ids=["at once", "young", "old", "the clock has stepped back", "by a day"],
)
def test_a_young_token_is_used_again(monkeypatch: pytest.MonkeyPatch, passed: float, *, again: bool) -> None:
    """An old one is not, nor one that is from the future: LiveKit would refuse it."""
    minted: list[AccessToken] = []

    def counted(key: str, secret: str) -> AccessToken:
        minted.append(AccessToken(key, secret))
        return minted[-1]

    monkeypatch.setattr(tokens, "AccessToken", counted)
    clock = Clock()
    made = Tokens(KEY, SECRET, clock)
    made.for_room("r")
    clock.now += passed
    made.for_room("r")
    assert len(minted) == (1 if again else 2)


def test_rooms_have_tokens_of_their_own() -> None:
    """What one room's token may, another's may not."""
    made = Tokens(KEY, SECRET)
    assert len({made.for_room("r"), made.for_room("s"), made.to_list_rooms()}) == 3


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not used for longest goes first."""
    monkeypatch.setattr(tokens, "KEPT_MAX", 2)
    assert KEPT_MAX > 1_000
    clock = Clock()
    made = Tokens(KEY, SECRET, clock)
    first = made.for_room("first")
    made.for_room("second")
    assert made.for_room("first") is first
    made.for_room("third")
    assert made.for_room("first") is first
    assert list(made._made) == ["third", "first"]  # noqa: SLF001 the bound is what is tested
