"""The likeliest cause of a missing agent, and what to look at: of the last attempt that failed."""

from typing import Final

from dispatcher.core.facts import is_probe
from dispatcher.core.rules import Target, WorkerType
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.text import visible
from dispatcher.core.timeline import Said, Verdict
from dispatcher.core.workers import FULL, Missing, Sighting, WorkersSeen
from dispatcher.explain.known import NOTHING, Known
from dispatcher.explain.narrative import CONNECTION_TIMEOUT, NAMELESS_WORKER
from dispatcher.explain.service import FAILURES, ended
from dispatcher.explain.words import ago, at_utc, named, span

WAITING: Final = frozenset({State.WAITING, State.REQUESTED, State.STARVED, State.PAUSED})  # somebody lacks an agent
_CAUSES: Final = {
    Verdict.SILENT: "No worker took the job within {confirm}{times}: is one registered as {target}, with room for it?",
    Verdict.NO_SHOW: "A worker took the job and no agent joined within {join}{times}: see the log of {target}.",
    Verdict.REJECTED: "The worker of {target} said no{times}: see its request handler.",
    Verdict.REFUSED: "LiveKit refuses the request{times}, or ignores its deployment: is that of {target} right?",
    Verdict.UNSENT: "LiveKit was not reached, or said no{times}: {failure}",
    Verdict.VANISHED: "Somebody deleted the dispatch of {target} before its agent came{times}.",
    Verdict.FAILED: "The agent of {target} joined and left within {stay}{times}: does its job raise at the start?",
    Verdict.CRASHED: "The process of {target}'s agent was lost{times}{noticed}: see its worker's log.",
    Verdict.LEFT: "The agent of {target} left{times} and had not said that it was done, so it is replaced; "
    "if it was done, let it set `dispatcher.done` before it leaves (docs/agents.md).",
}
_OF_LAUNCHES: Final = _CAUSES | {
    Verdict.SILENT: "No launcher of {target} has answered{times}, and nothing joined within {confirm}: see their logs.",
    Verdict.NO_SHOW: "The process of {target} ran and did not join within {join}{times}: its launcher has what it wrote"
    "{launch}.",
    Verdict.REJECTED: "No launcher of {target} could start a process{times}: {declined}.",
    Verdict.REFUSED: "The launchers of {target} refuse the request{times} ({reason}): are they of this release, with "
    "this project's key and LiveKit?",
    Verdict.FAILED: "The process of {target} joined and left within {stay}{times}: does it fail at the start?",
    Verdict.CRASHED: "The process of {target} was lost{times}{noticed}: its launcher has what it wrote{launch}.",
}
_DECLINED: Final = {
    "at_capacity": "all their places are taken; raise `limit`, or add a launcher",
    "unreachable": "none is reached at its `urls`",
    "stopping": "those that answer are being stopped",
    "not_started": "the command cannot be run; see their logs",
    "token_spent": "the process that had been started has ended; see its launcher's log",
}
_DENIED: Final = frozenset({Verdict.SILENT, Verdict.UNSENT, Verdict.REFUSED})  # no worker can have had the job


def last_failure(assignment: Assignment) -> Attempt | None:
    """The newest attempt that failed; None: none did."""
    return next((one for one in reversed(assignment.attempts) if one.verdict in _CAUSES), None)


def causes(session: Session, assignment: Assignment, known: Known) -> list[str]:
    """Sentences on why its agent is missing, the likeliest first; none where nothing has failed yet."""
    failed = last_failure(assignment)
    target = failed.target if failed else assignment.next_target
    wanted = target.agent
    silent = failed is not None and failed.verdict is Verdict.SILENT
    told = [_likeliest(session, assignment, failed)] if failed else []
    if not target.launcher and (not failed or failed.verdict in _DENIED):
        told += _strangers(session, wanted, known)
        told += _unseen(wanted, known) if silent else ()
    if said := _of_probes(session, failed.target if failed else assignment.next_target, assignment, known):
        told.append(said)
    if said := of_workers(wanted, assignment.policy.worker_type, known.workers):
        told.append(said)
    return told


