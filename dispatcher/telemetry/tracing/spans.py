"""Spans of whatever is done, and of calls, made with the tracer that whoever runs the service has configured."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Final

from msgspec.structs import replace
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span

from dispatcher.core.events import Event
from dispatcher.core.session import Session
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing.context import trace_id, traceparent
from dispatcher.telemetry.tracing.drives import TracedDrive, room_attributes
from dispatcher.telemetry.tracing.interface import Attributes, Conversation, EndSpan
from dispatcher.telemetry.tracing.places import Places

OK: Final = "ok"  # the result of a call that was answered

_UNSET: Final = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)


def configured(mask: Mask) -> "OpenTelemetry | None":
    """What traces by the tracer provider that is set now, identities masked as in the log; None: none is set."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, _UNSET):
        return None
    return OpenTelemetry(provider.get_tracer("livekit-dispatcher", version("livekit-dispatcher")), mask)


class OpenTelemetry:
    """Makes spans of drives, of calls, and of whatever else is done."""

    def __init__(self, tracer: Tracer, mask: Mask) -> None:
        self._tracer = tracer
        self._mask = mask

    @contextmanager
    def during(
        self, name: str, attributes: Attributes, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[EndSpan]:
        """A span of what is done meanwhile; of a request the server's, in the trace that its `headers` name."""
        above = None if headers is None else propagate.extract(headers, Context())
        kind = SpanKind.INTERNAL if headers is None else SpanKind.SERVER
        with self._tracer.start_as_current_span(name, context=above, kind=kind, attributes=attributes) as span:
            yield partial(_ended, span)

    def caused(self, key: Key, event: Event) -> Event:
        """The event, with the trace of the request that it came in, if it came in one."""
        span = get_current_span()
        if span.is_recording():
            span.set_attributes({**room_attributes(key, self._mask), "dispatcher.event": event.name})
        return replace(event, trace=traceparent(span))

    def drive(self, conversation: Conversation, key: Key, session: Session, inbox: Iterable[Event]) -> Conversation:
        """The drive, with a span around it, and one around each look and each change at LiveKit."""
        return TracedDrive(conversation, self._tracer, self._mask, key, Places(session, inbox))

    def called(self, server: str, method: str, result: str, seconds: float) -> None:
        """A span of a request that was just answered, or failed; outside all other spans, none."""
        if not get_current_span().is_recording():
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{server} {method}",
            kind=SpanKind.CLIENT,
            attributes={"rpc.method": method},
            start_time=end - int(seconds * 1e9),
        )
        if result != OK:
            span.set_attribute("error.type", result)
            span.set_status(StatusCode.ERROR, result)
        span.end(end)

    def fields(self) -> dict[str, str]:
        """What a line of the log says, so that its trace is found: `trace_id`."""
        place = traceparent(get_current_span())
        return {"trace_id": trace_id(place)} if place else {}


def _ended(span: Span, attributes: Attributes, *, failed: bool) -> None:
    span.set_attributes(attributes)
    if failed:
        span.set_status(StatusCode.ERROR)
