"""Which wants a session has, and of which agents: rules in order, for each the people present, by time of joining.

At most one `per: room` want in a session, unless the rule that matched says `continue`: a caller and a supervisor who
match two rules do not get two agents. What a rule computes of its agents is computed anew at each look until one of
them has been asked for: metadata may be set after a room has started, and no webhook says so.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from dispatcher.core import budget
from dispatcher.core.closing import pay
from dispatcher.core.events import Ms, Participant, Room
from dispatcher.core.rules import Aimed, Rule, aimed, matching
from dispatcher.core.session import WANTS_MAX, Entry, Said, Session, Verdict, Want, tell, with_want


def give_birth(session: Session, rules: Sequence[Rule], room: Room, people: Sequence[Participant], now: Ms) -> Session:
    """Every want that the rules ask for now is there; those already there are left as they are."""
    matched = [(person, matching(rules, room, person)) for person in people]
    for_room = matching(rules, room, None)
    for rule in rules:
        if rule in for_room:
            session = _born(session, rules, rule, room, None, now)
        for person, chosen in matched:
            if rule in chosen:
                session = _born(session, rules, rule, room, person, now)
    return session


def aim_again(session: Session, rules: Sequence[Rule], room: Room, people: Sequence[Participant], now: Ms) -> Session:
    """Wants for which nobody has been asked, or could be, have the targets that their rules give now.

    One that still has none is starved; it is looked at again every `retry_every`.
    """
    for want in session.wants:
        rule = next((one for one in rules if one.name == want.rule), None)
        if rule is not None and (want.unnamed or (rule.aim is not None and want.wanting and not want.last)):
            found = aimed(rule, room, spoken_for(rule, want, room, people))
            session = _aim(session, want, found, now)
    return session


def _aim(session: Session, want: Want, found: Aimed, now: Ms) -> Session:
    if found.targets != want.policy.targets:
        want = budget.renewed(with_targets(want, found))
        session = _tell_unnamed(with_want(session, want), want, found, now)
    if want.unnamed and want.due <= now:
        return pay(session, want.key, Verdict.REFUSED, now)
    return session


def with_targets(want: Want, found: Aimed) -> Want:
    """The want is one for these targets."""
    return replace(want, policy=replace(want.policy, targets=found.targets))


def waiting_for(want: Want, people: Sequence[Participant]) -> list[Participant]:
    """Those present whom the want is for, by time of joining."""
    there = (one for one in people if one.kind in want.policy.kinds)
    return [one for one in there if not want.identity or want.identity == one.known_as]


def spoken_for(rule: Rule, want: Want, room: Room, people: Sequence[Participant]) -> Participant | None:
    """Whom its agent and its metadata are computed for: the earliest whom the rule matches, else the earliest there."""
    if want.policy.on == "room":
        return None
    waiting = waiting_for(want, people)
    matched = (one for one in waiting if rule.when is None or rule.when(room, one))
    return next(matched, waiting[0] if waiting else None)


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
        return _missing(session, f"{rule.name}/{person.known_as}")
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


def _born(
    session: Session, rules: Sequence[Rule], rule: Rule, room: Room, person: Participant | None, now: Ms
) -> Session:
    identity = person.known_as if person is not None and rule.policy.per == "participant" else ""
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
    found = aimed(rule, room, person)
    want = with_targets(want, found)
    entry = Entry(at=now, said=Said.WANTED, want=want.key, agent=str(want.next_target))
    return _tell_unnamed(tell(with_want(session, want), entry), want, found, now)


def _tell_unnamed(session: Session, want: Want, found: Aimed, now: Ms) -> Session:
    for why in found.failed:
        session = tell(session, Entry(at=now, said=Said.UNNAMED, want=want.key, reason=why))
    return session


def _idle(want: Want) -> bool:
    """Nobody waits for it, and nothing of it is left that would have to be taken back."""
    owed = any(attempt.retract_at and attempt.shows for attempt in want.attempts)
    return not (want.open or want.attended or owed or want.policy.on == "room")


def _overflow(session: Session, want: Want, now: Ms) -> Session:
    if session.overflow:
        return session
    return tell(replace(session, overflow=True), Entry(at=now, said=Said.OVERFLOW, want=want.key))
