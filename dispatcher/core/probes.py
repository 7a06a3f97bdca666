"""Probes: a room of our own, in which nobody is, an agent that is asked for as an order asks, and what came of it.

The names of such rooms are reserved: no rule applies in them, and what happens there counts nowhere as a caller's.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import PROBE_ROOMS, Ms
from dispatcher.core.session import Session, State
from dispatcher.core.timeline import WENT_WELL, Entry, Said, Verdict

FAILING_AFTER: Final = 2  # probes in a row: LiveKit loses one now and then


class ProbeResult(StrEnum):
    """What came of a probe; also its `result` in the metrics."""

    SERVED = "served"
    SILENT = "silent"
    NO_SHOW = "no_show"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNSENT = "unsent"
    VANISHED = "vanished"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"  # nothing was known when the next one was near
    LIVEKIT_FAILING = "livekit_failing"  # there was no room to be had
    INTERRUPTED = "interrupted"  # somebody paused the agent, ended the room, cancelled it: it says nothing


_FAILED: Final = {verdict: ProbeResult(verdict) for verdict in Verdict if verdict in [*ProbeResult]}


class ProbeMade(Struct, frozen=True, kw_only=True):
    """A probe that has ended."""

    at: Ms
    result: ProbeResult
    room: str = ""  # "": there was none
    took: Ms | None = None  # served: from our asking to the agent
    why: str = ""  # failed: as a diagnosis says it


class ProbeFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a target's probes: how the last one that says something went, and since when they fail."""

    last: ProbeMade
    served_at: Ms = 0  # the last one that was served; 0: none is known
    took: Ms | None = None  # and how soon its agent came
    failures: int = 0  # in a row, up to the last one
    failing_since: Ms = 0  # the first of these ended

    @property
    def failing(self) -> bool:
        """Whether so many have failed in a row that it is told."""
        return self.failures >= FAILING_AFTER


class ProbeEnd(Struct, frozen=True):
    """How a probe ended, as its session shows it."""

    result: ProbeResult
    took: Ms | None = None


def probe_rooms(instance: str) -> str:
    """How the names of an installation's probes begin. No instance has a colon in its name."""
    return f"{PROBE_ROOMS}{instance}:"


def learnt(before: ProbeFacts | None, probed: ProbeMade) -> ProbeFacts:
    """The facts, with one more probe. One that was interrupted says nothing: it is not to be learnt."""
    if probed.result is ProbeResult.SERVED:
        return ProbeFacts(last=probed, served_at=probed.at, took=probed.took)
    known = before or ProbeFacts(last=probed)
    since = known.failing_since or probed.at
    return replace(known, last=probed, failures=known.failures + 1, failing_since=since)


def ended(session: Session, key: str, stay: Ms, now: Ms) -> ProbeEnd | None:
    """How the probe whose assignment has this key ended; None: it goes on.

    An agent that has come has to stay for `stay`, or to say that it is done.
    """
    joined: Entry | None = None
    for entry in session.timeline:
        if entry.assignment != key:
            continue
        if entry.said is Said.AGENT_JOINED:
            joined = entry
        elif entry.said is Said.ATTEMPT_ENDED:
            return _ended(entry, joined)
    if joined is not None and (now >= joined.at + stay or session.finished):
        return ProbeEnd(ProbeResult.SERVED, joined.took)
    assignment = session.find(key)
    stopped = assignment is not None and assignment.state in {State.PAUSED, State.FINISHED}
    return ProbeEnd(ProbeResult.INTERRUPTED) if stopped or session.finished else None


def _ended(entry: Entry, joined: Entry | None) -> ProbeEnd:
    verdict = entry.verdict or Verdict.SILENT
    if verdict in WENT_WELL:
        return ProbeEnd(ProbeResult.SERVED, joined.took if joined else None)
    return ProbeEnd(_FAILED.get(verdict, ProbeResult.INTERRUPTED))
