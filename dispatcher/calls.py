"""The calls that a step means, and how the session stands after each outcome: known, refused, unsent or unknown."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from dispatcher.core import acts
from dispatcher.core.births import spoken_for
from dispatcher.core.events import Ms
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Rule
from dispatcher.core.see import people
from dispatcher.core.seen import Seen
from dispatcher.core.session import Session, Want
from dispatcher.livekit import LiveKit, LiveKitError, Reason, Refused, Unavailable


class Asking(Struct, frozen=True):
    """A CreateDispatch about to be made."""

    step: Create
    metadata: str
    tag: str


def metadata(rules: Sequence[Rule], want: Want, seen: Seen | None) -> str:
    """What the want's rule says of the look just made; empty when a reload took the rule away."""
    rule = next((rule for rule in rules if rule.name == want.rule), None)
    if rule is None or rule.metadata is None or seen is None or seen.room is None:
        return ""
    return rule.metadata(seen.room, spoken_for(rule, want, seen.room, people(seen)))


async def ask(livekit: LiveKit, session: Session, asking: Asking, now: Callable[[], Ms]) -> tuple[Session, bool]:
    """The agent was asked for, once. False: nobody knows whether LiveKit took it, or the room is not what it was."""
    step = asking.step
    try:
        dispatch = await livekit.create(session.room, step.target, metadata=asking.metadata, tag=asking.tag)
    except Unavailable as error:
        return acts.unsent(session, step, now(), error.reason, retry_in=int(1000 * (error.retry_after or 0))), True
    except Refused as error:
        return _refused(session, step, error.reason, now()), error.reason is not Reason.NOT_FOUND
    except LiveKitError as error:
        return acts.unanswered(session, step, now(), error.reason), False
    if dispatch.deployment != step.target.deployment:
        return acts.misdirected(session, step, now(), dispatch.id), True
    return acts.answered(session, step, dispatch.id), True


def _refused(session: Session, step: Create, reason: Reason, now: Ms) -> Session:
    if reason is Reason.NOT_FOUND:  # the room, not the request: look again, nobody is blamed
        return acts.unsent(session, step, now, reason)
    if reason is Reason.UNAUTHORIZED:  # the project's trouble, whoever the agent
        return acts.unsent(session, step, now, reason, retry_in=acts.TROUBLE_MS)
    return acts.refused(session, step, now, reason)


async def take_back(
    livekit: LiveKit, session: Session, step: Retract, seen: Seen | None, now: Callable[[], Ms]
) -> Session:
    """The agent, or the dispatch, was asked to go; whether it went the next look shows."""
    try:
        if step.dispatch:
            await livekit.delete(session.room, step.dispatch)
        else:
            for one in seen.participants if seen else ():
                if one.sid == step.agent:
                    await livekit.remove(session.room, one.identity)
    except LiveKitError as error:
        return acts.retracted(session, step, now(), done=False, why=error.reason)
    return acts.retracted(session, step, now(), done=True)
