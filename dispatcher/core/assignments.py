"""Which assignments a session has: rules in order, for each the people present, by time of joining.

At most one `per: room` assignment in a session, unless the rule that matched says `continue`: a caller and a supervisor
who match two rules do not get two agents. What a rule computes of its agents is computed anew at each look until one of
them has been asked for: metadata may be set after a room has started, and no webhook says so.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from dispatcher.core import retries
from dispatcher.core.audience import Audience
from dispatcher.core.closing import pay
from dispatcher.core.facts import Ms, Participant, Room
from dispatcher.core.orders import idle
from dispatcher.core.rules import Aimed, Rule, aimed, named
from dispatcher.core.session import ASSIGNMENTS_MAX, Assignment, Session, with_assignment, with_entry
from dispatcher.core.timeline import Entry, Said, Verdict


def assign(session: Session, rules: Sequence[Rule], audience: Audience, now: Ms) -> Session:
    """Every assignment that the rules ask for now is there; those already there are left as they are."""
    room = audience.room
    for rule in rules:
        if rule.name in audience.for_room:
            session = _assigned(session, rules, rule, room, None, now)
        wanted = audience.wanted.get(rule.name, ())
        if rule.policy.per == "participant":
            session = _assigned_each(session, rules, rule, room, wanted, now)
        elif wanted:  # the others would change nothing
            session = _assigned(session, rules, rule, room, wanted[0], now)
    return session


def _assigned_each(
    session: Session, rules: Sequence[Rule], rule: Rule, room: Room, people: Sequence[Participant], now: Ms
) -> Session:
    """Each of them has an assignment, as far as there is room: once there is none, only for those with a remnant."""
    known = {one.identity: one.remnant for one in session.assignments if one.rule == rule.name and not one.request}
    full = False
    for person in people:
        remnant = known.get(person.known_as)
        if remnant is False or (full and not remnant):
            continue
        before, session = session, _assigned(session, rules, rule, room, person, now)
        full = full or session.assignments is before.assignments
    return session


def retarget(session: Session, rules: Sequence[Rule], audience: Audience, now: Ms) -> Session:
    """Assignments for which nobody has been asked, or could be, have the targets that their rules give now.

    One that still has none is starved; it is looked at again every `retry_every`.
    """
    for assignment in session.assignments:
        rule = named(rules, assignment.rule)
        if rule is not None and (
            assignment.unnamed or (rule.aim is not None and assignment.needs_attempt and not assignment.last_number)
        ):
            found = aimed(rule, audience.room, subject_of(assignment, audience))
            session = _aim(session, assignment, found, now)
    return session


def _aim(session: Session, assignment: Assignment, found: Aimed, now: Ms) -> Session:
    if found.targets != assignment.policy.targets:
        assignment = retries.renewed(with_targets(assignment, found))
        session = _tell_unnamed(with_assignment(session, assignment), assignment, found, now)
    if assignment.unnamed and assignment.due_at <= now:
        return pay(session, assignment.key, Verdict.REFUSED, now)
    return session


def with_targets(assignment: Assignment, found: Aimed) -> Assignment:
    """The assignment is one for these targets."""
    return replace(assignment, policy=replace(assignment.policy, targets=found.targets))


def subject_of(assignment: Assignment, audience: Audience) -> Participant | None:
    """Whom its agent and its metadata are computed for: the earliest whom its rule applies to, else the earliest there.

    A person to whom an earlier rule applies, that does not say `continue`, is that rule's.
    """
    if assignment.policy.trigger == "room_started":
        return None
    waiting = audience.waiting_for(assignment)
    matched = {one.sid for one in audience.wanted.get(assignment.rule, ())}
    return next((one for one in waiting if one.sid in matched), waiting[0] if waiting else None)


def may_be_assigned(
    session: Session, rules: Sequence[Rule], person: Participant | None, asked_for: Collection[str] | None = None
) -> bool:
    """Whether a look could show a new assignment for this person (None: for the room itself).

    `asked_for` are the rules that apply to them, by name; where that is not known, at worst it is a look too many.
    """
    return any(
        (asked_for is None or rule.name in asked_for)
        and _open_to(rule, person)
        and _unassigned(session, rules, rule, person)
        for rule in rules
    )


def _open_to(rule: Rule, person: Participant | None) -> bool:
    if person is None:
        return rule.policy.trigger == "room_started"
    return rule.policy.trigger == "participant_joined" and person.kind in rule.policy.kinds


def _unassigned(session: Session, rules: Sequence[Rule], rule: Rule, person: Participant | None) -> bool:
    if rule.policy.per == "participant" and person is not None:
        return _missing(session, f"{rule.name}/{person.known_as}")
    return _missing(session, rule.name) and not taken(session, rules, rule)


def taken(session: Session, rules: Sequence[Rule], rule: Rule) -> bool:
    """Whether the session's one `per: room` assignment is there already, and the rule does not say `continue`."""
    if rule.go_on or rule.policy.per == "participant":
        return False
    going_on = {other.name for other in rules if other.go_on}
    return any(
        one.policy.per == "room" and one.rule not in going_on and not (one.remnant or one.request)
        for one in session.assignments
    )


def _missing(session: Session, key: str) -> bool:
    assignment = session.find(key)
    return assignment is None or assignment.remnant


def _assigned(
    session: Session, rules: Sequence[Rule], rule: Rule, room: Room, person: Participant | None, now: Ms
) -> Session:
    identity = person.known_as if person is not None and rule.policy.per == "participant" else ""
    assignment = Assignment(
        rule=rule.name,
        policy=rule.policy,
        identity=identity,
        attended=person is not None,
        first_waiting_at=person.joined_at if person is not None else 0,
        invited_at=person.invited_at if person is not None else 0,
    )
    if not _missing(session, assignment.key) or taken(session, rules, rule):
        return session
    remnant = session.find(assignment.key)
    if remnant is not None:
        assignment = replace(assignment, attempts=remnant.attempts, last_number=remnant.last_number)
    elif len(session.assignments) >= ASSIGNMENTS_MAX:
        spare = idle(session)
        if spare is None:
            return _overflow(session, assignment, now)
        session = replace(session, assignments=tuple(old for old in session.assignments if old is not spare))
    found = aimed(rule, room, person)
    assignment = with_targets(assignment, found)
    entry = Entry(at=now, said=Said.ASSIGNMENT_CREATED, assignment=assignment.key, agent=str(assignment.next_target))
    return _tell_unnamed(with_entry(with_assignment(session, assignment), entry), assignment, found, now)


def _tell_unnamed(session: Session, assignment: Assignment, found: Aimed, now: Ms) -> Session:
    for why in found.failed:
        session = with_entry(session, Entry(at=now, said=Said.AGENT_UNNAMED, assignment=assignment.key, reason=why))
    return session


def _overflow(session: Session, assignment: Assignment, now: Ms) -> Session:
    if session.overflow_announced:
        return session
    return with_entry(
        replace(session, overflow_announced=True),
        Entry(at=now, said=Said.ASSIGNMENT_OMITTED, assignment=assignment.key),
    )
