"""What the outcome of a call to LiveKit means to a drive."""

import pytest

from dispatcher.core.effects import Ask, Asked, Outcome, TakeBack, TakenBack
from dispatcher.core.facts import Ms
from dispatcher.core.plan import Create, Retract
from dispatcher.engine.actions import Dispatches
from dispatcher.livekit.failures import Reason, Refused, Unavailable, Unknown
from tests.unit.core.world import GREETER, LOBBY, NOW, agent, dispatch, person
from tests.unit.desk import KEY, Happening, Staged, fails, nothing

ASK = Ask(
    step=Create(assignment="greeter", number=1, target=GREETER),
    metadata="for alice",
    tag="default:RM_1:greeter#1:signed",
)


def now() -> Ms:
    """The ledger's clock stands still."""
    return NOW


async def test_a_create_that_was_made_is_known_by_its_id() -> None:
    """It carries its tag and its metadata."""
    livekit = Staged(person())

    assert await Dispatches(livekit).ask(KEY, ASK, now) == Asked(now=NOW, outcome=Outcome.TAKEN, dispatch="AD_1")
    assert (livekit.dispatches(), livekit.metadata) == (("greeter#1",), ["for alice"])


@pytest.mark.parametrize(
    ("failure", "outcome", "reason", "retry_in"),
    [
        (fails(Unknown, Reason.TIMEOUT), Outcome.UNKNOWN, "timeout", 0),
        (fails(Unknown, Reason.SERVER), Outcome.UNKNOWN, "server", 0),
        (fails(Unavailable, Reason.UNREACHABLE), Outcome.UNSENT, "unreachable", 0),
        (fails(Unavailable, Reason.LIMITED, retry_after=7.0), Outcome.UNSENT, "limited", 7_000),
        (fails(Refused, Reason.NOT_FOUND), Outcome.ROOM_ABSENT, "not_found", 0),
        (fails(Refused, Reason.UNAUTHORIZED), Outcome.UNAUTHORIZED, "unauthorized", 0),
        (fails(Refused, Reason.INVALID), Outcome.REFUSED, "invalid", 0),
    ],
)
async def test_each_failure_of_a_create_has_its_outcome(
    failure: Happening, outcome: Outcome, reason: str, retry_in: Ms
) -> None:
    """With LiveKit's reason, and how long it asks to wait."""
    livekit = Staged(person())
    livekit.before("create", failure)

    assert await Dispatches(livekit).ask(KEY, ASK, now) == Asked(
        now=NOW, outcome=outcome, reason=reason, retry_in=retry_in
    )


@pytest.mark.parametrize(("reply", "reason"), [(nothing, ""), (fails(Unknown, Reason.TIMEOUT), "timeout")])
async def test_a_dispatch_is_asked_to_go(reply: Happening, reason: str) -> None:
    """It alone; where that fails, the reason."""
    livekit = Staged()
    livekit.show(dispatches=(dispatch("AD_1"), dispatch("AD_2")))
    livekit.before("delete", reply)
    back = TakeBack(step=Retract(assignment="greeter", number=1, dispatch="AD_1"))

    assert await Dispatches(livekit).take_back(KEY, back, now) == TakenBack(NOW, reason)
    assert [one.id for one in livekit.lives[LOBBY.sid].dispatches] == (["AD_1"] if reason else []) + ["AD_2"]


@pytest.mark.parametrize(("identity", "left"), [(agent().identity, ["alice"]), ("", ["alice", agent().identity])])
async def test_an_agent_is_asked_to_go_by_its_identity(identity: str, left: list[str]) -> None:
    """Without one it has left since the look: nobody is removed."""
    livekit = Staged(person(), agent())
    back = TakeBack(step=Retract(assignment="greeter", number=1, agent_sid=agent().sid), identity=identity)

    assert await Dispatches(livekit).take_back(KEY, back, now) == TakenBack(NOW)
    assert [one.identity for one in livekit.lives[LOBBY.sid].participants] == left
