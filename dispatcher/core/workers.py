"""Workers seen: what the workers at configured addresses say of themselves, and what follows from it.

It is never truth about a room. It says where an agent may come from, and warms what people are told.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import Ms

FULL: Final = 0.7  # of a worker's load: `load_threshold` of livekit-agents in production, unless it is told otherwise
GONE_MAX: Final = 64  # names of which it is remembered that they were seen,
GONE_FOR: Final[Ms] = 24 * 3_600_000  # and for how long


class Registered(Struct, frozen=True, kw_only=True):
    """One worker, as it says. It may have lost LiveKit without knowing it yet."""

    agent: str  # "": it has no name, and LiveKit gives it every room
    type: str = "JT_ROOM"  # LiveKit's name of what it takes: JT_ROOM, JT_PUBLISHER
    jobs: int = 0
    load: float | None = None  # None: it does not say, as those of Node
    sdk: str = ""
    ready: bool = True  # GET / is answered with 200


class Missing(StrEnum):
    """Why no worker is known at an address. Bounded: a metric's label."""

    REFUSED = "refused"  # nobody listens there
    UNRESOLVED = "unresolved"  # no such name
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"  # something answers, and not as a worker
    TOO_LONG = "too_long"


NOBODY: Final = frozenset({Missing.REFUSED, Missing.UNRESOLVED})  # there is none; of the others nobody knows


class Sighting(Struct, frozen=True, kw_only=True):
    """The workers of one agent's name. None at the moment: the last was seen at `last_seen_at`."""

    agent: str
    workers: tuple[Registered, ...]
    since: Ms  # from then on there was one whenever all were asked
    last_seen_at: Ms


class WorkersSeen(Struct, frozen=True, kw_only=True):
    """What all addresses answered when they were asked last, on the clock of who asked."""

    at: Ms = 0
    sightings: Mapping[str, Sighting] = {}  # by agent
    answers: Mapping[str, Registered | Missing] = {}  # by address

    def of(self, agent: str) -> Sighting | None:
        """Who is seen under that name, or was within a day; None: nobody."""
        return self.sightings.get(agent)

    def lacks(self, agent: str) -> bool:
        """Whether no worker has that name, as far as that can be known: some answer, and no address leaves it open."""
        sighting = self.of(agent)
        return self.answering and self.complete and not (sighting and sighting.workers)

    @property
    def answering(self) -> bool:
        """Whether any worker answers: else there is no opinion on any."""
        return any(isinstance(answer, Registered) for answer in self.answers.values())

    @property
    def complete(self) -> bool:
        """Whether it is known of each address who is there, if anybody."""
        return all(isinstance(answer, Registered) or answer in NOBODY for answer in self.answers.values())

    @property
    def registered(self) -> Mapping[str, int]:
        """How many workers there are now of each agent, by name."""
        counts = {name: len(one.workers) for name, one in sorted(self.sightings.items())}
        return {name: count for name, count in counts.items() if count}


def asked(before: WorkersSeen, answers: Mapping[str, Registered | Missing], now: Ms) -> WorkersSeen:
    """What is seen, now that all addresses have answered or failed to."""
    here: dict[str, list[Registered]] = {}
    for answer in answers.values():
        if isinstance(answer, Registered):
            here.setdefault(answer.agent, []).append(answer)
    gone = {
        name: replace(one, workers=())
        for name, one in before.sightings.items()
        if name not in here and now - one.last_seen_at < GONE_FOR
    }
    kept = dict(sorted(gone.items(), key=lambda item: -item[1].last_seen_at)[:GONE_MAX])
    return WorkersSeen(
        at=now,
        answers=answers,
        sightings=kept | {name: _sighting(before.of(name), name, workers, now) for name, workers in here.items()},
    )


def _sighting(before: Sighting | None, agent: str, workers: list[Registered], now: Ms) -> Sighting:
    since = before.since if before and before.workers else now
    return Sighting(agent=agent, workers=tuple(workers), since=since, last_seen_at=now)
