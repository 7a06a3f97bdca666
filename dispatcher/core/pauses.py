"""Pauses that somebody has ordered of a project's agents: which of them hold, and how an order changes them.

`core.pause` says what a pause means for a session.
"""

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms

PAUSES_MAX: Final = 64  # of one project
REASON_MAX: Final = 200  # bytes


class Pause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who has paused an agent, since when, until when and why. Instants are the ledger's."""

    by: str  # the name of a token
    at: Ms
    until: Ms = 0  # 0: until somebody resumes it
    reason: str = ""

    def holds(self, now: Ms) -> bool:
        """Whether its time is not over."""
        return not self.until or now < self.until


Pauses: TypeAlias = Mapping[str, Pause]  # by agent


class Paused(Struct, frozen=True, kw_only=True):
    """Why nobody is given an agent now: somebody's order, the configuration's `paused`, or both."""

    pause: Pause | None = None
    configured: bool = False


class TooManyPaused(DispatcherError):
    """PAUSES_MAX agents of the project are paused: nothing was changed."""


def begun(pauses: Pauses, agent: str, pause: Pause) -> Pauses:
    """The agent is paused, as the newest order says. Raises TooManyPaused."""
    if agent not in pauses and len(pauses) >= PAUSES_MAX:
        raise TooManyPaused(f"{PAUSES_MAX} agents of this project are paused: resume one first")
    return {**pauses, agent: pause}


def ended(pauses: Pauses, agent: str) -> Pauses:
    """No order pauses the agent."""
    return {name: one for name, one in pauses.items() if name != agent}


def holding(pauses: Pauses, now: Ms) -> Pauses:
    """Those whose time is not over."""
    return {agent: one for agent, one in pauses.items() if one.holds(now)}


def paused(configured: Collection[str], pauses: Pauses, now: Ms) -> Mapping[str, Paused]:
    """Every agent that nobody is given now, and why."""
    held = holding(pauses, now)
    return {
        agent: Paused(pause=held.get(agent), configured=agent in configured) for agent in sorted({*configured, *held})
    }


def reason_of(text: str) -> str:
    """As much of the text as is kept: REASON_MAX bytes."""
    return text.encode(errors="replace")[:REASON_MAX].decode(errors="ignore")
