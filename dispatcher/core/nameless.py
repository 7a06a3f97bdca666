"""Agents without a name, which LiveKit sends into every room by itself: told to go where the configuration says so.

The one exception from law 13. It takes a rule with `unrequested_agents: remove` whose own agent is there or has been
asked for, and the agent of a job (a kind and a grant that a token made by hand may have, too) to which the server gave
no name: its worker registered without one. Servers before 1.9.2 name no agent, and show whose it is by its job alone,
up to 5 s late (docs/livekit.md §0): where no agent of the room has a name, it is waited for that.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import retries, timing
from dispatcher.core.facts import AGENT, Ms, Participant
from dispatcher.core.session import Assignment, Session, with_entry
from dispatcher.core.timeline import Entry, Said

UNWELCOME_MAX: Final = 8  # that are remembered; the others have their turn when these have gone


def find_unwelcome(session: Session, agents: Sequence[Participant], unattributed: Sequence[Participant]) -> Session:
    """The agents that are to go, and when. `unattributed` are those of the look that no attempt accounts for."""
    nameless = [one.sid for one in unattributed if one.kind == AGENT and one.granted and not one.agent_name]
    if not nameless or not any(_has_its_own(one) for one in session.assignments):
        return replace(session, unwelcome=(), unwelcome_at=0, unwelcome_tries=0)
    sure = any(one.agent_name for one in agents)
    first = session.unattributed_since + timing.UNATTRIBUTED_MS[0 if sure else 1]
    return replace(
        session, unwelcome=tuple(sorted(nameless)[:UNWELCOME_MAX]), unwelcome_at=max(session.unwelcome_at, first)
    )


def _has_its_own(assignment: Assignment) -> bool:
    """Whether its rule sends others away, and its own agent is there or asked for."""
    its_own = assignment.open or assignment.served_by_name
    return bool(its_own) and assignment.policy.unrequested_agents == "remove"


def sent_away(session: Session, sid: str, now: Ms, *, reason: str = "") -> Session:
    """The agent was told to go. Whether it went the next look shows; if not, it is told again.

    With a `reason` LiveKit could not be asked.
    """
    tries = session.unwelcome_tries + 1 if reason else 0
    wait = retries.backoff(sid, tries) if reason else timing.GRACE_MS
    session = replace(session, unwelcome_at=now + wait, unwelcome_tries=tries)
    return with_entry(session, Entry(at=now, said=Said.AGENT_SENT_AWAY, reason=reason))
