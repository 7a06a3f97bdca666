"""Traces of OpenTelemetry: an assignment's way from the webhook, through looks and calls, to its agent, as one trace.

Needs `opentelemetry-api` (the extra `tracing`), and a tracer provider that whoever runs the service has set: else
nothing is traced, and nothing of OpenTelemetry is imported where it is not installed (docs/adr/0045).
"""

from dispatcher.telemetry.tracing.interface import Answered, Conversation, Tracing, in_force

__all__ = ["Answered", "Conversation", "Tracing", "in_force"]
