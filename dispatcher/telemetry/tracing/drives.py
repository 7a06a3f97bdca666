"""Stands between a drive and its interpreter, as a tape does: passes effects and replies on, with spans around them."""

import time
from collections.abc import Generator
from contextlib import closing

from msgspec.structs import replace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from dispatcher.core.effects import Ask, Asked, Effect, Observe, Outcome, Reply, Save, Saved, TakeBack, Unobserved
from dispatcher.core.facts import Ms
from dispatcher.core.plan import Create, Retract
from dispatcher.core.session import entries_since
from dispatcher.core.timeline import Entry, Said
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing.context import traceparent
from dispatcher.telemetry.tracing.interface import Conversation
from dispatcher.telemetry.tracing.places import LINKS_MAX, Places


def room_attributes(key: Key, mask: Mask) -> dict[str, str]:
    """Which room a span is about."""
    return {
        "dispatcher.project": key.project,
        "livekit.room.name": mask.numbers(key.room),
        "livekit.room.sid": key.sid,
    }


class TracedDrive:
    """A drive with spans around it."""

    def __init__(self, inner: Conversation, tracer: Tracer, mask: Mask, key: Key, places: Places) -> None:
        self._inner = inner
        self._tracer = tracer
        self._mask = mask
        self._key = key
        self._places = places
        self._told = places.session.entries_total

    def run(self) -> Generator[Effect, Reply, Ms | None]:
        """As `Drive.run`."""
        parent, links = self._places.of_drive()
        attributes = {
            **room_attributes(self._key, self._mask),
            "dispatcher.events": [event.name for event in self._places.events[:LINKS_MAX]],
        }
        with (
            self._tracer.start_as_current_span("drive", context=parent, links=links, attributes=attributes) as span,
            closing(self._inner.run()) as conversation,
        ):
            self._places.here = traceparent(span)
            try:
                effect = next(conversation)
                while True:
                    effect = conversation.send((yield from self._carried(effect, span)))
            except StopIteration as end:
                due_in: Ms | None = end.value
                return due_in

    def _carried(self, effect: Effect, span: Span) -> Generator[Effect, Reply, Reply]:
        match effect:
            case Ask():
                return (yield from self._asked(effect))
            case Save():
                return (yield from self._saved(effect, span))
            case Observe():
                return (yield from self._looked(effect))
            case TakeBack():
                with self._tracer.start_as_current_span("agent.retract", attributes=self._about(effect.step)):
                    return (yield effect)
            case _:
                return (yield effect)

    def _looked(self, effect: Observe) -> Generator[Effect, Reply, Reply]:
        with self._tracer.start_as_current_span("room.look") as span:
            reply = yield effect
            if isinstance(reply, Unobserved):
                span.set_status(StatusCode.ERROR, "LiveKit did not answer, or is not to be asked yet")
            return reply

    def _asked(self, effect: Ask) -> Generator[Effect, Reply, Reply]:
        """The agent is handed this span's place, and may go on with the trace there."""
        attributes = {**self._about(effect.step), "dispatcher.agent": str(effect.step.target)}
        parent, links = self._places.of_request(effect.step.assignment)
        with self._tracer.start_as_current_span(
            "agent.request", context=parent, kind=SpanKind.PRODUCER, attributes=attributes, links=links
        ) as span:
            reply = yield replace(effect, trace=traceparent(span))
            if isinstance(reply, Asked):
                span.set_attribute("dispatcher.outcome", reply.outcome.value)
                if reply.outcome is not Outcome.TAKEN:
                    span.set_status(StatusCode.ERROR, reply.reason)
            return reply

    def _saved(self, effect: Save, span: Span) -> Generator[Effect, Reply, Reply]:
        session = self._places.saved(effect.session)
        reply = yield replace(effect, session=session)
        for entry in entries_since(session, self._told):
            self._tell(entry, span, reply.now)
        self._told = session.entries_total
        if isinstance(reply, Saved):
            self._places.events.extend(reply.more or ())
        return reply

    def _tell(self, entry: Entry, span: Span, now: Ms) -> None:
        """The entry is an event of the drive; where an attempt's waiting is over, that is a span of its own."""
        attributes = self._of_entry(entry)
        span.add_event(entry.said.value, attributes, _machine_time(entry.at, now))
        assignment = self._places.session.find(entry.assignment)
        attempt = assignment.find(entry.number) if assignment else None
        ended = entry.said is Said.ATTEMPT_ENDED
        if attempt is None or not (ended or entry.said is Said.AGENT_JOINED) or (ended and attempt.agent_seen_at):
            return
        wait = self._tracer.start_span(
            "agent.wait",
            context=self._places.of_wait(entry.assignment),
            attributes=attributes,
            start_time=_machine_time(attempt.started_at, now),
        )
        if ended:
            wait.set_status(StatusCode.ERROR, entry.verdict and entry.verdict.value)
        wait.end(_machine_time(entry.at, now))

    def _of_entry(self, entry: Entry) -> dict[str, str | int]:
        said: dict[str, str | int | None] = {
            "assignment": self._mask.assignment(entry.assignment) or None,
            "attempt": entry.number or None,
            "agent": entry.agent or None,
            "verdict": entry.verdict and entry.verdict.value,
            "reason": entry.reason or None,
            "duration_ms": entry.took,
        }
        return {f"dispatcher.{name}": value for name, value in said.items() if value is not None}

    def _about(self, step: Create | Retract) -> dict[str, str | int]:
        return {"dispatcher.assignment": self._mask.assignment(step.assignment), "dispatcher.attempt": step.number}


def _machine_time(at: Ms, now: Ms) -> int:
    """An instant of the ledger's clock by the machine's, which all other spans have; `now`: the ledger's."""
    return time.time_ns() - (now - at) * 1_000_000
