"""A launcher is asked in the core's words: what goes to it, and what its answers mean to a drive."""

from collections.abc import Mapping
from typing import cast

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from dispatcher.client.launchers import LaunchAsked, Launchers, LaunchReply
from dispatcher.core.effects import Ask, Asked, Outcome, TakeBack, TakenBack
from dispatcher.core.facts import Ms
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Target
from dispatcher.engine.launches import Launches
from dispatcher.livekit.join_token import read_join_token
from dispatcher.livekit.webhook import ApiKey
from tests.unit.core.world import LOBBY, NOW
from tests.unit.desk import KEY, SIGNER

STEP = Create(assignment="greeter", number=1, target=Target("", launcher="avatar"))
ASK = Ask(step=STEP, tag="a:tag", identity="avatar-1", started_at=NOW)


class Said(Launchers):
    """Launchers that say this, and remember what they were told."""

    def __init__(self, reply: LaunchReply, stopped: str = "") -> None:
        super().__init__(cast("ClientSession", None), {})
        self.reply = reply
        self.stopped = stopped
        self.told: list[tuple[object, ...]] = []

    async def launch(self, name: str, body: Mapping[str, str], *, identity: str) -> LaunchReply:
        self.told.append((name, dict(body), identity))
        return self.reply

    async def stop(self, name: str, launch: str, token: str) -> str:
        self.told.append((name, launch, token))
        return self.stopped


def now() -> Ms:
    """The ledger's clock stands still."""
    return NOW


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        (LaunchAsked.STARTED, Outcome.TAKEN, ""),
        (LaunchAsked.DECLINED, Outcome.DECLINED, "why"),
        (LaunchAsked.REFUSED, Outcome.REFUSED, "why"),
        (LaunchAsked.UNANSWERED, Outcome.UNKNOWN, "why"),
    ],
)
async def test_each_answer_has_its_outcome(result: LaunchAsked, outcome: Outcome, reason: str) -> None:
    """With the launch's id, and the launcher's reason."""
    said = Said(LaunchReply(result=result, launch="L1", reason="why"))

    asked = await Launches(said, SIGNER).ask(KEY, ASK, now)

    assert asked == Asked(now=NOW, outcome=outcome, dispatch="L1", reason=reason)


async def test_it_is_asked_for_this_life_of_the_room_with_a_token_of_the_attempt_s() -> None:
    """What there is not is not sent."""
    token = SIGNER.to_launch(LOBBY.name, "avatar-1", launcher="avatar", tag="a:tag", started_at=NOW)
    body = {"room_name": LOBBY.name, "room_sid": LOBBY.sid, "token": token}
    said = Said(LaunchReply(result=LaunchAsked.STARTED, launch="L1"))
    ways = Launches(said, SIGNER)

    await ways.ask(KEY, ASK, now)
    await ways.ask(KEY, replace(ASK, metadata="{}", trace="00-1"), now)

    beside = {"metadata": "{}", "traceparent": "00-1"}
    assert said.told == [("avatar", body, "avatar-1"), ("avatar", body | beside, "avatar-1")]


@pytest.mark.parametrize("reason", ["", "unreachable"])
async def test_a_launch_is_taken_back_with_a_token_of_its_identity_s(reason: str) -> None:
    """It shows whose it is; where it cannot be told, the reason."""
    said = Said(LaunchReply(result=LaunchAsked.STARTED), stopped=reason)
    step = Retract(assignment="greeter", number=1, dispatch="L1")

    back = await Launches(said, SIGNER).take_back(KEY, TakeBack(step=step, identity="avatar-1", launcher="avatar"), now)

    [(name, launch, token)] = said.told
    shown = read_join_token(str(token), {"devkey": ApiKey(project="default", secret="not-so-secret")}, NOW)
    assert (back, name, launch) == (TakenBack(NOW, reason), "avatar", "L1")
    assert (shown.room, shown.identity, shown.of_agent) == (LOBBY.name, "avatar-1", True)
