"""The calls that change something at LiveKit, each made once, and what their outcomes mean to a drive."""

from collections.abc import Callable, Mapping
from typing import Final

from dispatcher.core.effects import Ask, Asked, Outcome, TakeBack, TakenBack
from dispatcher.core.facts import Ms
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason, Refused, Unavailable

_REFUSED: Final[Mapping[Reason, Outcome]] = {
    Reason.NOT_FOUND: Outcome.ROOM_ABSENT,
    Reason.UNAUTHORIZED: Outcome.UNAUTHORIZED,
}


async def ask(livekit: LiveKit, room: str, ask: Ask, now: Callable[[], Ms]) -> Asked:
    """Ask for the agent, once."""
    try:
        made = await livekit.create(room, ask.step.target, metadata=ask.metadata, tag=ask.tag, trace=ask.trace)
    except LiveKitError as error:
        return Asked(
            now=now(),
            outcome=_outcome(error),
            reason=error.reason,
            retry_in=int(1000 * (error.retry_after or 0)),
        )
    return Asked(now=now(), outcome=Outcome.TAKEN, dispatch=made.id, deployment=made.deployment)


def _outcome(error: LiveKitError) -> Outcome:
    match error:
        case Unavailable():
            return Outcome.UNSENT
        case Refused():
            return _REFUSED.get(error.reason, Outcome.REFUSED)
        case _:
            return Outcome.UNKNOWN


async def take_back(livekit: LiveKit, room: str, back: TakeBack, now: Callable[[], Ms]) -> TakenBack:
    """Ask the agent, or the dispatch, to go; whether it went the next look shows."""
    try:
        if back.step.dispatch:
            await livekit.delete(room, back.step.dispatch)
        elif back.identity:  # else it has left since
            await livekit.remove(room, back.identity)
    except LiveKitError as error:
        return TakenBack(now(), error.reason)
    return TakenBack(now())
