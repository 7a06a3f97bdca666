"""What somebody orders of a session over the API, and what an order adds to it.

An order is an event like any other: the ledger has it before anybody is answered, it comes once or several times, and
it does nothing by itself. An agent that was asked for becomes an assignment beside those of the rules: confirmed,
retried, replaced and taken back like them.
"""

from typing import Final, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import retries
from dispatcher.core.closing import close
from dispatcher.core.facts import KINDS, Ms
from dispatcher.core.rules import Per, Policy, Target, Trigger
from dispatcher.core.session import ASSIGNMENTS_MAX, Assignment, Session, request_key, with_assignment, with_entry
from dispatcher.core.text import IDENTITY_MAX, brief
from dispatcher.core.timeline import Entry, Said, Verdict

SEALED_MAX: Final = 49_152  # characters of sealed metadata in one session, of some 128 kB that a record may have
_POLICY: Final = Policy(targets=())


class RequestAgent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="request_agent"):
    """An agent for the session, or for one participant, whatever the rules say. The same `id` is the same agent."""

    id: str = ""
    policy: Policy
    identity: str = ""  # for whom
    rule: str = ""  # whose agent, limits and metadata it has
    sealed: str = ""  # metadata of its own, which only `runtime.sealing` can read


class CancelAssignment(Struct, frozen=True, kw_only=True, tag="cancel_assignment"):
    """Its agent goes, and nobody is given to those who are there now."""

    assignment: str


class RetryAssignment(Struct, frozen=True, kw_only=True, tag="retry_assignment"):
    """It has its whole budget again, now: one that starves, waits or is done."""

    assignment: str


Order: TypeAlias = RequestAgent | CancelAssignment | RetryAssignment


def carry_out(session: Session, order: Order, by: str, now: Ms) -> Session:
    """The session as whoever `by` names has ordered it; a look follows. What is not there stays as it is."""
    match order:
        case RequestAgent():
            after = request(session, order, by, now)
        case CancelAssignment(assignment=key):
            after = _cancel(session, key, by, now)
        case RetryAssignment(assignment=key):
            after = _retry(session, key, by, now)
        case _:
            assert_never(order)
    return replace(after, stale=True)


def ordered(key: str, target: Target) -> RequestAgent | None:
    """The order that a dispatch's tag shows, where the ledger has lost it; None: no order made it.

    For whom it was and what its metadata said is lost: a later attempt goes without.
    """
    _, _, id_ = key.partition(":")
    return replace(request_for((target,)), id=id_) if id_ and key == request_key(id_) else None


def request_for(
    targets: tuple[Target, ...], policy: Policy = _POLICY, *, identity: str = "", rule: str = ""
) -> RequestAgent:
    """The order of an agent, as a session may remember it; its id and its metadata are not there yet."""
    identity = brief(identity, IDENTITY_MAX)
    return RequestAgent(policy=policy_for(targets, policy, identity), identity=identity, rule=rule)


def policy_for(targets: tuple[Target, ...], policy: Policy = _POLICY, identity: str = "") -> Policy:
    """How an ordered agent is served: at once, with the limits of `policy`, for the room or for that identity."""
    trigger: Trigger = "participant_joined" if identity else "room_started"
    per: Per = "participant" if identity else "room"
    return replace(policy, targets=targets, trigger=trigger, per=per, kinds=KINDS)


def room_for(session: Session, sealed: str = "") -> bool:
    """Whether one more agent can be asked for, with so much metadata."""
    kept = sum(len(one.sealed) for one in session.assignments) + len(sealed)
    return kept <= SEALED_MAX and (len(session.assignments) < ASSIGNMENTS_MAX or idle(session) is not None)


def request(session: Session, order: RequestAgent, by: str, now: Ms) -> Session:
    """The assignment of the order is there, unless it has been already; without room for one more, that is told."""
    assignment = Assignment(
        rule=order.rule,
        request=order.id,
        ordered_at=now,
        policy=order.policy,
        identity=order.identity,
        sealed=order.sealed,
    )
    if session.find(assignment.key):
        return session
    entry = Entry(at=now, said=Said.AGENT_ORDERED, assignment=assignment.key, agent=str(assignment.next_target), by=by)
    if not room_for(session, order.sealed):
        return with_entry(session, Entry(at=now, said=Said.ASSIGNMENT_OMITTED, assignment=assignment.key, by=by))
    if len(session.assignments) >= ASSIGNMENTS_MAX:
        spare = idle(session)
        session = replace(session, assignments=tuple(old for old in session.assignments if old is not spare))
    return with_entry(with_assignment(session, assignment), entry)


def idle(session: Session) -> Assignment | None:
    """The first assignment for which nobody waits, and of which nothing is to be taken back; None: there is none."""
    return next((one for one in session.assignments if _spare(one)), None)


def _spare(one: Assignment) -> bool:
    owed = any(attempt.retract_at and attempt.shows for attempt in one.attempts)
    always = one.policy.trigger == "room_started" and not (one.request and one.finished_at)
    return not (one.open or one.attended or owed or always)


def _cancel(session: Session, key: str, by: str, now: Ms) -> Session:
    assignment = session.find(key)
    if assignment is None or assignment.remnant or (assignment.finished_at and not assignment.open):
        return session
    session = with_entry(session, Entry(at=now, said=Said.ASSIGNMENT_CANCELLED, assignment=key, by=by))
    for attempt in assignment.open:
        session = close(session, key, attempt.number, Verdict.CANCELLED, now)
    done = replace(session.assignment(key), finished_at=now, cancelled=True)
    return with_assignment(session, done)


def _retry(session: Session, key: str, by: str, now: Ms) -> Session:
    assignment = session.find(key)
    if assignment is None or assignment.remnant or assignment.serving is not None:
        return session
    renewed = replace(retries.renewed(assignment), cancelled=False, crashes=0, slot_at=0)
    return with_entry(
        with_assignment(session, renewed), Entry(at=now, said=Said.ASSIGNMENT_RETRIED, assignment=key, by=by)
    )
