"""Keeps what is known of each split in one memo of the ledger's, and which sides are taken out (`core.splits`).

What two replicas tell at the same time both counts: a memo is replaced only by who knows it. A side that is taken out
stays so until somebody resumes it, whatever is forgotten: a memo is written anew before the ledger forgets it, and
again where the ledger has lost it. Rules without a split cost nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.notices import Happening, NoticeKind
from dispatcher.core.rules import Rule, Target
from dispatcher.core.session import Session
from dispatcher.core.splits import Side, Sides, Trial, learn, matched, resumed, stopped, trials
from dispatcher.core.timeline import Entry
from dispatcher.expressions import Agents
from dispatcher.ledger.interface import MEMO_TTL_MS, Ledger, LedgerUnavailable, Telling
from dispatcher.ledger.repeating import repeat
from dispatcher.notices.outbox import Outbox
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics

EVERY_S: Final = 1.0
KEPT_MS: Final = MEMO_TTL_MS // 24  # a memo that is so old is written anew, before it is forgotten
TRIES: Final = 5  # at a memo that others replace at the same time
NEWS_MAX: Final = 1_000  # of one split, while the ledger cannot be asked; beyond them the oldest are lost

_Name = tuple[str, str]  # of a split: its project and its rule


class _Memo(Struct, frozen=True, kw_only=True):
    sides: Sides
    written_at: Ms
    writer: str  # no two are the same, so whoever replaces a memo knows that it was they


_MEMO: Final = msgspec.json.Decoder(_Memo)
_NOTHING: Final = _Memo(sides=(), written_at=0, writer="")


class Splits:
    """The splits of all rules that are configured; what is stopped is known EVERY_S late at most."""

    def __init__(self, ledger: Ledger, holder: ConfigHolder, outbox: Outbox, log: Log, metrics: Metrics) -> None:
        self.ledger = ledger
        self.holder = holder
        self.outbox = outbox
        self.log = log
        self.metrics = metrics
        self._news: defaultdict[_Name, list[Trial]] = defaultdict(list)  # not told yet
        self._known: dict[_Name, _Memo] = {}

    # What is in force

    def rules(self, project: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """The project's rules, whose splits leave out the sides that are stopped."""
        if not any(name[0] == project and stopped(memo.sides) for name, memo in self._known.items()):
            return rules
        return tuple(self._guarded(project, rule) for rule in rules)

    def is_stopped(self, project: str, target: Target) -> bool:
        """Whether any split of the project's has stopped the target."""
        return any(True for _ in self.stops(project, target))

    def stops(self, project: str, target: Target) -> Iterator[tuple[str, Side]]:
        """Each rule of the project whose split has stopped the target, and what is known of that side."""
        for (of, rule), memo in self._known.items():
            if of == project:
                yield from ((rule, side) for side in memo.sides if side.stopped_at and side.target == str(target))

    def _guarded(self, project: str, rule: Rule) -> Rule:
        memo = self._known.get((project, rule.name))
        if memo is None or not isinstance(rule.aim, Agents) or not (out := stopped(memo.sides)):
            return rule
        return replace(rule, aim=rule.aim.without([one for one in rule.aim.weights if str(one) in out]))

    # Hearing

    def learn(self, project: str, session: Session, entries: Sequence[Entry]) -> None:
        """Take in what a session's new entries tell of splits, and tell the other replicas within a second."""
        splits = {rule: weights for (of, rule), weights in self._splits().items() if of == project} if entries else {}
        for rule, trial in trials(session, splits, entries) if splits else ():
            news = self._news[project, rule]
            news.append(trial)
            del news[:-NEWS_MAX]

    async def resume(self, project: str, agent: str, *, by: str) -> None:
        """Every split of the project gives the agent again. Raises LedgerUnavailable."""
        for name, weights in self._splits().items():
            if name[0] != project:
                continue
            targets = [target for target in weights if target.partition("@")[0] == agent]
            for _ in range(TRIES):
                [memo] = await self.ledger.memos([_key(name)])
                sides = matched(self._remember(name, memo).sides, weights)
                ended = sorted(stopped(sides) & set(targets))
                if not ended or await self._replace(name, memo, resumed(sides, targets), ended, by):
                    break
            else:
                raise LedgerUnavailable("others change what is known of this split at the same time")

    # Keeping up

    async def run(self) -> None:
        """Tell what is new and read what others have told, for ever."""
        await repeat(self.refresh, EVERY_S)

    async def refresh(self) -> None:
        """Read every split's memo, and write those that need it. Raises LedgerUnavailable: the rest is kept."""
        splits = self._splits()
        for gone in [name for name in self._known if name not in splits]:
            del self._known[gone]
            self._news.pop(gone, None)
        names = list(splits)
        for name, memo in zip(names, await self.ledger.memos([_key(name) for name in names]), strict=True):
            await self._keep(name, memo, splits[name])
        if names:
            self._show(splits)

    async def _keep(self, name: _Name, memo: bytes | None, weights: Mapping[str, int]) -> None:
        known, told = self._remember(name, memo), tuple(self._news.get(name, ()))
        now = await self.ledger.now()
        before = matched(known.sides, weights)
        after = learn(before, told, now)
        old = bool(stopped(before)) and (memo is None or now >= known.written_at + KEPT_MS)
        if (after != known.sides or old) and not await self._replace(name, memo, after, (), ""):
            return  # another replica was first: it is told next time
        left = self._news.pop(name, [])[len(told) :]
        if left:
            self._news[name] = left

    async def _replace(self, name: _Name, memo: bytes | None, sides: Sides, ended: Collection[str], by: str) -> bool:
        """Whether it was we who have replaced the memo; then what has changed is told."""
        project, now = name[0], await self.ledger.now()
        begun_now = [side for side in sides if side.stopped_at and side.target not in stopped(self._known[name].sides)]
        told = [
            Happening(kind=NoticeKind.SPLIT_STOPPED, at=now, project=project, agent=side.target, text=side.figures)
            for side in begun_now
        ]
        told += [
            Happening(kind=NoticeKind.SPLIT_RESUMED, at=now, project=project, agent=target, text=f"By {by}.")
            for target in ended
        ]
        after = msgspec.json.encode(_Memo(sides=sides, written_at=now, writer=uuid4().hex))
        telling = Telling(notices=self.outbox.posted(*told))
        kept = await self.ledger.replace_memo(_key(name), memo, after, telling=telling)
        self._remember(name, kept)
        if kept != after:
            return False
        for side in begun_now:
            self.log.error("split.stopped", project=project, rule=name[1], agent=side.target, why=side.figures)
        for target in ended:
            self.log.info("split.resumed", project=project, rule=name[1], agent=target, by=by)
        return True

    def _remember(self, name: _Name, memo: bytes | None) -> _Memo:
        """What the memo says; where the ledger has lost one by which a side is stopped, what that said."""
        known = self._known.get(name)
        if memo is None and known is not None and stopped(known.sides):
            return known
        self._known[name] = _loaded(memo)
        return self._known[name]

    def _splits(self) -> Mapping[_Name, Mapping[str, int]]:
        """Every split that is configured now, of two sides or more: its targets and their weights."""
        return {
            (project, rule.name): weights
            for project, runtime in self.holder.snapshot.projects.items()
            for rule in runtime.rules
            if len(weights := _weights(rule)) > 1
        }

    def _show(self, splits: Mapping[_Name, Iterable[str]]) -> None:
        gauge = self.metrics.split_side_stopped
        gauge.clear()  # and refreshed before anybody can read it
        for (project, rule), targets in splits.items():
            out = stopped(self._known[project, rule].sides)
            for target in targets:
                gauge.labels(project=project, rule=rule, agent=target).set(target in out)


def _weights(rule: Rule) -> Mapping[str, int]:
    if not isinstance(rule.aim, Agents):
        return {}
    return {str(target): weight for target, weight in rule.aim.weights.items()}


def _key(name: _Name) -> str:
    return f"split/{name[0]}/{name[1]}"


def _loaded(memo: bytes | None) -> _Memo:
    """What the memo says; nothing where there is none, or a release that we do not know wrote it."""
    try:
        return _MEMO.decode(memo) if memo else _NOTHING
    except msgspec.DecodeError:
        return _NOTHING
