"""Notices: what somebody outside is told, and when. What happens is gathered, so that an outage is one message.

Each receiver has a queue of its own. Happenings about the same thing (a subject of a project and an agent) are one
thread: they wait a little for their like, leave as one message, and the next of the same kind leaves an interval later
at the earliest. What opens an incident leaves before what closes it. One message of a thread is under way at a time.

Functions take a frozen queue and give the next. Instants are the ledger's.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms

SAMPLES_MAX: Final = 5  # happenings that a message shows; it says how many there were
THREADS_MAX: Final = 64  # of one receiver; beyond them agents are not told apart
TEXT_MAX: Final = 600  # characters of a happening's own words


class NoticeKind(StrEnum):
    """What happened, as receivers read it: `type` of a message."""

    ROOM_STARVED = "room.starved"  # every target has been tried, and somebody waits
    ROOM_RECOVERED = "room.recovered"  # a starved room has its agent
    ROOM_RELEASED = "room.released"  # a starved room waits no more, and no agent came; or it begins anew
    CIRCUIT_OPENED = "circuit.opened"
    CIRCUIT_CLOSED = "circuit.closed"
    AGENT_REMOVED = "agent.removed"  # one beyond the one wanted, or one without a name
    AGENT_UNREQUESTED = "agent.unrequested"
    SPLIT_STOPPED = "split.stopped"  # far more rooms go badly on this side than on the others
    SPLIT_RESUMED = "split.resumed"
    PROBE_FAILING = "probe.failing"  # an agent that is asked for to see whether it comes does not, several times
    PROBE_RECOVERED = "probe.recovered"
    KEY_REFUSED = "livekit.key_refused"
    LIVEKIT_FAILING = "livekit.failing"
    LIVEKIT_RECOVERED = "livekit.recovered"
    CONFIG_REFUSED = "config.refused"
    CONFIG_ACCEPTED = "config.accepted"
    TEST = "test"  # `dispatcher notify-test`


class Effect(StrEnum):
    """What a kind of notice does to the incident of its subject."""

    OPENS = "opens"
    CLOSES = "closes"
    TELLS = "tells"  # there is no incident that would end


_ROOMS: Final = "rooms"
_KINDS: Final[Mapping[NoticeKind, tuple[str, Effect]]] = {
    NoticeKind.ROOM_STARVED: (_ROOMS, Effect.OPENS),
    NoticeKind.ROOM_RECOVERED: (_ROOMS, Effect.CLOSES),
    NoticeKind.ROOM_RELEASED: (_ROOMS, Effect.CLOSES),
    NoticeKind.CIRCUIT_OPENED: ("circuit", Effect.OPENS),
    NoticeKind.CIRCUIT_CLOSED: ("circuit", Effect.CLOSES),
    NoticeKind.AGENT_REMOVED: ("removed", Effect.TELLS),
    NoticeKind.AGENT_UNREQUESTED: ("unrequested", Effect.TELLS),
    NoticeKind.SPLIT_STOPPED: ("split", Effect.OPENS),
    NoticeKind.SPLIT_RESUMED: ("split", Effect.CLOSES),
    NoticeKind.PROBE_FAILING: ("probe", Effect.OPENS),
    NoticeKind.PROBE_RECOVERED: ("probe", Effect.CLOSES),
    NoticeKind.KEY_REFUSED: ("livekit", Effect.OPENS),
    NoticeKind.LIVEKIT_FAILING: ("livekit", Effect.OPENS),
    NoticeKind.LIVEKIT_RECOVERED: ("livekit", Effect.CLOSES),
    NoticeKind.CONFIG_REFUSED: ("config", Effect.OPENS),
    NoticeKind.CONFIG_ACCEPTED: ("config", Effect.CLOSES),
    NoticeKind.TEST: ("test", Effect.TELLS),
}
CRITICAL: Final = frozenset({NoticeKind.ROOM_STARVED, NoticeKind.KEY_REFUSED, NoticeKind.LIVEKIT_FAILING})
SUBSCRIBABLE: Final = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)


def effect_of(kind: NoticeKind) -> Effect:
    """What the kind does to the incident of its subject."""
    return _KINDS[kind][1]


class Happening(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. Never metadata, attributes or a token (law 11)."""

    kind: NoticeKind
    at: Ms
    project: str = ""  # "": of the service itself
    agent: str = ""
    room: str = ""
    session: str = ""  # the room's SID
    assignment: str = ""
    text: str = ""  # how it stands, and why, in a sentence or two


