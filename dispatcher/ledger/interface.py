"""The ledger's interface, and what every home of it promises. The tests in tests/contract/ run on each home.

All times are integer milliseconds of the ledger's own clock, the one clock that all replicas agree on.
Records and inbox entries are opaque bytes here: the ledger never looks inside them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Unpack

from msgspec import Struct

from dispatcher.core.effects import Then
from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import Announced
from dispatcher.ledger.order import PageFields

INBOX_MAX: Final = 256  # the oldest are dropped: a look shows better what they said
LIVES_MAX: Final = 8  # sessions remembered under one room name
LIVE_TTL_MS: Final = 86_400_000  # a live session that no operation has changed for a day is forgotten, due or not
ADJUST_TTL_MS: Final = 600_000  # what made a pace slower is forgotten
MEMO_TTL_MS: Final = 86_400_000  # a memo that nobody has replaced for a day is forgotten
NOTICES_MAX: Final = 16_384  # that nobody has collected, in the whole ledger; beyond them the oldest are lost
NOTICES_TTL_MS: Final = 86_400_000  # nobody has collected any for a day: what is there is forgotten
DEDUPE_MS: Final = 600_000  # at least; a webhook's token lives 6 minutes, an older repeat fails verification


class LedgerUnavailable(DispatcherError):
    """The ledger did not answer, or not in time: try again later. The call may or may not have had its effect."""


class LedgerTaken(LedgerUnavailable):
    """The keys that this process would use belong to another installation. Nothing was done; they may be ours later."""

    hint = "give one of the two another `instance`; if this one has moved to another LiveKit: serve --take-over, once"


class Key(Struct, frozen=True, gc=False):
    """A session: one life of one room of one project."""

    project: str
    room: str
    sid: str


class Lease(Struct, frozen=True, kw_only=True):
    """The right to advance one session until `until`, and after it until somebody else takes the session.

    `token` is the fence: made in the process that holds it, not counted in the home (a counter starts again when the
    home is emptied, and an old holder's save would pass). Never reused.
    """

    key: Key
    token: str
    until: Ms


class Handover(Struct, frozen=True, kw_only=True):
    """A session that is handed out: its lease, its record (None: new, or lost), and what came in since its last fold.

    `upto` is the absolute inbox position behind `inbox`; saving with it drains exactly these entries, however often
    it is sent.
    """

    lease: Lease
    record: bytes | None
    inbox: tuple[bytes, ...]
    upto: int
    now: Ms  # the ledger's clock when this was handed out
    lapses: int = 0  # leases in a row that ran out, the last of them just now; 0: the last one did not
    due: Ms  # since when it could have been: earlier than `now` where it was claimed late


class Claimed(NamedTuple):
    """What one claim handed out, longest due first; and in how many ms the next session is due."""

    handovers: list[Handover]
    due_in: Ms | None  # 0: more wait now; None: none is known


class Delivered(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    OVER = "over"


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of an event, and, if nobody held the session, the session itself."""

    outcome: Delivered
    handover: Handover | None = None


class SaveResult(StrEnum):
    OK = "ok"
    KEPT = "kept"  # saved, and the lease renewed
    MORE = "more"  # saved, but more came in: `held` is the session with it, lease renewed
    LOST = "lost"  # the lease is no longer the session's, or the session is gone or over: nothing was changed


class SaveAnswer(Struct, frozen=True, kw_only=True):
    result: SaveResult
    handover: Handover | None = None  # with KEPT (the inbox is empty: it is folded once per claim) and MORE


class Standing(Struct, frozen=True, order=True, omit_defaults=True, gc=False):
    """One line of the index that `save` carries: an assignment's state and the agent it is about. Fit for a label."""

    state: str
    agent: str
    since: Ms = 0  # somebody waits for it, and no agent is there; `standings` counts without it


class Telling(Struct, frozen=True, kw_only=True):
    """What others learn of something that is saved, in the same step: nothing of what is not, and nothing twice."""

    index: Sequence[Standing] = ()  # takes the place of the session's lines in `standings` and `list`
    notices: Sequence[bytes] = ()  # wait to be collected: `Ledger.notices`
    change: bytes = b""  # is announced to whoever watches: `Ledger.changes`


SILENT: Final = Telling()


class Life(Struct, frozen=True, kw_only=True, gc=False):
    """A session as `find` and `list` show it: without a lease, to read only."""

    key: Key
    record: bytes | None
    born: Ms  # when it was first heard of
    due_at: Ms | None  # None: at rest, held or over
    ended_at: Ms = 0  # 0: it lives
    waiting_since: Ms = 0  # as Order.WAIT has it; else 0

    @property
    def finished(self) -> bool:
        return self.ended_at > 0


class Slot(Struct, frozen=True):
    """A turn at a pace: in how many ms it comes (0: now), and the memo of the same name, read in the same moment."""

    wait: float
    memo: bytes | None = None


class PostedNotice(Struct, frozen=True):
    """A notice that waits to be collected, and the name that it is discarded by. No two have had the same."""

    id: str
    notice: bytes


class Counts(Struct, frozen=True, kw_only=True):
    """How many live sessions are in each of the three places; each is in exactly one (law 7)."""

    due: int
    held: int
    rest: int


class Notices(Protocol):
    """The notices that wait to be collected: `save` and `replace_memo` have posted them."""

    async def oldest(self, limit: int) -> Sequence[PostedNotice]:
        """Read up to `limit` of them, the oldest of each partition. They stay. Raises LedgerUnavailable."""
        ...

    async def discard(self, ids: Sequence[str]) -> None:
        """Take these out, which somebody has collected; those that are gone already are no trouble.

        Raises LedgerUnavailable.
        """
        ...


class Ledger(Protocol):
    """Every operation is atomic, and raises LedgerUnavailable when the home does not answer."""

    @property
    def notices(self) -> Notices:
        """What waits to be collected."""
        ...

    async def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool = True) -> Delivery:
        """Record the event once, however often it comes, and make its session due at once.

        An empty `event_id` is never a repeat (the sweep's and the operator's); any other belongs to one session and is
        remembered for DEDUPE_MS at least. With `take`, and if nobody holds the session (a lease that has run out holds
        nothing), the lease, record and inbox are handed out; for a repeat only if the inbox is not empty, since then
        the answer to the first may have been lost. A session that is over keeps nothing and answers OVER, repeat or
        not, for OVER_FINAL_MS; after that it begins anew, as LiveKit may revive a room under its old SID.
        The inbox keeps the newest INBOX_MAX entries.
        """
        ...

    async def claim(self, limit: int) -> Claimed:
        """Hand out up to `limit` sessions whose due time has come or whose lease has run out."""
        ...

    async def save(
        self, lease: Lease, record: bytes, upto: int, then: Then, *, due_at: Ms = 0, telling: Telling = SILENT
    ) -> SaveAnswer:
        """Replace the record and drain the inbox up to `upto`, if the token is still the session's.

        DUE, REST: the lease ends, unless more came in (MORE: the lease is renewed and the rest handed out).
        KEEP: the lease is renewed; what came in stays in the inbox until the next save that is not KEEP.
        OVER: a tombstone stays, to be found; what came in is dropped. Sent again after it ended the lease: LOST.
        """
        ...

    async def renew(self, lease: Lease) -> Lease | None:
        """Renew the lease for LEASE_MS from now; None: it is lost. One that ran out and was not taken is still ours."""
        ...

    async def release(self, lease: Lease, *, alone_until: Ms = 0) -> None:
        """The session is due now, for anybody; its inbox is kept. A lost lease changes nothing.

        With `alone_until` it is due then, and handed out to nobody before, whatever comes in. How many leases in a row
        have run out is kept, too: only a save that ends a lease makes that none.
        """
        ...

    async def find(self, project: str, room: str) -> list[Life]:
        """The lives of a room name, newest first, LIVES_MAX at most; ended ones as EndedRooms says."""
        ...

    async def list(self, project: str, state: str | None = None, **page: Unpack[PageFields]) -> list[Life]:
        """Live sessions of the project, those with an assignment in `state` if one is named, newest first.

        With Order.WAIT those in which somebody waits, with Order.ENDED those that have ended instead, whatever the
        state. Those of one instant follow each other by their sid. What comes `after` a position is the same however
        the sessions before it change.
        """
        ...

    async def touch(self, keys: Sequence[Key]) -> set[Key]:
        """Find those that are unknown here, and keep the others; one that is over is known for OVER_FINAL_MS.

        Live ones live on for LIVE_TTL_MS from now.
        """
        ...

    async def counts(self) -> Counts:
        """How many live sessions are due, held and at rest."""
        ...

    async def standings(self) -> Mapping[tuple[str, Standing], int]:
        """Count assignments by their standing, over all live sessions: (project, standing) → number."""
        ...

    async def turn(self, name: str, every: Ms) -> bool:
        """True for one caller per `every` and name: the one whose turn it is."""
        ...

    async def pace(self, name: str, *, interval: float, burst: int) -> Slot:
        """Take a slot for the caller.

        Slots are handed out in the order of asking, on average one per `interval` ms and name over all replicas, at
        most `burst` (>= 1) of them at once. One that is not used is lost, not given back.
        Exact: GCRA, whose only state is a name's theoretical arrival time; it is forgotten once it has passed.
        """
        ...

    async def adjust(self, name: str, by: float, *, most: float) -> float:
        """Spread slots of this name further apart by the factor `by` from now on; returns the factor in force.

        It stays between 1 (as `pace` asks) and `most`, and is forgotten ADJUST_TTL_MS after it was last adjusted.
        """
        ...

    async def memos(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """Read what is kept under each of these names; None: nothing. It means what its readers make of it."""
        ...

    async def replace_memo(
        self, name: str, before: bytes | None, after: bytes, *, telling: Telling = SILENT
    ) -> bytes | None:
        """Replace the memo by `after` if it is `before` (None: there is none); what it is then.

        Sent again, it changes nothing; what stays the same announces no change.
        It is forgotten MEMO_TTL_MS after it was last replaced.
        """
        ...

    async def changes(self, since: Ms) -> Announced:
        """Read what was announced from `since` on; whoever asks next from `until` on misses nothing.

        Changes are announced from the first call on, until WATCH_MS after the last. The newest CHANGES_MAX are kept.
        """
        ...

    async def now(self) -> Ms:
        """The ledger's clock."""
        ...

    async def aclose(self) -> None:
        """Close the connections; the ledger keeps its content."""
        ...
