"""Traces: what a join costs the service with them and without, from the webhook's event to the saved attempt.

    python -m bench.tracing

An event is recorded, and its session driven: look, save, ask, save; LiveKit and the ledger are values in memory, so
that nothing hides the cost. `off` stands there twice: how much two measurements of the same thing differ. CPU time of
all threads, so the exporter's is part of it (but for what it would send). Rounds are interleaved; medians.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Room, RoomSid
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.ledger import record
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing import Tracing
from dispatcher.telemetry.tracing.spans import OpenTelemetry
from tests.unit.core.world import person
from tests.unit.desk import PROJECT, Desk

ROUNDS: Final = 25
JOINS: Final = 40  # a round
WEBHOOK: Final = {"http.request.method": "POST", "http.route": "/webhook"}


class Nowhere(SpanExporter):
    """Sends nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert spans
        return SpanExportResult.SUCCESS


def tracing(sampled: float) -> OpenTelemetry:
    """The SDK as `opentelemetry-instrument` sets it up, with that share of traces recorded."""
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sampled)))
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    return OpenTelemetry(provider.get_tracer("bench"), Mask())


async def main() -> None:
    """Prints microseconds a join, and the ratio to the first."""
    ways: Mapping[str, Tracing | None] = {
        "off": None,
        "off again": None,
        "1 % sampled": tracing(0.01),
        "all recorded": tracing(1.0),
    }
    desks = {way: Desk(tracing=how) for way, how in ways.items()}
    rounds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, desk in desks.items():
            rounds[way].append(await timed(desk, number))
    off = statistics.median(rounds["off"])
    for way, times in rounds.items():
        print(f"{way:<13} {statistics.median(times):8.1f} µs a join, {statistics.median(times) / off:5.2f} times off")


async def timed(desk: Desk, number: int) -> float:
    """Microseconds of one join, from JOINS of them, each in a room of its own."""
    keys = [Key(PROJECT, f"room-{number}-{place}", f"RM_{number}_{place}") for place in range(JOINS)]
    for key in keys:
        room = Room(sid=RoomSid(key.sid), name=key.room)
        desk.livekit.lives[room.sid] = RoomSnapshot(room=room, participants=(person(),))
    begun = time.process_time()
    for key in keys:
        await join(desk, key)
    took = (time.process_time() - begun) / JOINS * 1e6
    assert len(desk.livekit.metadata) == (number + 1) * JOINS
    desk.livekit.lives.clear()
    return took


async def join(desk: Desk, key: Key) -> None:
    """A webhook came in, and the agent is asked for."""
    room = Room(sid=RoomSid(key.sid), name=key.room)
    event = Event(id="", name=JOINED, created_at=desk.watch.time, room=room, participant=person())
    if desk.tracing is None:
        await recorded(desk, key, event)
    else:
        with desk.tracing.during("POST /webhook", WEBHOOK, headers={}) as ended:
            await recorded(desk, key, desk.tracing.caused(key, event))
            ended({"http.response.status_code": 200}, failed=False)
    await desk.drive()


async def recorded(desk: Desk, key: Key, event: Event) -> None:
    """It is in the ledger."""
    await desk.ledger.deliver(key, "", record.dump_event(replace(event, id="")), take=False)


if __name__ == "__main__":
    asyncio.run(main())
