"""A ledger so simple that it is obviously right: lists, searched from end to end, each rule of the contract once."""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.ended import OVER_FINAL_MS, EndedRooms
from dispatcher.ledger.interface import (
    DEDUPE_MS,
    INBOX_MAX,
    LIVE_TTL_MS,
    Counts,
    Delivered,
    Key,
    Life,
    SaveResult,
    Standing,
)

Numbered = tuple[int, bytes]  # an event and its absolute position in the session's inbox


@dataclass
class Modelled:
    """A session: in `place`, until or from `at`."""

    key: Key
    expires: Ms
    place: Then  # DUE, REST, OVER; KEEP stands for held
    at: Ms
    born: Ms
    token: str = ""
    record: bytes | None = None
    index: tuple[Standing, ...] = ()
    inbox: list[Numbered] = field(default_factory=list)
    came: int = 0  # events ever accepted
    lapses: int = 0
    alone_until: Ms = 0

    @property
    def entries(self) -> tuple[bytes, ...]:
        """What is in the inbox."""
        return tuple(entry for _, entry in self.inbox)


class Model:
    """What the ledger should hold. What is the ledger's to choose, tokens and the order in a tie, it takes over."""

    def __init__(self, now: Ms) -> None:
        self.now = now
        self.sessions: list[Modelled] = []  # the oldest first
        self.event_ids: list[tuple[str, Ms]] = []
        self.turns: dict[str, Ms] = {}
        self.levels: dict[str, tuple[Fraction, Ms]] = {}

    def advance(self, ms: Ms) -> None:
        """Time goes by; what has expired is gone."""
        self.now += ms
        self.sessions = [session for session in self.sessions if session.expires > self.now]

    def get(self, key: Key) -> Modelled | None:
        """The session, live or over."""
        return next((session for session in self.sessions if session.key == key), None)

    def leased(self, key: Key, token: str) -> Modelled | None:
        """The session, if that is its lease's token."""
        session = self.get(key)
        return session if session and session.place is Then.KEEP and session.token == token else None

    def is_known(self, event_id: str) -> bool:
        """Whether the id came in this stretch of DEDUPE_MS or the one before."""
        return any(known == event_id and self.now // DEDUPE_MS - at // DEDUPE_MS <= 1 for known, at in self.event_ids)

    def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool) -> tuple[Delivered, bool]:
        """What became of the event, and whether the session is to be handed out."""
        session = self.get(key)
        ended = session if session and session.place is Then.OVER else None
        if ended and self.now < ended.at + OVER_FINAL_MS:
            return Delivered.OVER, False
        session = None if ended else session
        held = session is not None and session.place is Then.KEEP and session.at > self.now
        free = not held and not (session and session.alone_until > self.now)
        if event_id and self.is_known(event_id):
            return Delivered.DUPLICATE, bool(take and free and session and session.inbox)
        self.event_ids.append((event_id, self.now))
        if ended:
            self.sessions.remove(ended)
        if not session:
            session = Modelled(key=key, expires=0, place=Then.DUE, at=self.now, born=self.now)
            self.sessions.append(session)
        session.came += 1
        session.inbox = [*session.inbox, (session.came, event)][-INBOX_MAX:]
        session.expires = self.now + LIVE_TTL_MS
        if session.place is Then.REST:
            session.place, session.at = Then.DUE, self.now
        if session.place is Then.DUE:
            session.at = max(session.alone_until, min(session.at, self.now))
        return Delivered.ACCEPTED, take and free

    def lapse(self, session: Modelled) -> int:
        """It is about to be handed out: how many leases in a row have run out, if one just has."""
        lapsed = session.place is Then.KEEP
        session.lapses += lapsed
        return session.lapses if lapsed else 0

    def leave(self, session: Modelled, until: Ms) -> None:
        """It is left alone until then."""
        session.place, session.at, session.alone_until = Then.DUE, until, until
        session.expires = self.now + LIVE_TTL_MS

    def hand_out(self, session: Modelled, token: str) -> None:
        """The session is held under the token from now on."""
        session.place, session.token, session.at = Then.KEEP, token, self.now + LEASE_MS
        session.expires = self.now + LIVE_TTL_MS

    def claimable(self) -> list[Modelled]:
        """Whose time has come, the longest due first."""
        waiting = [session for session in self.sessions if session.place in (Then.DUE, Then.KEEP)]
        return sorted((session for session in waiting if session.at <= self.now), key=lambda session: session.at)

    def wait(self) -> Ms | None:
        """How long until the next is claimable."""
        times = [session.at for session in self.sessions if session.place in (Then.DUE, Then.KEEP)]
        return max(0, min(times) - self.now) if times else None

    def save(
        self, session: Modelled, record: bytes, upto: int, then: Then, due_at: Ms, index: tuple[Standing, ...]
    ) -> SaveResult:
        """What a save does that holds the lease. `upto` counts the events ever accepted."""
        session.record, session.index = record, index
        session.inbox = [(number, entry) for number, entry in session.inbox if number > upto]
        session.expires = self.now + LIVE_TTL_MS
        session.lapses = session.lapses if then is Then.KEEP else 0
        if then is Then.OVER:
            session.place, session.at, session.inbox, session.index = Then.OVER, self.now, [], ()
            session.expires = self.now + EndedRooms().keep
            return SaveResult.OK
        if then is Then.KEEP or session.inbox:
            session.at = self.now + LEASE_MS
            return SaveResult.KEPT if then is Then.KEEP else SaveResult.MORE
        session.place, session.at = then, due_at
        return SaveResult.OK

    def make_due(self, session: Modelled) -> None:
        """The session is due now."""
        session.place, session.at, session.expires = Then.DUE, self.now, self.now + LIVE_TTL_MS

    def touch(self, keys: list[Key]) -> set[Key]:
        """The unknown ones; the live ones live on."""
        for session in self.sessions:
            if session.key in keys and session.place is not Then.OVER:
                session.expires = self.now + LIVE_TTL_MS
        over = [one.key for one in self.sessions if one.place is Then.OVER and self.now >= one.at + OVER_FINAL_MS]
        return {key for key in keys if not self.get(key) or key in over}

    def turn(self, name: str, every: Ms) -> bool:
        """Whether nobody had the turn within the `every` that was asked for then."""
        if self.turns.get(name, self.now) > self.now:
            return False
        self.turns[name] = self.now + every
        return True

    def pace(self, name: str, interval: int, burst: int) -> Fraction:
        """A leaky bucket: one slot leaks out per interval; whoever overfills it waits until that has leaked."""
        level, at = self.levels.get(name, (Fraction(0), self.now))
        level = max(Fraction(0), level - Fraction(self.now - at, interval))
        self.levels[name] = (level + 1, self.now)
        return max(Fraction(0), (level + 1 - burst) * interval)

    def counts(self) -> Counts:
        """How many are in each place."""
        places = Counter(session.place for session in self.sessions)
        return Counts(due=places[Then.DUE], held=places[Then.KEEP], rest=places[Then.REST])

    def standings(self) -> dict[tuple[str, Standing], int]:
        """How many lines of each."""
        return dict(Counter((session.key.project, line) for session in self.sessions for line in session.index))

    def lives(self, project: str, room: str | None = None) -> list[Life]:
        """The lives of the name, or the live ones of the project; newest first."""
        return [
            Life(
                key=session.key,
                record=session.record,
                born=session.born,
                due_at=session.at if session.place is Then.DUE else None,
                ended_at=session.at if session.place is Then.OVER else 0,
            )
            for session in reversed(self.sessions)
            if session.key.project == project and (session.key.room == room if room else session.place is not Then.OVER)
        ]