class Batch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Happenings of one kind and thread that leave together. Bounded: SAMPLES_MAX."""

    kind: NoticeKind
    since: Ms
    due_at: Ms  # when it leaves
    total: int = 0
    samples: tuple[Happening, ...] = ()  # the first ones


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a receiver gets, however often it is sent. `id` is the same each time."""

    id: str
    thread: str
    kind: NoticeKind
    project: str
    agent: str
    total: int  # happenings that it tells of
    open: int  # of the thread's incidents that are still open
    since: Ms  # the first happening
    made_at: Ms
    samples: tuple[Happening, ...] = ()
    due_at: Ms = 0  # the next try; while one is under way, when others may try
    tries: int = 0


class Thread(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All about one subject of one project and agent."""

    project: str
    agent: str
    open: int = 0  # incidents that have begun and not ended
    gathering: tuple[Batch, ...] = ()  # in the order of their beginnings, one of each kind
    message: Message | None = None  # under way
    told: Mapping[NoticeKind, Ms] = {}  # when a message of this kind was made last


class Queue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one receiver is owed. Bounded: THREADS_MAX."""

    threads: Mapping[str, Thread] = {}
    collected: tuple[str, ...] = ()  # ids of the notices read last: they may wait in the ledger still


class Pacing(Struct, frozen=True, kw_only=True):
    """How long happenings are gathered, and how far apart messages of a kind and thread are at least."""

    wait: Ms = 5_000
    interval: Ms = 300_000


EMPTY: Final = Queue()


def gather(
    queue: Queue, posted: Iterable[tuple[str, Happening]], kinds: Collection[NoticeKind], pacing: Pacing, now: Ms
) -> Queue:
    """The queue, with what it has not collected before of these: those of `kinds` count, and each counts once.

    `posted` is all that the ledger was just found to hold, read after the queue was.
    """
    found = list(posted)
    known = set(queue.collected)
    threads = dict(queue.threads)
    for id_, happening in found:
        if id_ not in known and happening.kind in kinds:
            _gather(threads, happening, pacing, now)
    return replace(queue, threads=threads, collected=tuple(id_ for id_, _ in found))


def _gather(threads: dict[str, Thread], happening: Happening, pacing: Pacing, now: Ms) -> None:
    subject, effect = _KINDS[happening.kind]
    agent = happening.agent
    key = f"{subject}/{happening.project}/{agent}"
    if key not in threads and len(threads) >= THREADS_MAX:
        key, agent = f"{subject}/{happening.project}/", ""
    thread = threads.get(key) or Thread(project=happening.project, agent=agent)
    told_at = thread.told.get(happening.kind)
    due_at = max(now + pacing.wait, told_at + pacing.interval if told_at is not None else 0)
    batches = {batch.kind: batch for batch in thread.gathering}
    batch = batches.get(happening.kind) or Batch(kind=happening.kind, since=happening.at, due_at=due_at)
    batches[happening.kind] = replace(
        batch,
        since=min(batch.since, happening.at),
        total=batch.total + 1,
        samples=(*batch.samples, happening)[:SAMPLES_MAX],
    )
    threads[key] = replace(thread, open=_opened(thread.open, subject, effect), gathering=tuple(batches.values()))


def _opened(before: int, subject: str, effect: Effect) -> int:
    """How many incidents of the thread are open then: of rooms many may be, of anything else one."""
    match effect:
        case Effect.OPENS:
            return before + 1 if subject == _ROOMS else 1
        case Effect.CLOSES:
            return max(0, before - 1) if subject == _ROOMS else 0
        case Effect.TELLS:
            return before


def make_messages(queue: Queue, pacing: Pacing, now: Ms, *, receiver: str) -> Queue:
    """The queue, with a message of each thread whose time has come; threads that have nothing more to say are gone."""
    threads: dict[str, Thread] = {}
    for key, before in queue.threads.items():
        thread = _made(key, before, now, receiver)
        if not _is_over(thread, pacing, now):
            threads[key] = thread
    return replace(queue, threads=threads)


def _made(key: str, thread: Thread, now: Ms, receiver: str) -> Thread:
    """What is due drags along what began before it, so that nothing closes an incident before it was opened."""
    if thread.message is not None or not any(batch.due_at <= now for batch in thread.gathering):
        return thread
    due = max(at for at, batch in enumerate(thread.gathering) if batch.due_at <= now)
    batch = thread.gathering[0]
    rest = tuple(
        replace(one, due_at=min(one.due_at, now)) if at <= due else one for at, one in enumerate(thread.gathering)
    )[1:]
    name = f"{receiver}\0{key}\0{batch.kind}\0{batch.since}\0{now}"
    message = Message(
        id=f"msg_{blake2b(name.encode(), digest_size=15).hexdigest()}",
        thread=key,
        kind=batch.kind,
        project=thread.project,
        agent=thread.agent,
        total=batch.total,
        open=thread.open,
        since=batch.since,
        made_at=now,
        samples=batch.samples,
        due_at=now,
    )
    return replace(thread, gathering=rest, message=message, told={**thread.told, batch.kind: now})


def _is_over(thread: Thread, pacing: Pacing, now: Ms) -> bool:
    if thread.message is not None or thread.gathering or thread.open:
        return False
    return all(now >= at + pacing.interval for at in thread.told.values())


def due_messages(queue: Queue, now: Ms) -> list[Message]:
    """The messages that are to be sent now, the longest due first."""
    under_way = (thread.message for thread in queue.threads.values())
    return sorted((one for one in under_way if one is not None and one.due_at <= now), key=lambda one: one.due_at)


def next_at(queue: Queue) -> Ms | None:
    """When there is something to do next; None: nothing is owed."""
    ahead = [thread.message.due_at for thread in queue.threads.values() if thread.message is not None]
    for thread in queue.threads.values():
        if thread.message is None:
            ahead += [batch.due_at for batch in thread.gathering]
    return min(ahead, default=None)


def being_sent(queue: Queue, message: Message, now: Ms) -> tuple[Queue, Message]:
    """Whoever has put this queue in force sends the message, as it is then; others leave it alone for NOTICE_TRY_MS."""
    tried = replace(message, due_at=now + timing.NOTICE_TRY_MS, tries=message.tries + 1)
    return _with(queue, message, tried), tried


def next_try(message: Message, now: Ms, *, after: Ms = 0) -> Ms | None:
    """When a message that was not taken is tried again, not before `after` ms; None: it is too old, and given up."""
    at = now + max(after, retry_in(message.tries, message.id))
    return at if at <= message.made_at + timing.NOTICE_DAY_MS else None


def settled(queue: Queue, message: Message, again_at: Ms | None) -> Queue:
    """The message is tried again then; None: it was taken, or is given up."""
    return _with(queue, message, None if again_at is None else replace(message, due_at=again_at))


def retry_in(tries: int, spread_by: str) -> Ms:
    """How long after so many failed tries the next one is made: doubling, up to an hour, spread by a quarter."""
    wait = min(timing.NOTICE_BACKOFF_MS << min(max(0, tries - 1), 20), timing.NOTICE_BACKOFF_CAP_MS)
    share = blake2b(f"{spread_by}#{tries}".encode(), digest_size=2).digest()
    return wait - wait // 4 + wait * int.from_bytes(share) // (2 * 65_536)


def waiting(queue: Queue) -> int:
    """How many happenings the receiver has not been told of."""
    return sum(
        (thread.message.total if thread.message else 0) + sum(batch.total for batch in thread.gathering)
        for thread in queue.threads.values()
    )


def _with(queue: Queue, before: Message, after: Message | None) -> Queue:
    """The queue in which `after` is under way in the place of `before`, unless that is under way no more."""
    thread = queue.threads.get(before.thread)
    if thread is None or thread.message is None or thread.message.id != before.id:
        return queue
    return replace(queue, threads={**queue.threads, before.thread: replace(thread, message=after)})
