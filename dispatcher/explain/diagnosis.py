"""How a session stands, for somebody with a caller on the line: verdict, who waits since when, what comes next, why."""

from collections.abc import Iterator
from typing import Final, assert_never

from dispatcher.core.facts import Ms
from dispatcher.core.rules import is_launch
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.text import visible
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.core.verdicts import JOB_SUCCEEDED, LEFT_AGAIN, SAID_DONE, confirming_since
from dispatcher.explain.causes import WAITING, causes, last_failure
from dispatcher.explain.known import NOTHING, Known
from dispatcher.explain.narrative import how_ended, unrequested
from dispatcher.explain.pauses import paused_by
from dispatcher.explain.words import about, at_utc, named, people, span

LATE_MS: Final = 3_000  # an agent that took longer to come came late: a healthy one needs 0.3 s (docs/livekit.md §0)

_CREATED: Final = (Said.ASSIGNMENT_CREATED, Said.AGENT_ORDERED)
_DONE: Final = {
    SAID_DONE: "its agent {done}",
    JOB_SUCCEEDED: "its agent's job ended well",
    LEFT_AGAIN: "its agent left twice in a row, soon after it had come, and did not say that it was done; "
    "see its worker's log, or let it set `dispatcher.done` (docs/agents.md)",
}


def diagnosis(session: Session, known: Known = NOTHING) -> list[str]:
    """A line for each assignment, those without an agent first; then what else is remarkable in the room."""
    if session.finished:
        return ["The room has ended."]
    if not session.assignments:
        return [visible(" ".join([_without_rule(session, known), *_outsiders(session)]))]
    several = len(session.assignments) > 1
    ordered = sorted(session.assignments, key=lambda one: one.state not in WAITING)
    lines = [_line(session, one, known, several=several) for one in ordered]
    if not any(one.state in WAITING for one in session.assignments):
        lines += _outsiders(session)
    return [visible(line) for line in lines]


def _without_rule(session: Session, known: Known) -> str:
    """Why there is no assignment at all."""
    if known.look is None and not session.looked_at:
        return "Not known yet: no look at the room has succeeded."
    if known.look is not None and known.look.room is None:
        return "LiveKit does not list the room any more."
    there = [one for one in known.look.participants if one.active and one.is_person] if known.look else []
    if known.look is not None and not there:
        return "Nobody has joined yet for whom an agent could be wanted."
    if there:
        return f"No rule asks for an agent here: none applies to {people(there)}."
    return "No rule asks for an agent here, or nobody for whom one does has joined."


def _line(session: Session, assignment: Assignment, known: Known, *, several: bool) -> str:
    whose = f"{assignment.key}: " if several else ""
    return whose + " ".join([*_sentences(session, assignment, known), *_pauses(assignment, known)])


def _outsiders(session: Session) -> list[str]:
    """Agents that nobody asked for, once they have been told of."""
    told = [entry for entry in session.timeline if entry.said is Said.AGENT_UNREQUESTED]
    if not (told and session.unattributed and session.unrequested_announced):
        return []
    sentence = unrequested(told[-1])
    return [f"{sentence[:1].upper()}{sentence[1:]}."]


def _sentences(session: Session, assignment: Assignment, known: Known) -> Iterator[str]:
    state = assignment.state
    match state:
        case State.SERVED if assignment.served_by_name:
            yield (
                "Served for now: an agent of its name is here, and no job explains it; "
                f"after {span(assignment.policy.join_within)} another is asked for."
            )
        case State.SERVED:
            yield _served(session, assignment, known.now)
        case State.FINISHED:
            later = "Only another order brings one." if assignment.request else "Who joins later gets an agent again."
            yield f"Finished: {_why_done(session, assignment)}. {later}"
        case State.IDLE:
            yield "Nobody waits for an agent now."
        case State.PAUSED:
            yield (
                f"Paused: {_who_waits(session, assignment, known)}; "
                "its agent is asked for within seconds once a pause ends."
            )
        case State.WAITING | State.REQUESTED | State.STARVED:
            yield from _missing(session, assignment, known)
        case _:
            assert_never(state)


def _pauses(assignment: Assignment, known: Known) -> Iterator[str]:
    """Which of its agents are paused, of one that has or wants one."""
    if assignment.state in {State.FINISHED, State.IDLE}:
        return
    for agent in dict.fromkeys(target.name for target in assignment.policy.targets):
        if agent in known.paused:
            yield f"`{agent}` is {paused_by(known.paused[agent], known.now)}."


# An agent is missing ------------------------------------------------------------------------------------------------


def _missing(session: Session, assignment: Assignment, known: Known) -> Iterator[str]:
    who = _who_waits(session, assignment, known)
    if _simulated(session, assignment):
        yield f"Dry run: {who}, and {named(assignment.next_target)} would have been asked for; nobody is."
        return
    if assignment.unnamed:
        yield f"No agent: {who}; the rule's expressions name no agent{_unnamed(session, assignment)}."
        return
    verdict = "No agent" if last_failure(assignment) else "No agent yet"
    yield f"{verdict}: {who}; {_next(session, assignment, known.now)}."
    yield from causes(session, assignment, known)


def _who_waits(session: Session, assignment: Assignment, known: Known) -> str:
    since = assignment.waiting_since or _created_at(session, assignment)
    span_waited = f" for {about(known.now - since)}, since {at_utc(since)}" if since else ""
    return f"{_who(assignment, known)} waited{span_waited}"


def _who(assignment: Assignment, known: Known) -> str:
    """Who waits, as LiveKit shows them; else as much as the session remembers."""
    if assignment.policy.trigger == "room_started":
        return "the room has"
    present = known.look.participants if known.look else ()
    there = [one for one in present if one.active and one.is_person and one.kind in assignment.policy.kinds]
    mine = [one for one in there if assignment.identity in {"", one.known_as}]
    if not mine:
        return f"{assignment.identity or 'somebody'} has"
    return f"{people(mine)} {'has' if len(mine) == 1 else 'have'}"


