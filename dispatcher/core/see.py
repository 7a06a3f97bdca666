"""What a look means. Everything is judged here, on fresh facts; seeing the same look twice changes nothing.

The order: which wants there are, which dispatch belongs to which attempt, whose agent is whose, how open attempts
ended, which agents are too many.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import budget
from dispatcher.core.births import give_birth
from dispatcher.core.events import AGENT, Ms, Participant
from dispatcher.core.judge import ENDING_MS, Departure, departure, overdue
from dispatcher.core.rules import Rule
from dispatcher.core.seen import Seen
from dispatcher.core.session import Attempt, Entry, Said, Session, Verdict, Want, tell, with_attempt, with_want
from dispatcher.core.ties import bind, tie

LINGER_MS: Final = (
    60_000  # a launch already queued survives DeleteDispatch, and only a listed dispatch proves whose its agent is
)
UNTIED_MS: Final = (2_000, 6_000, 10_000)  # jobs can be listed 5 s late: look again after these

_GONE_FOR_GOOD: Final = frozenset({Verdict.SURPLUS, Verdict.FINISHED, Verdict.REMOVED, Verdict.UNSENT, Verdict.REFUSED})
_NOT_LISTED: Final = frozenset({Verdict.UNSENT, Verdict.REFUSED})
_ON_PURPOSE: Final = frozenset({Verdict.FINISHED, Verdict.REMOVED})


def see(session: Session, seen: Seen, rules: Sequence[Rule], *, instance: str, now: Ms) -> Session:
    """The session after a look that began at `now`: every want, attempt and agent judged by what it showed."""
    session = replace(session, stale=False, seen_at=now)
    if seen.room is None:
        return _missed(session, now)
    there = people(seen)
    agents = [one for one in seen.participants if one.active and one.is_agent]
    session = replace(session, over=False, missed_at=0, published_at=_published(session, there, now))
    session = give_birth(session, rules, seen.room, there, now)
    session = _attend(session, there, now)
    session = bind(session, seen, rules, instance, now)
    session, untied = tie(session, agents, now)
    session = _serve_by_name(session, untied)
    session = _watch_untied(session, untied, now)
    listed = {dispatch.id: dispatch for dispatch in seen.dispatches}
    for want in session.wants:
        for attempt in want.open:
            session = _judge(
                session, want.key, attempt, overdue(session, want, attempt, listed.get(attempt.dispatch), now), now
            )
    joined = {one.sid: one.joined_at for one in seen.participants}
    identities = {one.identity: one.sid for one in agents}
    for want in session.wants:
        session = _reopen(session, want.key, joined, now)
        session = _part_surplus(session, want.key, joined, now)
        session = _spare_namesakes(session, want.key, identities, now)
        session = _welcome(session, want.key, joined, now)
        session = _since_when(session, want.key, now)
    return session


def close(session: Session, key: str, number: int, verdict: Verdict, now: Ms, why: str = "") -> Session:
    """The attempt has ended as `verdict`, and the want's budget has paid for it. What is left is retracted in time."""
    want = session.want(key)
    attempt = next((one for one in want.attempts if one.number == number), None) if want else None
    if want is None or attempt is None:
        return session
    agent = "" if attempt.gone else attempt.agent
    ended = replace(attempt, verdict=verdict, agent=agent, gone=0, retract_at=_retract_at(want, attempt, verdict, now))
    entry = Entry(
        at=now,
        said=Said.CLOSED,
        want=key,
        number=number,
        agent=attempt.target.agent,
        why=why or verdict,
        took=now - attempt.since,
    )
    session = tell(with_want(session, with_attempt(want, ended)), entry)
    return session if verdict is Verdict.SURPLUS else _pay(session, key, verdict, now)


def _retract_at(want: Want, attempt: Attempt, verdict: Verdict, now: Ms) -> Ms:
    """When what is left of an ended attempt is to be taken back; 0: never."""
    if not attempt.ours or verdict in _NOT_LISTED:
        return 0
    if verdict is Verdict.SURPLUS:
        return now if want.policy.surplus == "remove" else 0
    if verdict in _ON_PURPOSE and want.policy.on_finish == "done":
        return 0
    return now + LINGER_MS


