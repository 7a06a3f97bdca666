"""What is known of each target, shared by all replicas: one memo of the ledger's for each (`dispatcher.core.targets`).

Reading it costs a join nothing: it comes with the turn of a create. News are told together, once a second, and count
here at once. What two replicas tell at the same time is not lost: a memo is replaced only by who knows it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.news import news
from dispatcher.core.rules import Target
from dispatcher.core.session import Session, State
from dispatcher.core.targets import UNKNOWN, Absent, News, Seen, TargetFacts, learn
from dispatcher.core.timeline import Entry
from dispatcher.ledger import changes
from dispatcher.ledger.changes import CircuitChanged
from dispatcher.ledger.interface import Ledger, LedgerUnavailable, Telling
from dispatcher.ledger.repeating import repeat
from dispatcher.notices.outbox import NOBODY, Outbox
from dispatcher.targets.rate import queue_of
from dispatcher.telemetry.logs import Log

TOLD_EVERY_S: Final = 1.0
FRESH_MS: Final = 1_000  # what was read is not read again for so long
TRIES: Final = 5  # at a memo that others replace at the same time
NEWS_MAX: Final = 1_000  # of one target, while the ledger cannot be asked; beyond them the oldest are lost
READ_MAX: Final = 1_000  # targets whose memos are remembered

_FACTS: Final = msgspec.json.Decoder(TargetFacts)
_ENCODER: Final = msgspec.json.Encoder()


class _Read(Struct):
    memo: bytes | None
    at: Ms
    facts: TargetFacts  # the memo's, with the first `counted` of the news
    counted: int = 0


class Board:
    """The facts of targets, by project and target."""

    def __init__(self, ledger: Ledger, log: Log, outbox: Outbox = NOBODY) -> None:
        self.ledger = ledger
        self.log = log
        self.outbox = outbox
        self._news: defaultdict[str, list[News]] = defaultdict(list)  # not told yet
        self._read: dict[str, _Read] = {}
        self._requested: dict[str, int] = {}
        self._requested_at: Ms = 0

    # Reading

    def heard(self, project: str, target: Target, memo: bytes | None, now: Ms) -> TargetFacts:
        """Take in a memo that has just been read; the facts with it."""
        name = queue_of(project, target)
        self._remember(name, memo, now)
        return self._facts(name)

    async def facts(self, project: str, targets: Sequence[Target], now: Ms) -> list[TargetFacts]:
        """Read the facts of each of these targets; they are FRESH_MS old at most. Raises LedgerUnavailable."""
        asked = [target for target in targets if self._is_stale(queue_of(project, target), now)]
        if asked:
            memos = await self.ledger.memos([queue_of(project, target) for target in asked])
            for target, memo in zip(asked, memos, strict=True):
                self.heard(project, target, memo, now)
        return [self._facts(queue_of(project, target)) for target in targets]

    async def requested(self, project: str, now: Ms) -> int:
        """Read how many assignments of the project wait for an agent that was asked for; FRESH_MS old at most."""
        if now >= self._requested_at + FRESH_MS:
            self._requested_at, requested = now, defaultdict[str, int](int)
            for (owner, standing), number in (await self.ledger.standings()).items():
                requested[owner] += number if standing.state == State.REQUESTED else 0
            self._requested = requested
        return self._requested.get(project, 0)

    def _is_stale(self, name: str, now: Ms) -> bool:
        return name not in self._read or now >= self._read[name].at + FRESH_MS

    def _facts(self, name: str) -> TargetFacts:
        read, told = self._read.get(name), self._news.get(name, ())
        if read is None:
            return learn(UNKNOWN, told)
        read.facts, read.counted = learn(read.facts, told[read.counted :]), len(told)
        return read.facts

    # Telling

    def learn(self, project: str, session: Session, entries: Iterable[Entry]) -> None:
        """Take in what a session's new entries tell of its targets, and tell the other replicas within a second."""
        for target, one in news(session, entries):
            self._news[queue_of(project, target)].append(one)

    def worker_seen(self, project: str, target: Target, at: Ms) -> None:
        """Take in a sign of life: a worker of the target's is there, at `at` of the ledger's clock."""
        self._news[queue_of(project, target)].append(Seen(at))

    def no_worker(self, project: str, target: Target, at: Ms) -> None:
        """Open the target's circuit until there is a sign of life: whoever asks all workers finds none of its own."""
        self._news[queue_of(project, target)].append(Absent(at))

    async def run(self) -> None:
        """Tell what is new, for ever; while the ledger cannot be asked, keep it."""
        await repeat(self.flush, TOLD_EVERY_S)

    async def stop(self) -> None:
        """Tell what is new at the end, if the ledger can be asked."""
        with suppress(LedgerUnavailable):
            await self.flush()

    async def flush(self) -> None:
        """Write what is new here where all replicas read it. Raises LedgerUnavailable: the rest is kept."""
        for name, told in self._news.items():
            if len(told) > NEWS_MAX:
                del told[:-NEWS_MAX]
                if read := self._read.get(name):
                    read.facts, read.counted = _loaded(read.memo), 0
        for name in list(self._news):
            await self._flush(name)

    async def _flush(self, name: str) -> None:
        told = tuple(self._news[name])
        read = self._read.get(name)
        before = read.memo if read else None
        for _ in range(TRIES):
            facts = _loaded(before)
            learnt = learn(facts, told)
            after, changed = _ENCODER.encode(learnt), _circuit(name, facts, learnt)
            notices = self._notices(name, facts, learnt)
            kept = before
            if learnt != facts:
                change = changes.dump(changed)
                kept = await self.ledger.replace_memo(
                    name, before, after, telling=Telling(notices=notices, change=change)
                )
            if learnt == facts or kept == after:
                self._told(name, told, kept, read.at if read else 0)
                self._log(changed)
                return
            before = kept

    def _notices(self, name: str, before: TargetFacts, after: TargetFacts) -> Sequence[bytes]:
        project, _, agent = name.partition("/")
        return self.outbox.of_circuit(project, agent, before, after)

    def _told(self, name: str, told: Sequence[News], memo: bytes | None, at: Ms) -> None:
        left = self._news.pop(name)[len(told) :]
        if left:
            self._news[name] = left
        self._read.pop(name, None)  # its facts have counted the news that are gone
        self._remember(name, memo, at)

    def _remember(self, name: str, memo: bytes | None, at: Ms) -> None:
        read = self._read.get(name)
        if read is not None and read.memo == memo:
            read.at = at
            return
        if read is None and len(self._read) >= READ_MAX:
            self._read.clear()
        self._read[name] = _Read(memo, at, _loaded(memo))

    def _log(self, changed: CircuitChanged | None) -> None:
        """Log a circuit that this replica has changed: no other does, unless it had exactly the same news."""
        if changed is None:
            return
        if changed.open:
            self.log.warning("circuit.opened", project=changed.project, agent=changed.target)
        else:
            self.log.info("circuit.closed", project=changed.project, agent=changed.target)


def _circuit(name: str, before: TargetFacts, after: TargetFacts) -> CircuitChanged | None:
    """What became of the circuit; None: nothing."""
    if bool(before.opened_at) is bool(after.opened_at):
        return None
    project, _, target = name.partition("/")
    return CircuitChanged(project=project, target=target, open=bool(after.opened_at))


def _loaded(memo: bytes | None) -> TargetFacts:
    """The facts of a memo; nothing is known where there is none, or another release wrote it."""
    try:
        return _FACTS.decode(memo) if memo else UNKNOWN
    except msgspec.DecodeError:
        return UNKNOWN