def _next(session: Session, assignment: Assignment, now: Ms) -> str:
    """What is under way, or when the next attempt comes."""
    if assignment.open:
        attempt = assignment.open[-1]
        to_come = _given_up(assignment, attempt)
        if confirming_since(session, assignment.policy, attempt) is None:
            to_come = "LiveKit has no job for it until somebody publishes a track"
        begun = about(now - attempt.started_at)
        return f"attempt {attempt.number}, at {named(attempt.target)}, has been under way for {begun}; {to_come}"
    coming = f"the next attempt, at {named(assignment.next_target)}, "
    if assignment.due_at <= now:
        return f"{coming}is due now"
    return f"{coming}comes in {about(assignment.due_at - now)}, at {at_utc(assignment.due_at)}"


def _given_up(assignment: Assignment, attempt: Attempt) -> str:
    """When the attempt is given up."""
    policy = assignment.policy
    if not attempt.launched:
        return f"without a job it is given up after {span(policy.confirm_within)}"
    if attempt.dispatch:
        return f"its process runs, and is given up if it has not joined after {span(policy.join_within)}"
    return f"no launcher has answered; unless its process joins it is given up after {span(policy.confirm_within)}"


def _simulated(session: Session, assignment: Assignment) -> bool:
    mine = [entry for entry in session.timeline if entry.assignment == assignment.key]
    return bool(mine) and mine[-1].said is Said.DISPATCH_SIMULATED


def _unnamed(session: Session, assignment: Assignment) -> str:
    why = [e.reason for e in session.timeline if e.said is Said.AGENT_UNNAMED and e.assignment == assignment.key]
    return f" ({why[-1]})" if why else ""


def _created_at(session: Session, assignment: Assignment) -> Ms:
    first = _first(session, assignment, *_CREATED)
    return first.at if first else 0


def _first(session: Session, assignment: Assignment, *said: Said) -> Entry | None:
    mine = (entry for entry in session.timeline if entry.assignment == assignment.key)
    return next((entry for entry in mine if entry.said in said), None)


# An agent is there, or has been -------------------------------------------------------------------------------------


def _served(session: Session, assignment: Assignment, now: Ms) -> str:
    serving = assignment.serving
    if serving is None:
        return "Served."
    joined, since = _first(session, assignment, Said.AGENT_JOINED), serving.agent_seen_at
    if joined is not None and joined.number == serving.number:
        since = _came_at(assignment, joined, serving.started_at)
    there = f" for {about(now - since)}, since {at_utc(since)}" if since else ""
    return f"Served: {named(serving.target)} has been in the room{there}.{_late(session, assignment)}"


def _came_at(assignment: Assignment, joined: Entry, asked_at: Ms) -> Ms:
    """When the agent was there. Whose it is may be known seconds later: LiveKit lists some jobs late.

    Of an agent that was ordered only this is known: since when it has been seen.
    """
    began_at = assignment.ordered_at or assignment.first_waiting_at
    if joined.took is None or not began_at:
        return joined.at
    return min(max(began_at + joined.took, asked_at), joined.at)  # a person's joining is told by LiveKit's clock


def _late(session: Session, assignment: Assignment) -> str:
    """How late the first agent came, and why; nothing where it came soon."""
    joined = _first(session, assignment, Said.AGENT_JOINED)
    if joined is None or (joined.took or 0) < LATE_MS:
        return ""
    delays = list(_delays(session, assignment, joined)) or ["the service heard late of who had joined"]
    since = "it was ordered" if assignment.request else "the first person"
    return f" It came {about(joined.took or 0)} after {since}: {'; '.join(delays)}."


def _delays(session: Session, assignment: Assignment, joined: Entry) -> Iterator[str]:
    """Why it took so long, in the order of the delays."""
    if any(entry.said is Said.ROOM_FOUND and entry.at <= joined.at for entry in session.timeline):
        yield "no webhook came, the sweep found the room"
    mine = [one for one in session.timeline if one.assignment == assignment.key and one.at <= joined.at]
    ended = [one for one in mine if one.said is Said.ATTEMPT_ENDED]
    yield from (f"attempt {one.number} at {one.agent}: {how_ended(one)}" for one in ended)
    created = _first(session, assignment, *_CREATED)
    asked = next((one for one in mine if one.said is Said.DISPATCH_REQUESTED and one.number == joined.number), None)
    if created is None or asked is None or ended:
        return
    if asked.at - created.at >= LATE_MS:
        paused = next((f"{one.agent} was paused" for one in mine if one.said is Said.ASSIGNMENT_PAUSED), "")
        why = paused or "creates take turns, or LiveKit did not answer"
        yield f"it was asked for {about(asked.at - created.at)} late: {why}"
    took = _came_at(assignment, joined, asked.at) - asked.at
    if took >= LATE_MS:
        yield f"its {'process' if is_launch(joined.agent) else 'worker'} took {about(took)}"


def _why_done(session: Session, assignment: Assignment) -> str:
    ends = (entry for entry in reversed(session.timeline) if entry.verdict and entry.assignment == assignment.key)
    end = next(ends, None)
    if end is None:
        return "the agent left on purpose"
    if end.verdict is Verdict.CANCELLED:
        return "somebody cancelled it"
    if end.verdict is Verdict.REMOVED:
        return "somebody removed its agent"
    known = next((told for start, told in _DONE.items() if end.done.startswith(start)), None)
    return (known or "its agent left, and the rule takes that for done: see `on_finish`").format(done=end.done)
