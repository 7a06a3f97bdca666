"""The ways of asking for agents. One is a dispatch of LiveKit's: each call made once, and what its outcome means.

The other one, at a launcher, is `engine.launches`. Both answer in the core's words, so whoever drives a session does
not know them apart.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct

from dispatcher.core.effects import Ask, Asked, Outcome, TakeBack, TakenBack
from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Key
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason, Refused, Unavailable

_REFUSED: Final[Mapping[Reason, Outcome]] = {
    Reason.NOT_FOUND: Outcome.ROOM_ABSENT,
    Reason.UNAUTHORIZED: Outcome.UNAUTHORIZED,
}


class Way(Protocol):
    """A way of asking for agents. `now` is the ledger's clock."""

    async def ask(self, key: Key, ask: Ask, now: Callable[[], Ms]) -> Asked:
        """Ask for the agent, once."""
        ...

    async def take_back(self, key: Key, back: TakeBack, now: Callable[[], Ms]) -> TakenBack:
        """Ask the agent, or what was asked for, to go; whether it went the next look shows."""
        ...


class Dispatches(Struct, frozen=True):
    """A way of asking: LiveKit dispatches to workers."""

    livekit: LiveKit

    async def ask(self, key: Key, ask: Ask, now: Callable[[], Ms]) -> Asked:
        """Ask for the agent, once."""
        step = ask.step
        try:
            made = await self.livekit.create(key.room, step.target, metadata=ask.metadata, tag=ask.tag, trace=ask.trace)
        except LiveKitError as error:
            return Asked(
                now=now(),
                outcome=_outcome(error),
                reason=error.reason,
                retry_in=int(1000 * (error.retry_after or 0)),
            )
        return Asked(now=now(), outcome=Outcome.TAKEN, dispatch=made.id, deployment=made.deployment)

    async def take_back(self, key: Key, back: TakeBack, now: Callable[[], Ms]) -> TakenBack:
        """Ask the agent, or the dispatch, to go; whether it went the next look shows."""
        try:
            if back.step.dispatch:
                await self.livekit.delete(key.room, back.step.dispatch)
            elif back.identity:  # else it has left since
                await self.livekit.remove(key.room, back.identity)
        except LiveKitError as error:
            return TakenBack(now(), error.reason)
        return TakenBack(now())


def _outcome(error: LiveKitError) -> Outcome:
    match error:
        case Unavailable():
            return Outcome.UNSENT
        case Refused():
            return _REFUSED.get(error.reason, Outcome.REFUSED)
        case _:
            return Outcome.UNKNOWN
