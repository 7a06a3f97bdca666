"""Traces of OpenTelemetry: an assignment's way from the webhook, through looks and calls, to its agent, as one trace.

Needs `opentelemetry-api` (the extra `tracing`), and a tracer provider that whoever runs the service has set: else
nothing is traced, and nothing of OpenTelemetry is imported where it is not installed (docs/adr/0045).
"""

from dispatcher.telemetry.tracing.interface import Conversation, Tracing, in_force

__all__ = ["Conversation", "Tracing", "in_force"]
