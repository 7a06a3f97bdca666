"""Where the spans of a drive belong: below what caused an assignment, while somebody waits for its first agent.

An assignment's trace is that of what caused it: the webhook, or the request that ordered it. It is kept with the
assignment, so that whichever replica goes on with the session goes on with the trace. Once the agent is there, drives
are part of what caused them. A starved assignment is tried for days: those drives have traces of their own, linked to
it.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from dispatcher.core.events import Event
from dispatcher.core.orders import RequestAgent
from dispatcher.core.session import Assignment, Session, State, request_key
from dispatcher.telemetry.tracing.context import below, link, trace_id

LINKS_MAX: Final = 32  # of one drive: a crowd's webhooks may all wait for the same one

_AWAITED: Final = frozenset({State.WAITING, State.REQUESTED})


class Places:
    """Of one drive: by the session as it was saved last, and what has come in. `here` is the drive's own span."""

    def __init__(self, session: Session, inbox: Iterable[Event]) -> None:
        self.session = session
        self.events = list(inbox)
        self.here = ""

    def of_drive(self) -> tuple[Context, list[Link]]:
        """Below the assignment that somebody waits for, else below what came in; linked to what else it is about."""
        assignments = [one for one in self.session.assignments if one.trace]
        awaited = [one.trace for one in assignments if one.state in _AWAITED]
        starved = [one.trace for one in assignments if one.state is State.STARVED]
        heard = [event.trace for event in self.events if event.trace]
        above = (awaited or heard or [""])[0]
        others = dict.fromkeys(one for one in (*awaited, *heard, *starved) if one != above)
        return below(above), [link(one) for one in list(others)[:LINKS_MAX]]

    def of_request(self, key: str) -> tuple[Context | None, list[Link]]:
        """Below the drive, unless that is part of another assignment's trace."""
        trace = self._trace_of(key)
        if not trace or trace_id(trace) == trace_id(self.here):
            return None, []
        return below(trace), [link(self.here)]

    def of_wait(self, key: str) -> Context | None:
        """Below what caused the assignment; None: below the drive."""
        trace = self._trace_of(key)
        return below(trace) if trace else None

    def saved(self, session: Session) -> Session:
        """The session as it is to be saved: each assignment keeps the trace of what caused it."""
        self.session = replace(session, assignments=tuple(self._stamped(one) for one in session.assignments))
        return self.session

    def _trace_of(self, key: str) -> str:
        assignment = self.session.find(key)
        return "" if assignment is None or assignment.state is State.STARVED else assignment.trace

    def _stamped(self, assignment: Assignment) -> Assignment:
        if assignment.trace:
            return assignment
        known = self.session.find(assignment.key)
        trace = (known.trace if known else "") or self._cause(assignment) or self.here
        return replace(assignment, trace=trace)

    def _cause(self, assignment: Assignment) -> str:
        """An order's own request, or the event by which its rule applied."""
        if assignment.request:
            return next((one.trace for one in self.events if _orders(one, assignment.key)), "")
        heard = [event for event in self.events if event.trace and event.order is None]
        return next((one.trace for one in heard if one.asked_for), heard[0].trace if heard else "")


def _orders(event: Event, key: str) -> bool:
    return isinstance(event.order, RequestAgent) and request_key(event.order.id) == key
