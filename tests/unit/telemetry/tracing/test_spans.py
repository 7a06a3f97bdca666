"""Spans of what is done and of calls, and who is asked to make them."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing.spans import OpenTelemetry, configured
from tests.unit.desk import KEY
from tests.unit.telemetry.tracing.spans import Traces, id_of, trace_of

EVENT = Event(id="EV_1", name=JOINED, created_at=0)
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def traces() -> Traces:
    """Of one process."""
    return Traces()


def test_what_is_done_is_a_span_below_the_one_that_is_open(traces: Traces) -> None:
    """It says what came of it, and whether that is a failure."""
    tracing = traces.process()
    with tracing.during("sweep", {"rooms": 2}) as ended:
        with tracing.during("list", {}):
            pass
        ended({"repaired": 1}, failed=True)
    span = traces.one("sweep")
    assert traces.parent(traces.one("list")) == "sweep"
    assert (span.kind, span.parent, span.status.status_code) == (SpanKind.INTERNAL, None, StatusCode.ERROR)
    assert span.attributes == {"rooms": 2, "repaired": 1}


def test_whoever_calls_with_a_trace_of_their_own_finds_the_request_in_it(traces: Traces) -> None:
    """An application's trace goes on through the API to its agent."""
    with traces.process().during("POST /v1/dispatches", {}, headers={"traceparent": CALLER}):
        pass
    span = traces.one("POST /v1/dispatches")
    assert span.parent is not None
    assert f"{trace_of(span):x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"


@pytest.mark.parametrize("traceparent", ["", "00-0-0-01", "x" * 10_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_trace_that_is_none_begins_a_new_one(traces: Traces, traceparent: str) -> None:
    """Whatever somebody writes there."""
    with traces.process().during("GET /v1/rooms", {}, headers={"traceparent": traceparent}):
        pass
    assert traces.one("GET /v1/rooms").parent is None


async def test_a_request_s_event_carries_its_place(traces: Traces) -> None:
    """And the request says which room it was about."""
    tracing = traces.process()
    with tracing.during("POST /webhook", {}, headers={}):
        event = tracing.caused(KEY, EVENT)
        told = await asyncio.create_task(fields_of(tracing))
    span = traces.one("POST /webhook")
    assert event.trace.split("-")[1:3] == [f"{trace_of(span):032x}", f"{id_of(span):016x}"]
    assert told == {"trace_id": f"{trace_of(span):032x}"}
    assert (span.attributes or {})["livekit.room.sid"] == "RM_1"
    assert (span.attributes or {})["dispatcher.event"] == JOINED


async def fields_of(tracing: OpenTelemetry) -> dict[str, str]:
    """Asked by another task, that was begun there."""
    return tracing.fields()


def test_what_came_in_no_request_has_no_trace(traces: Traces) -> None:
    """Such as what the sweep finds."""
    tracing = traces.process()
    assert tracing.caused(KEY, EVENT) == EVENT
    assert tracing.fields() == {}


def test_a_call_is_a_span_below_what_asked_for_it(traces: Traces) -> None:
    """It ends now, and began so many seconds ago; one that failed says how."""
    tracing = traces.process()
    with tracing.during("POST /webhook", {}, headers={}):
        tracing.called("LiveKit", "ListRooms", "ok", 0.25)
        tracing.called("LiveKit", "ListRooms", "timeout", 2.0)
    failed, answered = traces.named("LiveKit ListRooms")
    assert traces.parent(answered) == "POST /webhook"
    assert answered.kind is SpanKind.CLIENT
    assert ((answered.end_time or 0) - (answered.start_time or 0)) / 1e9 == pytest.approx(0.25)
    assert (failed.status.status_code, (failed.attributes or {})["error.type"]) == (StatusCode.ERROR, "timeout")


def test_a_call_that_nothing_traced_asked_for_is_no_trace(traces: Traces) -> None:
    """The claims of an idle service, four a second, are nobody's business."""
    traces.process().called("ledger", "claim", "ok", 0.001)
    assert traces.spans == []


def test_nothing_is_traced_until_somebody_sets_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API alone, or one that does nothing, is none."""
    assert configured(Mask()) is None
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    assert configured(Mask()) is None
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: TracerProvider(shutdown_on_exit=False))
    assert configured(Mask()) is not None
