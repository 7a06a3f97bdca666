"""Agents that are too many, late, or nobody's: which of them serves, which is removed, and which is only reported."""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core.closing import LINGER_MS, ON_PURPOSE, close, retract_at
from dispatcher.core.events import Ms, Participant
from dispatcher.core.session import Attempt, Entry, Said, Session, Verdict, tell, with_attempt, with_want
from dispatcher.core.text import AGENT_MAX, brief

UNTIED_MS: Final = (2_000, 6_000, 10_000)  # jobs can be listed 5 s late: look again after these
UNTIED_MAX: Final = 8  # untied agents that are remembered

_GONE_FOR_GOOD: Final = ON_PURPOSE | {Verdict.UNSENT, Verdict.REFUSED}


def serve_by_name(session: Session, untied: Sequence[Participant], now: Ms) -> Session:
    """An untied agent of the right name serves until its job is listed: for one want, for a while, never judged.

    For `join_within`: an agent without a job is waited for as long as a job without an agent. A token may bear any
    name, and who holds one may come again and again, so the span is the session's, not an agent's: it begins anew only
    when no such agent is there. One without the grant that every job's token has serves nobody.
    """
    names = {target.agent for want in session.wants for target in want.policy.targets if target.agent}
    free = [agent.agent_name for agent in untied if agent.granted and agent.agent_name in names]
    since = (session.named_since or now) if free else 0
    session = replace(session, named_since=since)
    for want in sorted(session.wants, key=lambda want: (not want.open, not want.attended)):
        targets = [attempt.target for attempt in want.open] or want.policy.targets
        name = next((target.agent for target in targets if target.agent in free), None)
        may_serve = want.serving is None and not (want.done or want.remnant)
        by_name = name is not None and may_serve and now < since + want.policy.join_within
        if by_name and name is not None:
            free.remove(name)
        session = with_want(session, replace(want, by_name=by_name))
    return session


def watch_untied(session: Session, untied: Sequence[Participant], now: Ms) -> Session:
    """Agents that no attempt accounts for are watched, and told, once, when some were here for the last of UNTIED_MS.

    Each that is new is looked for anew; one that comes again and again under new SIDs is told all the same.
    """
    if not untied:
        return replace(session, untied=(), untied_since=0, strange_since=0, unasked=False)
    sids = tuple(agent.sid for agent in untied[:UNTIED_MAX])
    fresh = set(sids) - set(session.untied)
    told = session.unasked and not fresh
    since = now if fresh else session.untied_since
    strange = now if session.unasked and fresh else session.strange_since or now
    session = replace(session, untied=sids, untied_since=since, strange_since=strange, unasked=told)
    if told or now < strange + UNTIED_MS[-1]:
        return session
    names = sorted({brief(agent.agent_name, AGENT_MAX) for agent in untied[:UNTIED_MAX]})
    entry = Entry(at=now, said=Said.UNASKED, agent=brief(", ".join(names), 2 * AGENT_MAX))
    return tell(replace(session, unasked=True), entry)


def reopen(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """A late agent of a given-up attempt serves after all, when nobody else does; a foreign one always."""
    want = session.want(key)
    if want is None or want.done or want.remnant:
        return session
    late = [one for one in want.attempts if not one.open and one.agent and _may_serve(one)]
    for attempt in sorted(late, key=lambda one: (one.ours, joined.get(one.agent, 0))):
        if attempt.ours and want.serving is not None:
            break
        again = replace(attempt, verdict=None, retract_at=0, came=attempt.came or now)
        want = replace(with_attempt(want, again), by_name=False)
        session = tell(
            session, Entry(at=now, said=Said.REOPENED, want=key, number=again.number, agent=str(again.target))
        )
    return with_want(session, want)


def _may_serve(attempt: Attempt) -> bool:
    """Whether a closed attempt whose agent is here may count again: not if it left on purpose or is being removed."""
    return attempt.verdict not in _GONE_FOR_GOOD and not attempt.retracts


def part_surplus(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """One attempt serves: a foreign one, else the one whose agent joined first. Every other one of ours is surplus.

    The agent of a refused one is the wrong agent (a server ignored the deployment), whoever serves.
    """
    want = session.want(key)
    if want is None:
        return session
    serving = [one for one in want.attempts if one.serving]
    spare = bool(serving) or want.remnant
    keep = min(serving, key=lambda one: (one.ours, joined.get(one.agent, 0), one.number), default=None)
    for attempt in want.attempts:
        if attempt is keep or not attempt.ours:
            continue
        wrong = attempt.verdict is Verdict.REFUSED
        if attempt.open and spare:
            session = close(session, key, attempt.number, Verdict.SURPLUS, now)
        elif not attempt.open and attempt.agent and not attempt.retracts and (spare or wrong):
            parted = replace(attempt, retract_at=now if wrong else retract_at(want, attempt, Verdict.SURPLUS, now))
            session = with_want(session, with_attempt(session.want(key) or want, parted))
    return session


def spare_namesakes(session: Session, key: str, identities: Collection[str], now: Ms) -> Session:
    """A dispatch is not deleted while an agent of another attempt bears its identity: LiveKit would remove that one."""
    want = session.want(key)
    for attempt in want.attempts if want else ():
        namesake = (
            attempt.listed and not attempt.agent and any(identity in identities for identity in attempt.identities)
        )
        if want is not None and namesake and attempt.retract_at and attempt.retract_at <= now:
            want = with_attempt(want, replace(attempt, retract_at=now + LINGER_MS))
    return with_want(session, want) if want else session
