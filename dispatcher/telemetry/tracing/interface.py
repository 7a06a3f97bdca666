"""What can be traced; where nothing is, there is no `Tracing` at all."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from dispatcher.core.effects import Effect, Reply
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.session import Session
from dispatcher.ledger.interface import Key

Attributes: TypeAlias = Mapping[str, str | int]


class EndSpan(Protocol):
    """Tells a span what came of it."""

    def __call__(self, attributes: Attributes, *, failed: bool) -> None: ...


class Conversation(Protocol):
    """A drive, or what stands around one."""

    def run(self) -> Generator[Effect, Reply, Ms | None]:
        """As `Drive.run`."""
        ...


class Tracing(Protocol):
    """Makes spans of drives, of calls, and of whatever else is done."""

    def during(
        self, name: str, attributes: Attributes, *, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[EndSpan]:
        """A span of what is done meanwhile; of a request the server's, in the trace that its `headers` name."""
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
