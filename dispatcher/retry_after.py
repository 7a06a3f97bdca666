"""What a 429 asks for in `Retry-After`. livekit-api drops an answer's headers, so its HTTP session is listened to."""

import math
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Final

from aiohttp import ClientSession, TraceConfig, TraceRequestEndParams

AT_MOST_S: Final = 60.0  # nobody is left alone for longer on the word of one answer

_ASKED: ContextVar[float | None] = ContextVar("retry_after", default=None)


def listening() -> TraceConfig:
    """For a session's `trace_configs`: whoever makes a request with it can then ask what its answer asked for."""
    trace = TraceConfig()
    trace.on_request_end.append(_hear)
    return trace


def asked() -> float | None:
    """For how many seconds the server wants to be left alone, by this task's last answer; None: it does not say."""
    return _ASKED.get()


async def _hear(_session: ClientSession, _context: SimpleNamespace, end: TraceRequestEndParams) -> None:
    _ASKED.set(_seconds(end.response.headers.get("Retry-After", "")))


def _seconds(text: str) -> float | None:
    """Of a span, the form that rate limits have; a date says nothing here."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(AT_MOST_S, seconds) if math.isfinite(seconds) and seconds > 0 else None
