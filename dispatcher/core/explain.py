"""A session told as a story: a line for each entry of its timeline, and last the likeliest cause and what to do.

Names are written as `visible` shows them: people read this on terminals.
"""

from collections.abc import Iterator
from typing import Final

from dispatcher.core.events import Ms
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Entry, Said, Session, State, Verdict, Want
from dispatcher.core.text import visible

_TOLD: Final = {
    Said.WANTED: "{want} wants an agent: {agent}",
    Said.ASKED: "asked for {agent} (attempt {number})",
    Said.ADOPTED: "found a dispatch of {agent} ({reason}), took it as attempt {number}",
    Said.BOUND: "found the dispatch of attempt {number}, whose answer was lost",
    Said.ELSEWHERE: "another process, with a ledger of its own, made attempt {number} too",
    Said.SERVED: "{agent} is in the room (attempt {number})",
    Said.CLOSED: "attempt {number} at {agent} ended: {verdict}{because}",
    Said.REOPENED: "the agent of attempt {number} came after all",
    Said.STARVED: "every target of {want} has been tried; goes on slowly",
    Said.RENEWED: "somebody new came: {want} is wanted again",
    Said.PAUSED: "{agent} is paused: {want} waits",
    Said.RESUMED: "{agent} is paused no longer: {want} goes on",
    Said.PASSED_OVER: "{agent} is paused: passed over",
    Said.RETRACTED: "took back what was left of attempt {number}: {part}",
    Said.UNKNOWN: "nobody knows whether LiveKit took attempt {number}: {reason}",
    Said.UNASKED: "an agent is in the room that no rule asked for: {agent}",
    Said.OVERFLOW: "too many wants: {want} was left out",
    Said.MISSED: "LiveKit does not list the room",
    Said.OVER: "the room is over: {reason}",
    Said.UNNAMED: "no agent could be computed for {want}: {reason}",
    Said.IGNORED: "LiveKit ignored the deployment asked for: a server before 1.12.0 does not know them",
    Said.WOULD_ASK: "dry run: would have asked for {agent}",
    Said.RULE_GONE: "the rule of {want} is no longer configured: its agent is asked for without metadata",
    Said.CUT_OFF: "a defect: the session needed more steps than one drive may take; it goes on in 1 s",
}

_CAUSES: Final = {
    Verdict.SILENT: "no worker took the job within {confirm}{times}; is one registered as {target}, with room for it?",
    Verdict.NO_SHOW: "a worker took the job and no agent joined within {join}{times}; see the worker of {target}",
    Verdict.REJECTED: "the worker of {target} said no{times}; see its request handler",
    Verdict.REFUSED: "LiveKit refuses the request{times}, or ignores its deployment; is that of {target} right?",
    Verdict.UNSENT: "LiveKit was not reached, or said no{times}; is it up, the key right, the quota not used up?",
    Verdict.VANISHED: "somebody deleted the dispatch of {target} before its agent came{times}",
    Verdict.FAILED: "the agent of {target} left within {stay}{times}; does its job raise at the start?",
    Verdict.CRASHED: "the agent of {target} was lost{times}; see its worker's log at that time",
}


def story(session: Session) -> Iterator[str]:
    """The timeline in words, each line with its time (UTC) and, where it says something, how long it took."""
    for entry in session.timeline:
        yield visible(f"{clock(entry.at)}  {_sentence(entry)}")


def cause(session: Session) -> str:
    """How the session stands, and, where an agent is missing, the likeliest reason and what to look at."""
    if session.over:
        return "The room is over."
    if not session.wants:
        return "No rule asks for an agent here, or nobody for whom one does has joined."
    return visible(" ".join(_standing(want) for want in session.wants))


def _sentence(entry: Entry) -> str:
    fields = {
        "want": entry.want,
        "number": entry.number,
        "agent": entry.agent or "not named yet",
        "verdict": entry.verdict,
        "because": f" {entry.reason}" if entry.reason else "",
        "part": entry.part,
        "reason": entry.reason,
    }
    took = f", {entry.took / 1000:.2f} s" if entry.took is not None else ""
    told = _TOLD[entry.said]
    if entry.said is Said.RETRACTED and entry.reason:
        told = "could not take back what was left of attempt {number}: {reason}"
    return told.format(**fields) + took


def _standing(want: Want) -> str:
    state = want.state
    match state:
        case State.SERVED:
            return f"{want.key}: served."
        case State.DONE:
            return f"{want.key}: done; the agent left on purpose. Who joins later gets one again."
        case State.UNATTENDED:
            return f"{want.key}: nobody waits."
        case State.PAUSED:
            return f"{want.key}: paused; out of the configuration's `paused`, its agent is asked for within seconds."
    if want.unnamed:
        return f"{want.key}: {state}; the rule's expressions name no agent; `dispatcher rules explain` shows why."
    failed = next((one for one in reversed(want.attempts) if one.verdict in _CAUSES), None)
    if failed is None:
        return f"{want.key}: {state}; the first attempt is under way."
    return f"{want.key}: {state}; {_cause(want, failed)}"


def _cause(want: Want, attempt: Attempt) -> str:
    policy = want.policy
    times = sum(1 for one in want.attempts if one.verdict is attempt.verdict and one.target == attempt.target)
    return _CAUSES[attempt.verdict or Verdict.SILENT].format(
        target=_named(attempt.target),
        times=f", {times} times" if times > 1 else "",
        confirm=_span(policy.confirm_within),
        join=_span(policy.join_within),
        stay=_span(policy.min_stay),
    )


def _named(target: Target) -> str:
    return f"`{target.agent}`, deployment `{target.deployment}`"


def _span(span: Ms) -> str:
    return f"{span / 1000:g} s"


def clock(at: Ms) -> str:
    """The time of day in UTC: of an instant handed in, without asking any clock."""
    seconds, ms = divmod(at, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours % 24:02}:{minute:02}:{second:02}.{ms:03}"
