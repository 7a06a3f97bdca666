"""Which wants a session has: rules in order, and for each the people present, by time of joining.

At most one `per: room` want in a session, unless the rule that matched says `continue`: a caller and a supervisor who
match two rules do not get two agents.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from dispatcher.core.events import Ms, Participant, Room
from dispatcher.core.rules import Rule, matching
from dispatcher.core.session import WANTS_MAX, Entry, Said, Session, Want, tell, with_want


def give_birth(session: Session, rules: Sequence[Rule], room: Room, people: Sequence[Participant], now: Ms) -> Session:
    """Every want that the rules ask for now is there; those already there are left as they are."""
    matched = [(person, matching(rules, room, person)) for person in people]
    for_room = matching(rules, room, None)
    for rule in rules:
        if rule in for_room:
            session = _born(session, rules, rule, None, now)
        for person, chosen in matched:
            if rule in chosen:
                session = _born(session, rules, rule, person, now)
    return session


def may_be_born(session: Session, rules: Sequence[Rule], person: Participant | None) -> bool:
    """Whether a look could show a new want for this person (None: for the room itself).

    Conditions are not asked: at worst it is a look too many.
    """
    return any(_open_to(rule, person) and _unborn(session, rules, rule, person) for rule in rules)


def _open_to(rule: Rule, person: Participant | None) -> bool:
    if person is None:
        return rule.policy.on == "room"
    return rule.policy.on == "participant" and person.kind in rule.policy.kinds


def _unborn(session: Session, rules: Sequence[Rule], rule: Rule, person: Participant | None) -> bool:
    if rule.policy.per == "participant" and person is not None:
        return _missing(session, f"{rule.name}/{person.identity}")
    return _missing(session, rule.name) and not _taken(session, rules, rule)


def _taken(session: Session, rules: Sequence[Rule], rule: Rule) -> bool:
    """Whether the session's one `per: room` want is there already, and the rule does not say `continue`."""
    if rule.go_on or rule.policy.per == "participant":
        return False
    going_on = {other.name for other in rules if other.go_on}
    per_room = (want for want in session.wants if want.policy.per == "room" and not want.remnant)
    return any(want.rule not in going_on for want in per_room)


def _missing(session: Session, key: str) -> bool:
    want = session.want(key)
    return want is None or want.remnant


def _born(session: Session, rules: Sequence[Rule], rule: Rule, person: Participant | None, now: Ms) -> Session:
    identity = person.identity if person is not None and rule.policy.per == "participant" else ""
    hoped = person.joined_at if person is not None else 0
    want = Want(rule=rule.name, policy=rule.policy, identity=identity, attended=person is not None, hoped=hoped)
    if not _missing(session, want.key) or _taken(session, rules, rule):
        return session
    remnant = session.want(want.key)
    if remnant is not None:
        want = replace(want, attempts=remnant.attempts, last=remnant.last)
    elif len(session.wants) >= WANTS_MAX:
        idle = next((old for old in session.wants if _idle(old)), None)
        if idle is None:
            return _overflow(session, want, now)
        session = replace(session, wants=tuple(old for old in session.wants if old is not idle))
    return tell(with_want(session, want), Entry(at=now, said=Said.WANTED, want=want.key, agent=want.next_target.agent))


def _idle(want: Want) -> bool:
    """Nobody waits for it, and nothing of it is left that would have to be taken back."""
    owed = any(attempt.retract_at and attempt.shows for attempt in want.attempts)
    return not (want.open or want.attended or owed or want.policy.on == "room")


def _overflow(session: Session, want: Want, now: Ms) -> Session:
    if session.overflow:
        return session
    return tell(replace(session, overflow=True), Entry(at=now, said=Said.OVERFLOW, want=want.key))
