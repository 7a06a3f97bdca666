"""Where a span belongs, as text: W3C's `traceparent`, as the ledger keeps it and an agent is given it."""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, format_span_id, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT: Final = "traceparent"

_FORMAT: Final = TraceContextTextMapPropagator()


def traceparent(span: Span) -> str:
    """The span's place, 55 characters; "" of a span that is none."""
    place = span.get_span_context()
    if not place.is_valid:
        return ""
    return f"00-{format_trace_id(place.trace_id)}-{format_span_id(place.span_id)}-{place.trace_flags:02x}"


def below(text: str) -> Context:
    """The context in which spans are children of that one; where the text names none, they have no parent."""
    return _FORMAT.extract({TRACEPARENT: text}, Context())


def link(text: str) -> Link:
    """A link to that span."""
    return Link(get_current_span(below(text)).get_span_context())


def trace_id(text: str) -> str:
    """Its trace."""
    return text.split("-")[1] if text else ""
