"""Traces of OpenTelemetry: an assignment's way from the webhook, through looks and calls, to its agent, as one trace.

Needs `opentelemetry-api` (the extra `tracing`), and a tracer provider that whoever runs the service has set: else
nothing is traced, and nothing of OpenTelemetry is imported where it is not installed (docs/adr/0045).
"""

from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing.interface import Conversation, Tracing

__all__ = ["Conversation", "Tracing", "in_force"]


def in_force(mask: Mask) -> Tracing | None:
    """What traces by the tracer provider that is set now; None: none is, or OpenTelemetry is not installed."""
    try:
        from dispatcher.telemetry.tracing.spans import configured  # noqa: PLC0415 only where it is installed
    except ModuleNotFoundError:
        return None
    return configured(mask)
