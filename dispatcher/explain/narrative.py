"""The timeline in words: a line for each entry. The log takes its sentences from here, too (`SENTENCES`)."""

from collections.abc import Iterator
from typing import Final, assert_never

from dispatcher.core.facts import Ms
from dispatcher.core.rules import is_launch
from dispatcher.core.session import Session, is_ordered
from dispatcher.core.text import visible
from dispatcher.core.timeline import Because, Entry, Patience, Said, Verdict
from dispatcher.explain.words import about, ago, clock

SENTENCES: Final = {
    Said.ASSIGNMENT_CREATED: "{assignment} needs an agent: {agent}",
    Said.AGENT_ORDERED: "{by} ordered {agent} over the API: {assignment}",
    Said.ASSIGNMENT_CANCELLED: "{by} cancelled {assignment}: its agent is told to go",
    Said.ASSIGNMENT_RETRIED: "{by} ordered another try of {assignment}, with its whole budget",
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
    Said.DISPATCH_UNANSWERED: "nobody knows whether attempt {number} was taken: {reason}",
    Said.AGENT_UNREQUESTED: "an agent is in the room that no rule asked for: {agent}",
    Said.AGENT_BELATED: "{agent}, which the session before had asked for, came after its end and opened the room again",
    Said.AGENT_SENT_AWAY: "an agent without a name was told to go, as `unrequested_agents: remove` says",
    Said.ASSIGNMENT_OMITTED: "too many assignments in one room: {assignment} is left out",
    Said.ROOM_FOUND: "the sweep found the room: no webhook had told of it",
    Said.ROOM_UNLISTED: "LiveKit does not list the room",
    Said.ROOM_FINISHED: "the room has ended: {reason}",
    Said.AGENT_UNNAMED: "no agent could be computed for {assignment}: {reason}",
    Said.DEPLOYMENT_IGNORED: "LiveKit ignored the deployment asked for: a server before 1.12.0 does not know them",
    Said.DISPATCH_SIMULATED: "dry run: would have asked for {agent}",
    Said.RULE_REMOVED: "the rule of {assignment} is no longer configured: its agent is asked for without metadata",
    Said.ROUNDS_EXCEEDED: "a defect: the session needed more steps than one drive may take; it goes on in 1 s",
    Said.PASSES_EXCEEDED: "a defect: one look needed more passes than it may take; the next look judges what is left",
}
ENDED: Final = {
    Verdict.SILENT: "no worker took the job",
    Verdict.NO_SHOW: "a worker took the job, and no agent joined",
    Verdict.REJECTED: "its worker said no",
    Verdict.REFUSED: "LiveKit refused the request, or ignored its deployment",
    Verdict.UNSENT: "LiveKit was not reached, or said no",
    Verdict.VANISHED: "somebody deleted its dispatch before the agent came",
    Verdict.FAILED: "the agent joined and left at once",
    Verdict.CRASHED: "the agent's process was lost",
    Verdict.FINISHED: "the agent left, and was done",
    Verdict.LEFT: "the agent left, and had not said that it was done",
    Verdict.REMOVED: "somebody removed the agent",
    Verdict.CANCELLED: "somebody cancelled the assignment",
    Verdict.ENDED: "the agent left after everybody whom it had met",
    Verdict.SURPLUS: "another agent serves already",
}
LAUNCH_ENDED: Final = ENDED | {
    Verdict.SILENT: "no launcher has answered, and nothing joined",
    Verdict.NO_SHOW: "its process did not join",
    Verdict.REJECTED: "no launcher could start it",
    Verdict.REFUSED: "the launchers refused the request",
}
NAMELESS_WORKER: Final = (
    "its worker registered without agent_name, so LiveKit sends it into every room by itself, and never our dispatches"
)
CONNECTION_TIMEOUT: Final = "connection_timeout"
_NOTICED: Final = "LiveKit noticed 20 s later"  # docs/livekit.md §0


def narrative(session: Session, now: Ms) -> Iterator[str]:
    """The timeline in words, each line with its time and how long ago that was."""
    for entry in session.timeline:
        yield visible(f"{clock(entry.at)} UTC  {ago(entry.at, now):>10}  {in_words(entry)}")


def in_words(entry: Entry) -> str:
    """What the entry tells, as a sentence."""
    match entry.said:
        case Said.ATTEMPT_ENDED:
            return _ended(entry)
        case Said.AGENT_UNREQUESTED:
            return unrequested(entry)
        case Said.AGENT_SENT_AWAY if entry.reason:
            return f"an agent without a name could not be told to go: {entry.reason}"
        case Said.ATTEMPT_RETRACTED if entry.reason:
            return f"could not take back what is left of attempt {entry.number}: {entry.reason}"
    fields = {
        "assignment": entry.assignment,
        "number": entry.number,
        "agent": entry.agent or "not named yet",
        "part": entry.part,
        "reason": entry.reason,
        "by": entry.by or "an order of before",
    }
    since = "it was ordered" if is_ordered(entry.assignment) else "the first person"
    took = f", {entry.took / 1000:.2f} s after {since}" if entry.took is not None else ""
    call = f", {entry.since_invite / 1000:.2f} s after the call's INVITE" if entry.since_invite is not None else ""
    return SENTENCES[entry.said].format(**fields) + took + call


def _ended(entry: Entry) -> str:
    """How the attempt ended, with the words that the log and the metrics have for it."""
    verdict = entry.verdict or Verdict.SILENT
    after = f" after {about(entry.took)}" if entry.took is not None else ""
    told = f"attempt {entry.number} at {entry.agent} ended{after}: {how_ended(entry)}"
    if verdict is Verdict.CRASHED and entry.reason == CONNECTION_TIMEOUT:
        told = f"{told}: {_NOTICED}"
    if entry.patience is not None:
        told = f"{told}: {_why_then(entry.patience)}"
    return f"{told} ({', '.join(filter(None, (verdict, entry.reason, entry.done)))})"


def how_ended(entry: Entry) -> str:
    """As what an attempt ended."""
    return (LAUNCH_ENDED if is_launch(entry.agent) else ENDED)[entry.verdict or Verdict.SILENT]


def unrequested(entry: Entry) -> str:
    """Which agents nobody asked for; one without a name is told as what it is."""
    names = entry.agent.split(", ")
    told = SENTENCES[Said.AGENT_UNREQUESTED].format(agent=", ".join(name or "one without a name" for name in names))
    return told if all(names) else f"{told} ({NAMELESS_WORKER})"


def _why_then(patience: Patience) -> str:
    match patience.because:
        case Because.LIMIT:
            return "that is its `confirm_within`"
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
