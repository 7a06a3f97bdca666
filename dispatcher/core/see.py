"""What a look means. Everything is judged here, on fresh facts; seeing the same look twice changes nothing.

The order: which wants there are, which dispatch belongs to which attempt, whose agent is whose, how open attempts
ended, which agents are too many.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import budget
from dispatcher.core.births import aim_again, give_birth, waiting_for
from dispatcher.core.closing import ON_PURPOSE, close
from dispatcher.core.events import AGENT, Ms, Participant, Room
from dispatcher.core.judge import ENDING_MS, Departure, departure, overdue
from dispatcher.core.rules import Rule
from dispatcher.core.seen import Seen
from dispatcher.core.session import Attempt, Entry, Said, Session, Verdict, Want, tell, with_attempt, with_want
from dispatcher.core.surplus import part_surplus, reopen, serve_by_name, spare_namesakes, watch_untied
from dispatcher.core.tags import Tag, Tagging
from dispatcher.core.ties import bind, recall, tie

PASSES_MAX: Final = 5  # the last one changes nothing; simulated lives needed 3


def see(session: Session, seen: Seen, rules: Sequence[Rule], *, tags: Tagging, now: Ms) -> Session:
    """The session after a look that began at `now`: every want, attempt and agent judged by what it showed."""
    session = replace(session, stale=False, seen_at=now)
    if seen.room is None:
        return _missed(session, now)
    found = tags.found(session, seen)
    for _ in range(PASSES_MAX):
        before, session = session, _judged(session, seen, seen.room, rules, found, now)
        if session == before:
            break
    return session


def _judged(
    session: Session, seen: Seen, room: Room, rules: Sequence[Rule], tags: Mapping[str, Tag], now: Ms
) -> Session:
    """One pass: what ends in it makes room for what the next pass finds."""
    there = people(seen)
    agents = [one for one in seen.participants if one.active and one.is_agent]
    session = replace(session, over=False, missed_at=0, published_at=_published(session, there, now))
    session = recall(session, seen, rules, there, tags, now)
    session = give_birth(_attend(session, there, now), rules, room, there, now)
    session = aim_again(_attend(session, there, now), rules, room, there, now)
    session, untied = tie(bind(session, seen, rules, tags, now), agents, now)
    session = serve_by_name(session, untied, now)
    listed = {dispatch.id: dispatch for dispatch in seen.dispatches}
    for want in session.wants:
        for attempt in want.open:
            session = _judge(
                session, want.key, attempt, overdue(session, want, attempt, listed.get(attempt.dispatch), now), now
            )
    session = watch_untied(serve_by_name(session, untied, now), untied, now)
    joined = {one.sid: one.joined_at for one in seen.participants}
    identities = {one.known_as for one in agents}
    for want in session.wants:
        session = reopen(session, want.key, joined, now)
        session = part_surplus(session, want.key, joined, now)
        session = spare_namesakes(session, want.key, identities, now)
        session = _welcome(session, want.key, joined, now)
        session = _since_when(session, want.key, now)
    return session


def _missed(session: Session, now: Ms) -> Session:
    """The room's SID is not listed: the second time, ENDING_MS later, it is over until somebody says that it lives."""
    if session.over:
        return session
    if session.missed_at and now >= session.missed_at + ENDING_MS:
        return tell(replace(session, over=True), Entry(at=now, said=Said.OVER, reason="not_listed"))
    if session.missed_at:
        return session
    return tell(replace(session, missed_at=now), Entry(at=now, said=Said.MISSED))


def people(seen: Seen) -> list[Participant]:
    """Those for whom an agent may be wanted, by joining: ACTIVE, not hidden, no agents; kinds are the rules'."""
    there = [one for one in seen.participants if one.active and not one.hidden and one.kind != AGENT]
    return sorted(there, key=lambda one: one.joined_at)


def _published(session: Session, there: Sequence[Participant], now: Ms) -> Ms:
    return session.published_at or (now if any(one.publisher for one in there) else 0)


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
    session = close(session, want.key, attempt.number, left.verdict, now, left.reason)
    heard = [note for note in session.notes if note.sid != left.sid and note.identity not in attempt.identities]
    session = replace(session, notes=tuple(heard))
    paid = session.want(want.key)
    if paid is None:
        return session
    if left.verdict is Verdict.ENDED:
        return with_want(session, budget.renewed(paid))
    if left.verdict is Verdict.CRASHED or (left.verdict is Verdict.FINISHED and want.policy.on_finish == "replace"):
        return with_want(session, budget.crashed(paid, left.stayed, now))
    if left.verdict in ON_PURPOSE:
        return with_want(session, replace(paid, done=left.left))
    return session


def _welcome(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """That an agent serves is told once for each attempt; with the time it took, for the want's first."""
    want = session.want(key)
    serving = want.serving if want else None
    if want is None or serving is None or serving.told:
        return session
    arrived = joined.get(serving.agent, 0)
    took = max(0, arrived - want.hoped) if arrived and want.hoped and not want.welcomed else None
    want = with_attempt(want, replace(serving, told=True))
    session = with_want(session, replace(want, welcomed=True))
    return tell(
        session, Entry(at=now, said=Said.SERVED, want=key, number=serving.number, agent=str(serving.target), took=took)
    )


def _since_when(session: Session, key: str, now: Ms) -> Session:
    want = session.want(key)
    if want is None:
        return session
    unserved = want.attended and not (want.serving or want.by_name or want.done)
    return with_want(session, replace(want, waiting_since=(want.waiting_since or now) if unserved else 0))
