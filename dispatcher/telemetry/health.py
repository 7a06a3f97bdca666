"""What is wrong with the service itself: the one place that knows, for the API, `explain` and whoever else tells it.

It hears how calls to LiveKit and the ledger end, and what becomes of webhooks. What it keeps is bounded by the number
of projects, operations and reasons; it is this process's alone.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.troubles import Trouble, TroubleKind, by_weight
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.livekit.failures import Reason
from dispatcher.telemetry.configured import Configured

UNAVAILABLE: Final = "ledger_unavailable"  # as /readyz says
TAKEN: Final = "ledger_taken"
LATELY_MS: Final = 300_000  # webhooks rejected since then are trouble
FAILING_MS: Final = 90_000  # a call that failed longer ago says nothing of now: the sweep calls every 30 s
LEDGER_FAILING_MS: Final = 10_000  # likewise: it is asked every second
REJECTED_MAX: Final = 1_000  # webhooks of one reason that are counted


class _Failing(Struct):
    """One thing that fails, until it succeeds."""

    since: Ms
    last_at: Ms = 0
    reason: str = ""
    count: int = 0


class Health:
    """Keeps what is wrong now. `clock` is this machine's, in epoch ms."""

    def __init__(
        self, clock: Callable[[], Ms], *, dry_run: bool = False, version: str = "unknown", instance: str = "default"
    ) -> None:
        self.clock = clock
        self.dry_run = dry_run
        self.version = version
        self.instance = instance
        self.config = Configured(clock)
        self._livekit: dict[str, _Failing] = {}  # by project
        self._answering: set[str] = set()  # projects whose LiveKit has answered since it failed last
        self._ledger: dict[str, _Failing] = {}  # by operation
        self._rejected: dict[str, deque[Ms]] = {}  # by reason
        self._astray: dict[str, tuple[deque[Ms], str]] = {}  # by reason; and what the last one asked for
        self._another = deque[Ms](maxlen=REJECTED_MAX)  # signs of another process
        self._webhook_at: dict[str, Ms] = {}  # by project: the last one that was verified
        self._found: dict[str, _Failing] = {}  # by project: rooms that the sweep has found since
        self._swept_at: dict[str, Ms] = {}  # by project: when a sweep last came to its end
        self._untold: dict[str, _Failing] = {}  # by receiver of notices

    # Hearing

    def livekit_failed(self, project: str, reason: Reason) -> None:
        """Note that the project's LiveKit did not answer a look or a sweep."""
        took = timing.LOOK_LIMIT_MS if reason is Reason.TIMEOUT else 0
        _note(self._livekit, project, self.clock() - took, self.clock(), reason)
        self._answering.discard(project)

    def livekit_answered(self, project: str) -> None:
        """Note that it did."""
        self._livekit.pop(project, None)
        self._answering.add(project)

    def ledger_asked(self, operation: str, seconds: float, failed: LedgerUnavailable | None) -> None:
        """Note how an operation of the ledger ended, and how long it took."""
        if failed is None:
            self._ledger.pop(operation, None)
            return
        now, reason = self.clock(), TAKEN if isinstance(failed, LedgerTaken) else UNAVAILABLE
        _note(self._ledger, operation, now - int(seconds * 1000), now, reason)

    def webhook_verified(self, project: str) -> None:
        """Note that a webhook of the project's has come."""
        self._webhook_at[project] = self.clock()
        self._found.pop(project, None)

    def webhook_rejected(self, reason: str) -> None:
        """Note that a webhook was refused."""
        self._rejected.setdefault(reason, deque(maxlen=REJECTED_MAX)).append(self.clock())

    def webhook_astray(self, reason: str, asked: str) -> None:
        """Note that what looks like a webhook came to a wrong place: `asked` is its method and path."""
        instants, _ = self._astray.get(reason, (deque[Ms](maxlen=REJECTED_MAX), ""))
        instants.append(self.clock())
        self._astray[reason] = instants, asked

    def another_process(self) -> None:
        """Note a sign of another process that works as the same instance."""
        self._another.append(self.clock())

    def swept(self, project: str) -> None:
        """Note that a sweep of the project has come to its end."""
        self._swept_at[project] = self.clock()

    def notice_failed(self, receiver: str, why: str) -> None:
        """Note that the receiver has not taken a message."""
        failing = self._untold.setdefault(receiver, _Failing(since=self.clock()))
        failing.last_at, failing.reason, failing.count = self.clock(), why, failing.count + 1

    def notices_taken(self, receiver: str) -> None:
        """Note that it has taken one, or is owed nothing."""
        self._untold.pop(receiver, None)

    def room_found(self, project: str) -> None:
        """Note that the sweep has found a room that no webhook had told of."""
        now = self.clock()
        _note(self._found, project, now, now, "")

    # Telling

    def troubles(self, projects: Collection[str]) -> list[Trouble]:
        """What is wrong now with the service, and with these projects, the worst first."""
        now = self.clock()
        found = [*self._of_the_service(now)]
        for project in projects:
            found += self._of_project(project)
        return sorted(found, key=by_weight)

    def answers(self, project: str) -> bool:
        """Whether the project's LiveKit has answered here, and has not failed since."""
        return project in self._answering

    def webhook_at(self, project: str) -> Ms:
        """When the project's last webhook was verified here; 0: none since the start."""
        return self._webhook_at.get(project, 0)

    def swept_at(self, project: str) -> Ms:
        """When a sweep of the project last came to its end here; 0: none since the start."""
        return self._swept_at.get(project, 0)

    def ledger_failing(self) -> Trouble | None:
        """What is wrong with the ledger; None: nothing that is known."""
        failing = [one for one in self._ledger.values() if one.last_at > self.clock() - LEDGER_FAILING_MS]
        return _trouble(TroubleKind.LEDGER_FAILING, min(failing, key=lambda one: one.since)) if failing else None

    def failing(self, project: str) -> Trouble | None:
        """What is wrong with the project's LiveKit; None: nothing that is known."""
        failing = self._livekit.get(project)
        if failing is None or failing.last_at <= self.clock() - FAILING_MS:
            return None
        return _trouble(TroubleKind.LIVEKIT_FAILING, failing, project)

    def _of_the_service(self, now: Ms) -> Iterator[Trouble]:
        if self.dry_run:
            yield Trouble(kind=TroubleKind.DRY_RUN)
        if failing := self.ledger_failing():
            yield failing
        yield from _lately(TroubleKind.ANOTHER_PROCESS, "", self._another, now)
        for reason, instants in self._rejected.items():
            yield from _lately(TroubleKind.WEBHOOKS_REJECTED, reason, instants, now)
        for reason, (instants, asked) in self._astray.items():
            yield from _lately(TroubleKind.WEBHOOKS_ASTRAY, reason, instants, now, asked)
        for receiver, one in self._untold.items():
            yield replace(_trouble(TroubleKind.NOTICES_FAILING, one), receiver=receiver)
        if self.config.refused_lately:
            refused_at, mistakes = self.config.refused_at, len(self.config.problems)
            yield Trouble(kind=TroubleKind.CONFIG_REFUSED, since=refused_at, last_at=refused_at, count=mistakes)

    def _of_project(self, project: str) -> Iterator[Trouble]:
        if failing := self.failing(project):
            yield failing
        found = self._found.get(project)
        if found is not None:
            last, kind = self.webhook_at(project), TroubleKind.WEBHOOKS_MISSING
            yield Trouble(kind=kind, project=project, since=last, last_at=found.last_at, count=found.count)


def _lately(kind: TroubleKind, reason: str, instants: Iterable[Ms], now: Ms, asked: str = "") -> Iterator[Trouble]:
    """What has come within LATELY_MS, if anything has."""
    lately = [instant for instant in instants if instant > now - LATELY_MS]
    if lately:
        count = len(lately)
        yield Trouble(kind=kind, reason=reason, since=lately[0], last_at=lately[-1], count=count, asked=asked)


def _note(kept: dict[str, _Failing], name: str, began: Ms, now: Ms, reason: str) -> None:
    """The thing of this name has failed once more; what failed long before says nothing of now."""
    failing = kept.get(name)
    if failing is None or failing.last_at <= now - FAILING_MS:
        failing = kept[name] = _Failing(since=began)
    failing.last_at, failing.reason, failing.count = now, reason, failing.count + 1


def _trouble(kind: TroubleKind, one: _Failing, project: str = "") -> Trouble:
    return Trouble(kind=kind, project=project, reason=one.reason, since=one.since, last_at=one.last_at, count=one.count)