def likeliest(session: Session, assignment: Assignment) -> str:
    """Why its agent is missing, in one sentence; "" where none is, or nothing has failed yet."""
    if assignment.state not in WAITING:
        return ""
    return visible(next(iter(causes(session, assignment, NOTHING)), ""))


def _likeliest(session: Session, assignment: Assignment, attempt: Attempt) -> str:
    policy, verdict = assignment.policy, attempt.verdict or Verdict.SILENT
    times = sum(1 for one in assignment.attempts if one.verdict is attempt.verdict and one.target == attempt.target)
    ends = [one for one in session.timeline if one.said is Said.ATTEMPT_ENDED and one.assignment == assignment.key]
    end = next((one for one in reversed(ends) if one.number == attempt.number), None)
    reason = end.reason if end else ""
    told = _OF_LAUNCHES if attempt.launched else _CAUSES
    return told[verdict].format(
        reason=reason,
        declined=_DECLINED.get(reason, reason),
        launch=f" (`dispatcher launches --show {attempt.dispatch}`)" if attempt.dispatch else "",
        target=named(attempt.target),
        times=f", {times} times" if times > 1 else "",
        confirm=span(attempt.patience.after if attempt.patience else policy.confirm_within),
        join=span(policy.join_within),
        stay=span(policy.min_stay),
        failure=ended(FAILURES.get(reason, "is it up, the key right, the quota not used up?")),
        noticed=f"; LiveKit noticed 20 s later, at {at_utc(end.at)}" if end and reason == CONNECTION_TIMEOUT else "",
    )


def _strangers(session: Session, wanted: str, known: Known) -> list[str]:
    """An agent without a name that is here may be the very one that is waited for."""
    if known.look is not None:
        here = any(one.active and one.is_agent and not one.agent_name for one in known.look.participants)
    else:
        told = [entry for entry in session.timeline if entry.said is Said.AGENT_UNREQUESTED]
        here = bool(session.unattributed and told) and "" in told[-1].agent.split(", ")
    if not here:
        return []
    whose = f"is that your `{wanted}`, started without its name?" if wanted else "its name is what the rule asks for."
    return [f"An agent without a name is in the room: {whose} {_upper(NAMELESS_WORKER)}."]


def _unseen(wanted: str, known: Known) -> list[str]:
    """A name of which no agent has ever been seen, while others have."""
    if known.agents.get(wanted) != 0:
        return []
    seen = sorted(name for name, at in known.agents.items() if name and at)
    others = f"; seen: {', '.join(f'`{name}`' for name in seen)}" if seen else ""
    return [f"No agent named `{wanted}` has been seen yet{others}."]


def _of_probes(session: Session, target: Target, assignment: Assignment, known: Known) -> str:
    """Whether others get it: what probes found since somebody waits here, or that they fail as well."""
    facts = known.probes.get(target)
    if facts is None or is_probe(session.room):
        return ""
    if facts.failing:
        return f"Probes of {named(target)} get none either, since {at_utc(facts.failing_since)}: it is not this room."
    if not facts.failures and facts.served_at > assignment.waiting_since > 0:
        return f"A probe got {named(target)} {ago(facts.served_at, known.now)}: its workers are there, and reached."
    return ""


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


# What workers say of themselves -------------------------------------------------------------------------------------


def of_workers(agent: str, wanted: WorkerType, seen: WorkersSeen) -> str:
    """What the workers say that it waits for; "" where none is asked, none answers, or nothing is wrong."""
    if not seen.answering or not agent:
        return ""
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
        parts.append(f"`{agent}` was last seen {ago(sighting.last_seen_at, seen.at)}")
    if silent:
        parts.append(f"{silent} of {len(seen.answers)} addresses do not answer")
    return f"{'; '.join(parts)}."
