"""What can be traced; where nothing is, there is no `Tracing` at all."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from dispatcher.core.effects import Effect, Reply
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.session import Session
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.masks import Mask

Answered: TypeAlias = Callable[[int], None]  # tells the status that a request was answered with


class Conversation(Protocol):
    """A drive, or what stands around one."""

    def run(self) -> Generator[Effect, Reply, Ms | None]:
        """As `Drive.run`."""
        ...


class Tracing(Protocol):
    """Makes spans of requests, drives and calls."""

    def request(self, method: str, route: str, headers: Mapping[str, str]) -> AbstractContextManager[Answered]:
        """A span of the server; it goes on with the caller's trace where the headers name one."""
        ...

    def caused(self, key: Key, event: Event) -> Event:
        """The event, with the trace of the request that it came in, if it came in one."""
        ...

    def drive(self, conversation: Conversation, key: Key, session: Session, inbox: Iterable[Event]) -> Conversation:
        """The drive, with a span around it, and one around each look and each change at LiveKit."""
        ...

    def called(self, server: str, method: str, result: str, seconds: float) -> None:
        """A span of a request that was just answered, or failed; outside all other spans, none."""
        ...

    def fields(self) -> dict[str, str]:
        """What a line of the log says, so that its trace is found: `trace_id`."""
        ...


def in_force(mask: Mask) -> Tracing | None:
    """What traces by the tracer provider that is set now; None: none is, or OpenTelemetry is not installed."""
    try:
        from dispatcher.telemetry.tracing.spans import configured  # noqa: PLC0415 only where it is installed
    except ModuleNotFoundError:
        return None
    return configured(mask)
