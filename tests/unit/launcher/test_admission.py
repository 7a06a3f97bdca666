"""What becomes of a request, by what is known of all launches."""

import pytest

from dispatcher.launcher.admission import Admission, MayStart, NoPlace, SameToken, SpentToken, admit
from dispatcher.launcher.launch import Launch, LaunchEnd, LaunchState
from dispatcher.livekit.join_token import JoinToken

TOKEN = JoinToken(project="eu", room="lobby", identity="avatar", expires_at=1, fingerprint="f")
ENDED = LaunchState.ENDED


def launch(name: str, **more: object) -> Launch:
    """One that runs for the token's room and identity."""
    usual = {"launcher": "avatar", "project": "eu", "room": "lobby", "identity": "avatar", "fingerprint": name}
    return Launch(id=name, **(usual | more))  # type: ignore[arg-type]  # the columns of the table


@pytest.mark.parametrize(
    ("known", "limit", "admission"),
    [
        ([], 1, MayStart()),
        ([], 0, NoPlace()),
        ([launch("f")], 1, SameToken("f")),
        ([launch("f", state=ENDED, end=LaunchEnd.EXITED)], 1, SpentToken("f")),
        ([launch("f", state=ENDED, end=LaunchEnd.NOT_STARTED)], 1, MayStart()),
        ([launch("a")], 1, MayStart("a")),  # who waits has the place of the one that it replaces
        ([launch("a"), launch("b")], 1, MayStart("b")),
        ([launch("a", state=ENDED)], 1, MayStart()),
        ([launch("a", room="other")], 1, NoPlace()),
        ([launch("a", identity="other")], 2, MayStart()),
        ([launch("a", project="us")], 2, MayStart()),
        ([launch("a", launcher="other")], 1, MayStart("a")),  # another launcher's: replaced, and its place is not ours
        ([launch("a", launcher="other"), launch("b", room="other")], 1, NoPlace()),
    ],
)
def test_who_may_start(known: list[Launch], limit: int, admission: Admission) -> None:
    """The same token is the same process, another one for the room and identity replaces it, a place is needed."""
    assert admit(known, "avatar", limit, TOKEN) == admission