def _pay(session: Session, key: str, verdict: Verdict, now: Ms) -> Session:
    want = session.want(key)
    if want is None or verdict in _ON_PURPOSE | {Verdict.CRASHED, Verdict.ENDED}:
        return session
    paid = budget.failed(want, verdict, now)
    session = with_want(session, paid)
    if want.rounds == 0 < paid.rounds:
        return tell(session, Entry(at=now, said=Said.STARVED, want=key, agent=paid.next_target.agent))
    return session


def _missed(session: Session, now: Ms) -> Session:
    """The room's SID is not listed: the second time, ENDING_MS later, it is over until somebody says that it lives."""
    if session.over:
        return session
    if session.missed_at and now >= session.missed_at + ENDING_MS:
        return tell(replace(session, over=True), Entry(at=now, said=Said.OVER, why="not_listed"))
    if session.missed_at:
        return session
    return tell(replace(session, missed_at=now), Entry(at=now, said=Said.MISSED))


def people(seen: Seen) -> list[Participant]:
    """Those for whom an agent may be wanted, by joining: ACTIVE, not hidden, no agents; kinds are the rules'."""
    there = [one for one in seen.participants if one.active and not one.hidden and one.kind != AGENT]
    return sorted(there, key=lambda one: one.joined_at)


def _published(session: Session, there: Sequence[Participant], now: Ms) -> Ms:
    return session.published_at or (now if any(one.publisher for one in there) else 0)


def waiting_for(want: Want, there: Sequence[Participant]) -> list[Participant]:
    """Those present whom the want is for, by time of joining."""
    return [one for one in there if one.kind in want.policy.kinds and want.identity in {"", one.identity}]


def _attend(session: Session, there: Sequence[Participant], now: Ms) -> Session:
    for want in session.wants:
        waiting = waiting_for(want, there)
        hoped = want.hoped or (waiting[0].joined_at if waiting else 0)
        attended = replace(want, attended=bool(waiting), hoped=hoped)
        if want.done and any(one.joined_at > want.done for one in waiting):
            attended = budget.renewed(attended)
            session = tell(session, Entry(at=now, said=Said.RENEWED, want=want.key))
        if want.rounds and waiting and not want.attended:  # starved, and somebody new has come
            attended = budget.renewed(attended)
        session = with_want(session, attended)
    return session


def _serve_by_name(session: Session, untied: Sequence[Participant]) -> Session:
    """An untied agent of the right name serves until its job is listed: for one want, never judged."""
    free = [agent.agent_name for agent in untied]
    for want in session.wants:
        targets = [attempt.target for attempt in want.open] or want.policy.targets
        name = next((target.agent for target in targets if target.agent in free), None)
        by_name = name is not None and want.serving is None and not want.done
        if by_name and name is not None:
            free.remove(name)
        session = with_want(session, replace(want, by_name=by_name))
    return session


def _watch_untied(session: Session, untied: Sequence[Participant], now: Ms) -> Session:
    sids = tuple(agent.sid for agent in untied[:8])
    fresh = set(sids) - set(session.untied)
    since = (now if fresh or not session.untied_since else session.untied_since) if sids else 0
    session = replace(session, untied=sids, untied_since=since, unasked=session.unasked and bool(sids) and not fresh)
    if not sids or session.unasked or now < since + UNTIED_MS[-1]:
        return session
    names = {agent.agent_name for agent in untied}
    return tell(replace(session, unasked=True), Entry(at=now, said=Said.UNASKED, agent=", ".join(sorted(names))))


def _judge(session: Session, key: str, attempt: Attempt, late: Verdict | None, now: Ms) -> Session:
    want = session.want(key)
    if want is None or attempt.serving:
        return session
    left = departure(session, want, attempt, now)
    if left is not None:
        return _depart(session, want, attempt, left, now)
    if attempt.agent or late is None:
        return session
    return close(session, key, attempt.number, late, now)


