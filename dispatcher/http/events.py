"""`GET /v1/events`: what changes, as server-sent events, over all replicas; who comes back goes on where they were.

An event is told only after what it tells of was saved. It says no more than the log does: no metadata, and marks for
people where identities are masked.
"""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Final, assert_never

import msgspec
from aiohttp import web
from msgspec import UNSET

from dispatcher.core.pauses import Paused
from dispatcher.core.text import visible
from dispatcher.core.timeline import Entry
from dispatcher.explain import in_words, paused_by
from dispatcher.http import routes
from dispatcher.http.asked import EventsAsked, projects_of
from dispatcher.http.feed import Feed, FeedEvent, Point, Reader, TooManyReaders
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.problems import ApiError
from dispatcher.http.route import ApiCall
from dispatcher.ledger import changes
from dispatcher.ledger.changes import Change, CircuitChanged, PausesChanged, SessionChanged
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.sentences import sentence

ALIVE_S: Final = 15.0  # a comment comes at least so often: proxies close what is silent
COME_BACK_MS: Final = 1_000  # after which whoever was cut off is to come back

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events until it has some kilobytes of them
}
_MISSED: Final = "some changes are missing here: everything may have changed"


class EventsApi:
    """The route, for whoever may read; of the projects that their token is for, as long as it is one."""

    def __init__(self, guard: Guard, feed: Feed) -> None:
        self.guard = guard
        self.feed = feed

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [routes.EVENTS.served(self.guard, self._events)]

    async def _events(self, call: ApiCall[EventsAsked, None]) -> web.StreamResponse:
        """Send what changes from now on, or since `Last-Event-ID`."""
        asked, holder = call.asked, self.guard.holder
        projects_of(asked.project, call.caller, holder.snapshot.projects)
        sent = call.request.headers.get("Last-Event-ID")
        after = None if sent is None else Point.read(sent) or Point(0)
        if self.feed.ended:
            raise _try_again("stopping", "the service is being stopped")
        try:
            with self.feed.reading(after, _Wanted(holder, call.caller, asked)) as reader:
                await self.feed.wait_begun()
                return await self._stream(call, reader)
        except TooManyReaders as refused:
            raise _try_again("too_many_readers", str(refused)) from None

    async def _stream(self, call: ApiCall[EventsAsked, None], reader: Reader) -> web.StreamResponse:
        """Send until the reader goes, their token is one no longer, or the service stops."""
        response = web.StreamResponse(headers=_HEADERS)
        with suppress(ConnectionError):  # they have gone, or were cut off as they did not read
            await response.prepare(call.request)
            await response.write(b"retry: %d\n%s\n" % (COME_BACK_MS, self._here()))
            while True:
                gap, events = await reader.take(ALIVE_S)
                if self.feed.ended or call.caller.token not in self.guard.holder.snapshot.config.callers:
                    break
                await response.write((_gap(gap) if gap else b"") + events or b": alive\n%s\n" % self._here())
        return response

    def _here(self) -> bytes:
        """Where whoever has been sent all may go on; also for whom nothing they want has happened for long."""
        point = self.feed.point
        return b"" if point is None else f"id: {point}\n".encode()


class _Wanted:
    """Whether an event is of the room and project that were asked for, and of those that the token is for now."""

    def __init__(self, holder: ConfigHolder, caller: Caller, asked: EventsAsked) -> None:
        self._holder = holder
        self._caller = caller
        self._asked = asked

    def __call__(self, event: FeedEvent) -> bool:
        return (
            self._asked.project in {UNSET, event.project}
            and self._asked.room in {UNSET, event.room}
            and event.project in self._caller.sees(self._holder.snapshot.projects)
        )


def _try_again(error: str, says: str) -> ApiError:
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, error, says, headers={"Retry-After": "1"})


# What is told


def told(change: Change, mask: Mask) -> Iterator[FeedEvent]:
    """The events of a change, as they may be shown."""
    match changes.load(change.body):
        case SessionChanged() as changed:
            for part, entry in enumerate(changed.entries, 1):
                yield _of_session(Point(*change[:3], part), changed, entry, mask)
        case CircuitChanged() as changed:
            action = "circuit.opened" if changed.open else "circuit.closed"
            yield _of_agent("agent", Point(*change[:3], 1), changed.project, changed.target, action)
        case PausesChanged() as changed:
            yield from _of_pauses(change, changed)
        case None:
            return
        case other:
            assert_never(other)


def _of_session(point: Point, changed: SessionChanged, entry: Entry, mask: Mask) -> FeedEvent:
    shown = msgspec.structs.replace(entry, assignment=mask.assignment(entry.assignment))
    fields = {
        "project": changed.project,
        "room": mask.numbers(changed.room),
        "session": changed.sid,
        "at": entry.at,
        "event": entry.said,
        "text": visible(in_words(shown)),
        "assignment": shown.assignment,
        "agent": entry.agent,
    }
    return FeedEvent(point, changed.project, changed.room, _sent("room", point, fields))


def _of_pauses(change: Change, changed: PausesChanged) -> Iterator[FeedEvent]:
    for part, (agent, pause) in enumerate(changed.begun.items(), 1):
        how = paused_by(Paused(pause=pause), pause.at)
        yield _of_agent("pause", Point(*change[:3], part), changed.project, agent, "agent.paused", how=how)
    why = f"{changed.by} has resumed it" if changed.by else "its time is over"
    for part, agent in enumerate(changed.ended, len(changed.begun) + 1):
        yield _of_agent("pause", Point(*change[:3], part), changed.project, agent, "agent.resumed", why=why)


def _of_agent(kind: str, point: Point, project: str, agent: str, action: str, **more: str) -> FeedEvent:
    fields = {
        "project": project,
        "room": "",
        "session": "",
        "at": point.at,
        "event": action,
        "text": visible(sentence(action, {"agent": agent, **more})),
        "assignment": "",
        "agent": agent,
    }
    return FeedEvent(point, project, "", _sent(kind, point, fields))


def _gap(to: Point) -> bytes:
    fields = {"project": "", "room": "", "session": "", "at": to.at, "event": "gap", "text": _MISSED}
    return _sent("gap", to, {**fields, "assignment": "", "agent": ""})


def _sent(kind: str, point: Point, fields: dict[str, object]) -> bytes:
    """The event as it is sent; JSON has no line ends of its own."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(point).encode(), kind.encode(), msgspec.json.encode(fields))
