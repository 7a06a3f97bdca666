"""Has launchers start agents and end them: the other way of asking for one, beside a dispatch of LiveKit's.

A launcher is asked with a token that joins the room, whose identity and tag the core has chosen: by these its agent is
known. Asking again is safe, whoever does it: the same attempt has the same token.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from dispatcher.client.launchers import LaunchAsked, Launchers
from dispatcher.core.effects import Ask, Asked, Outcome, TakeBack, TakenBack
from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Key
from dispatcher.livekit.join_token import JoinSigner

_OUTCOMES: Final[Mapping[LaunchAsked, Outcome]] = {
    LaunchAsked.STARTED: Outcome.TAKEN,
    LaunchAsked.DECLINED: Outcome.DECLINED,
    LaunchAsked.REFUSED: Outcome.REFUSED,
    LaunchAsked.UNANSWERED: Outcome.UNKNOWN,
}


class Launches(Struct, frozen=True):
    """A way of asking (`engine.actions.Way`): at launchers."""

    launchers: Launchers
    signer: JoinSigner

    async def ask(self, key: Key, ask: Ask, now: Callable[[], Ms]) -> Asked:
        """Have the agent started, once."""
        name = ask.step.target.launcher
        token = self.signer.to_launch(key.room, ask.identity, launcher=name, tag=ask.tag, started_at=ask.started_at)
        body = {"room_name": key.room, "room_sid": key.sid, "token": token}
        beside = {"metadata": ask.metadata, "traceparent": ask.trace}
        asked = body | {field: value for field, value in beside.items() if value}
        reply = await self.launchers.launch(name, asked, identity=ask.identity)
        reason = "" if reply.result is LaunchAsked.STARTED else reply.reason
        return Asked(now=now(), outcome=_OUTCOMES[reply.result], dispatch=reply.launch, reason=reason)

    async def take_back(self, key: Key, back: TakeBack, now: Callable[[], Ms]) -> TakenBack:
        """Have the launch end; its launcher sees to it."""
        token = self.signer.to_stop(key.room, back.identity, now())
        reason = await self.launchers.stop(back.launcher, back.step.dispatch, token)
        return TakenBack(now(), reason)