def _depart(session: Session, want: Want, attempt: Attempt, left: Departure, now: Ms) -> Session:
    """The want after its agent left: done, replaced with a brake, or another failed attempt."""
    session = close(session, want.key, attempt.number, left.verdict, now, why=f"{left.verdict} {left.reason}".strip())
    heard = [note for note in session.notes if note.sid != left.sid and note.identity not in attempt.identities]
    session = replace(session, notes=tuple(heard))
    paid = session.want(want.key)
    if paid is None:
        return session
    if left.verdict is Verdict.ENDED:
        return with_want(session, budget.renewed(paid))
    if left.verdict is Verdict.CRASHED or (left.verdict is Verdict.FINISHED and want.policy.on_finish == "replace"):
        return with_want(session, budget.crashed(paid, left.stayed, now))
    if left.verdict in _ON_PURPOSE:
        return with_want(session, replace(paid, done=left.left))
    return session


def _reopen(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """A late agent of a given-up attempt serves after all, when nobody else does; a foreign one always."""
    want = session.want(key)
    if want is None or want.done:
        return session
    late = [one for one in want.attempts if not one.open and one.agent and one.verdict not in _GONE_FOR_GOOD]
    for attempt in sorted(late, key=lambda one: (one.ours, joined.get(one.agent, 0))):
        if attempt.ours and want.serving is not None:
            break
        again = replace(attempt, verdict=None, retract_at=0, came=attempt.came or now)
        want = replace(with_attempt(want, again), by_name=False)
        session = tell(
            session, Entry(at=now, said=Said.REOPENED, want=key, number=again.number, agent=again.target.agent)
        )
    return with_want(session, want)


def _part_surplus(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """One attempt serves: a foreign one, else the one whose agent joined first. Every other one of ours is surplus."""
    want = session.want(key)
    serving = [one for one in want.attempts if one.serving] if want else []
    if want is None or not serving:
        return session
    keep = min(serving, key=lambda one: (one.ours, joined.get(one.agent, 0), one.number))
    for attempt in want.attempts:
        if attempt.number == keep.number or not attempt.ours:
            continue
        if attempt.open:
            session = close(session, key, attempt.number, Verdict.SURPLUS, now)
        elif attempt.agent and want.policy.surplus == "remove" and not attempt.retracts:
            hurried = replace(attempt, retract_at=min(attempt.retract_at or now, now))
            session = with_want(session, with_attempt(session.want(key) or want, hurried))
    return session


def _spare_namesakes(session: Session, key: str, identities: dict[str, str], now: Ms) -> Session:
    """A dispatch is not deleted while an agent of another attempt bears its identity: LiveKit would remove that one."""
    want = session.want(key)
    for attempt in want.attempts if want else ():
        namesake = (
            attempt.listed and not attempt.agent and any(identity in identities for identity in attempt.identities)
        )
        if want is not None and namesake and attempt.retract_at and attempt.retract_at <= now:
            want = with_attempt(want, replace(attempt, retract_at=now + LINGER_MS))
    return with_want(session, want) if want else session


def _welcome(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """That an agent serves is told once for each attempt; with the time it took, for the want's first."""
    want = session.want(key)
    serving = want.serving if want else None
    if want is None or serving is None or serving.came != now:
        return session
    arrived = joined.get(serving.agent, 0)
    took = max(0, arrived - want.hoped) if arrived and want.hoped and not want.welcomed else None
    session = with_want(session, replace(want, welcomed=True))
    return tell(
        session, Entry(at=now, said=Said.SERVED, want=key, number=serving.number, agent=serving.target.agent, took=took)
    )


def _since_when(session: Session, key: str, now: Ms) -> Session:
    want = session.want(key)
    if want is None:
        return session
    unserved = want.attended and not (want.serving or want.by_name or want.done)
    return with_want(session, replace(want, waiting_since=(want.waiting_since or now) if unserved else 0))
