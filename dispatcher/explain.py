"""A session told as a story: a line for each entry of its timeline, and last the likeliest cause and what to do.

Names are written as `visible` shows them: people read this on terminals.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target, WorkerType
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.text import visible
from dispatcher.core.timeline import Because, Deadline, Entry, Said, Verdict
from dispatcher.core.verdicts import JOB_SUCCEEDED, LEFT_AGAIN, SAID_DONE
from dispatcher.core.workers import FULL, Missing, Sighting, WorkersSeen

SENTENCES: Final = {
    Said.ASSIGNMENT_CREATED: "{assignment} needs an agent: {agent}",
    Said.DISPATCH_REQUESTED: "asked for {agent} (attempt {number})",
    Said.DISPATCH_ADOPTED: "found a dispatch of {agent} ({reason}), took it as attempt {number}",
    Said.DISPATCH_FOUND: "found the dispatch of attempt {number}, whose answer was lost",
    Said.DISPATCH_DUPLICATED: "another process, with a ledger of its own, made attempt {number} too",
    Said.AGENT_JOINED: "{agent} is in the room (attempt {number})",
    Said.ATTEMPT_ENDED: "attempt {number} at {agent} ended: {verdict}",
    Said.ATTEMPT_REOPENED: "the agent of attempt {number} came after all",
    Said.ASSIGNMENT_STARVED: "every target of {assignment} has been tried; goes on slowly",
    Said.ASSIGNMENT_RENEWED: "somebody new came: {assignment} needs an agent again",
    Said.ASSIGNMENT_PAUSED: "{agent} is paused: {assignment} waits",
    Said.ASSIGNMENT_RESUMED: "{agent} is paused no longer: {assignment} goes on",
    Said.TARGET_SKIPPED: "{agent} is paused: the next target is tried",
    Said.TARGET_BYPASSED: "no agent of {agent} is seen in any room: another target is asked",
    Said.ATTEMPT_RETRACTED: "taking back what is left of attempt {number}: {part}",
    Said.DISPATCH_UNANSWERED: "nobody knows whether LiveKit took attempt {number}: {reason}",
    Said.AGENT_UNREQUESTED: "an agent is in the room that no rule asked for: {agent}",
    Said.ASSIGNMENT_OMITTED: "too many assignments in one room: {assignment} is left out",
    Said.ROOM_UNLISTED: "LiveKit does not list the room",
    Said.ROOM_FINISHED: "the room has ended: {reason}",
    Said.AGENT_UNNAMED: "no agent could be computed for {assignment}: {reason}",
    Said.DEPLOYMENT_IGNORED: "LiveKit ignored the deployment asked for: a server before 1.12.0 does not know them",
    Said.DISPATCH_SIMULATED: "dry run: would have asked for {agent}",
    Said.RULE_REMOVED: "the rule of {assignment} is no longer configured: its agent is asked for without metadata",
    Said.ROUNDS_EXCEEDED: "a defect: the session needed more steps than one drive may take; it goes on in 1 s",
    Said.PASSES_EXCEEDED: "a defect: one look needed more passes than it may take; the next look judges what is left",
}

NOT_ASKED: Final = WorkersSeen()

_WAITING: Final = frozenset({State.WAITING, State.REQUESTED, State.STARVED})
_CAUSES: Final = {
    Verdict.SILENT: "no worker took the job within {confirm}{times}; is one registered as {target}, with room for it?",
    Verdict.NO_SHOW: "a worker took the job and no agent joined within {join}{times}; see the worker of {target}",
    Verdict.REJECTED: "the worker of {target} said no{times}; see its request handler",
    Verdict.REFUSED: "LiveKit refuses the request{times}, or ignores its deployment; is that of {target} right?",
    Verdict.UNSENT: "LiveKit was not reached, or said no{times}; is it up, the key right, the quota not used up?",
    Verdict.VANISHED: "somebody deleted the dispatch of {target} before its agent came{times}",
    Verdict.FAILED: "the agent of {target} left within {stay}{times}; does its job raise at the start?",
    Verdict.CRASHED: "the agent of {target} was lost{times}; see its worker's log at that time",
    Verdict.LEFT: "the agent of {target} left{times} and had not said that it was done, so it is replaced; "
    "if it was done, let it set `dispatcher.done` before it leaves (docs/agents.md)",
}

_DONE: Final = {
    SAID_DONE: "its agent {done}",
    JOB_SUCCEEDED: "its agent's job ended well",
    LEFT_AGAIN: "its agent left twice in a row, soon after it had come, and did not say that it was done; "
    "see its worker's log, or let it set `dispatcher.done` (docs/agents.md)",
}


def narrative(session: Session) -> Iterator[str]:
    """The timeline in words, each line with its time (UTC) and, where it says something, how long it took."""
    for entry in session.timeline:
        yield visible(f"{clock(entry.at)}  {_sentence(entry)}")


def diagnosis(session: Session, seen: WorkersSeen = NOT_ASKED) -> str:
    """How the session stands, and, where an agent is missing, the likeliest reason and what to look at.

    `seen` is what workers say of themselves.
    """
    if session.finished:
        return "The room has ended."
    if not session.assignments:
        return "No rule asks for an agent here, or nobody for whom one does has joined."
    return visible(" ".join(_standing(session, one) + _of_workers(one, seen) for one in session.assignments))


def _sentence(entry: Entry) -> str:
    fields = {
        "assignment": entry.assignment,
        "number": entry.number,
        "agent": entry.agent or "not named yet",
        "verdict": entry.verdict,
        "part": entry.part,
        "reason": entry.reason,
    }
    took = f", {entry.took / 1000:.2f} s" if entry.took is not None else ""
    told = SENTENCES[entry.said]
    if entry.said is Said.ATTEMPT_ENDED and (why := entry.done or entry.reason):
        told += f" {why}"
    if entry.patience is not None:
        return told.format(**fields) + f" after {(entry.took or 0) / 1000:.1f} s: {_why_then(entry.patience)}"
    if entry.said is Said.ATTEMPT_RETRACTED and entry.reason:
        told = "could not take back what is left of attempt {number}: {reason}"
    return told.format(**fields) + took


def _why_then(patience: Deadline) -> str:
    match patience.because:
        case Because.LIMIT:
            return "no job within `confirm_within`"
        case Because.FEW:
            return "no job comes later while few agents are asked for"
        case Because.FAST:
            return f"its agents come in {patience.usual / 1000:.1f} s"
        case Because.QUEUED:
            return "its job still waits in LiveKit's queue"
        case Because.CIRCUIT:
            return "no agent of it is seen in any room"
        case _:
            assert_never(patience.because)


def _standing(session: Session, assignment: Assignment) -> str:
    state = assignment.state
    match state:
        case State.SERVED if assignment.served_by_name:
            soon = f"after {_span(assignment.policy.join_within)} another is asked for"
            return f"{assignment.key}: an agent of its name is here, and no job explains it; {soon}."
        case State.SERVED:
            return f"{assignment.key}: served."
        case State.FINISHED:
            return f"{assignment.key}: finished; {_why_done(session, assignment)}. Who joins later gets one again."
        case State.IDLE:
            return f"{assignment.key}: nobody waits."
        case State.PAUSED:
            return (
                f"{assignment.key}: paused; out of the configuration's `paused`, its agent is asked for within seconds."
            )
    if assignment.unnamed:
        return f"{assignment.key}: {state}; the rule's expressions name no agent; `dispatcher rules explain` shows why."
    failed = _last_failure(assignment)
    if failed is None:
        return f"{assignment.key}: {state}; the first attempt is under way."
    return f"{assignment.key}: {state}; {_likeliest_cause(assignment, failed)}"


def _why_done(session: Session, assignment: Assignment) -> str:
    ends = (entry for entry in reversed(session.timeline) if entry.verdict and entry.assignment == assignment.key)
    end = next(ends, None)
    if end is None:
        return "the agent left on purpose"
    if end.verdict is Verdict.REMOVED:
        return "somebody removed its agent"
    known = next((told for start, told in _DONE.items() if end.done.startswith(start)), None)
    return (known or "its agent left, and the rule takes that for done: see `on_finish`").format(done=end.done)


def _last_failure(assignment: Assignment) -> Attempt | None:
    return next((one for one in reversed(assignment.attempts) if one.verdict in _CAUSES), None)


def _likeliest_cause(assignment: Assignment, attempt: Attempt) -> str:
    policy = assignment.policy
    times = sum(1 for one in assignment.attempts if one.verdict is attempt.verdict and one.target == attempt.target)
    return _CAUSES[attempt.verdict or Verdict.SILENT].format(
        target=_named(attempt.target),
        times=f", {times} times" if times > 1 else "",
        confirm=_span(attempt.patience.after if attempt.patience else policy.confirm_within),
        join=_span(policy.join_within),
        stay=_span(policy.min_stay),
    )


def _of_workers(assignment: Assignment, seen: WorkersSeen) -> str:
    """What the workers say that it waits for; nothing where none is asked, or none answers."""
    if assignment.state not in _WAITING or assignment.unnamed or not seen.answering:
        return ""
    failed = _last_failure(assignment)
    agent = failed.target.agent if failed else assignment.next_target.agent
    return f" {_workers(agent, assignment.policy.worker_type, seen)}".rstrip()


def _workers(agent: str, wanted: WorkerType, seen: WorkersSeen) -> str:
    sighting = seen.of(agent)
    if not sighting or not sighting.workers:
        return _nobody(agent, sighting, seen)
    whose = "Its only worker" if len(sighting.workers) == 1 else f"Each of its {len(sighting.workers)} workers"
    types = {one.type for one in sighting.workers}
    if f"JT_{wanted.upper()}" not in types:
        return f"{whose} is registered as {', '.join(sorted(types))}; the rule asks for `worker_type: {wanted}`."
    if not any(one.ready for one in sighting.workers):
        return f"{whose} says that it is not ready; see its log."
    loads = [one.load for one in sighting.workers if one.load is not None]
    if len(loads) == len(sighting.workers) and min(loads) >= FULL:
        return f"{whose} reports load {min(loads):.2f} of {FULL}, and takes no job unless its limit is higher."
    return ""


def _nobody(agent: str, sighting: Sighting | None, seen: WorkersSeen) -> str:
    others = ", ".join(f"`{name}` x{count}" for name, count in seen.registered.items() if name)
    silent = sum(1 for answer in seen.answers.values() if isinstance(answer, Missing))
    parts = [f"No worker that answers is registered as `{agent}`"]
    if others:
        parts.append(f"seen: {others}")
    if sighting:
        parts.append(f"`{agent}` was last seen {_ago(seen.at - sighting.last_seen_at)}")
    if silent:
        parts.append(f"{silent} of {len(seen.answers)} addresses do not answer")
    return f"{'; '.join(parts)}."


def _ago(span: Ms) -> str:
    seconds = max(0, span) // 1000
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"


def _named(target: Target) -> str:
    return f"`{target.agent}`, deployment `{target.deployment}`" if target.deployment else f"`{target.agent}`"


def _span(span: Ms) -> str:
    return f"{span / 1000:g} s"


def clock(at: Ms) -> str:
    """The time of day in UTC: of an instant handed in, without asking any clock."""
    seconds, ms = divmod(at, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours % 24:02}:{minute:02}:{second:02}.{ms:03}"
