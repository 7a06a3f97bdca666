"""What the tests of traces share: spans that stay in memory, and how they hang together."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing.spans import OpenTelemetry


class Traces:
    """Traces of one or several processes."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.mask = Mask()

    def process(self, sampler: Sampler | None = None) -> OpenTelemetry:
        """The tracing of a process that starts now."""
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        return OpenTelemetry(provider.get_tracer("test"), self.mask)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Those that have ended, by their beginning."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of this name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (span,) = self.named(name)
        return span

    def parent(self, span: ReadableSpan) -> str:
        """The name of the span that it is below; "": it is the first of its trace."""
        above = span.parent.span_id if span.parent else 0
        return next((one.name for one in self.spans if id_of(one) == above), "" if not above else "?")

    def trees(self) -> list[list[str]]:
        """Of each trace, in the order in which they began, each span behind the one that it is below, sorted."""
        traces: dict[int, list[str]] = {}
        for span in self.spans:
            traces.setdefault(trace_of(span), []).append(f"{self.parent(span)} > {span.name}")
        return [sorted(spans) for spans in traces.values()]


def id_of(span: ReadableSpan) -> int:
    """Its own id."""
    assert span.context is not None
    return int(span.context.span_id)


def trace_of(span: ReadableSpan) -> int:
    """Its trace's id."""
    assert span.context is not None
    return int(span.context.trace_id)


def links(span: ReadableSpan) -> set[int]:
    """The traces of the spans that it is linked to."""
    return {link.context.trace_id for link in span.links}


def below_in_text(span: ReadableSpan) -> str:
    """The `traceparent` that an agent is given of it, whether it is recorded or not."""
    assert span.context is not None
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
