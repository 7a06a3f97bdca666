"""Which sides of splits are taken out, known to all replicas, until somebody resumes them."""

import json
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from dispatcher.core.rules import Rule, Target
from dispatcher.core.splits import stopped
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.expressions import Agents, Split
from dispatcher.ledger.interface import MEMO_TTL_MS, LedgerUnavailable
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.notices.outbox import Outbox, read
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot
from dispatcher.targets.board import Board
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.rate import Pacer
from dispatcher.targets.splits import KEPT_MS, NEWS_MAX, Splits
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.metrics import Metrics
from tests.unit.core.world import LOBBY, NOW, assignment, rule, session
from tests.unit.desk import CONFIG, PROJECT, Desk, Staged, Watch
from tests.unit.notices.tell import receiver

STABLE, CANARY = Target("greeter"), Target("greeter", "canary")


def split(stable: int = 90, canary: int = 10) -> Rule:
    """A rule that gives some rooms to a canary."""
    aim = Agents("all", (Split(((stable, STABLE), (canary, CANARY))),))
    plain = rule("all")
    return replace(plain, policy=replace(plain.policy, targets=(STABLE, CANARY)), aim=aim)


class Replicas:
    """Several processes on one ledger, of one configuration."""

    def __init__(self, *rules: Rule) -> None:
        self.watch = Watch()
        self.ledger = MemoryLedger(self.watch)
        self.lines: list[dict[str, Any]] = []
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.holder = ConfigHolder(ConfigSnapshot(config=CONFIG, projects={}))
        self.reload(*(rules or (split(),)))

    def reload(self, *rules: Rule) -> None:
        """These rules are in force."""
        site = Desk(*rules).site(Staged())
        self.holder.snapshot = ConfigSnapshot(config=CONFIG, projects={PROJECT: site})

    def splits(self) -> Splits:
        """What one process knows."""
        log = Log(lambda line: self.lines.append(json.loads(line)), lambda: self.watch.time / 1_000)
        return Splits(self.ledger, self.holder, Outbox(lambda: [receiver()], Mask()), log, self.metrics)

    def told(self) -> list[str]:
        """The actions logged."""
        return [line["action"] for line in self.lines]


def entry(said: Said, target: Target, verdict: Verdict | None = None) -> Entry:
    """Of a room's first attempt."""
    return Entry(at=NOW, said=said, verdict=verdict, assignment="all", number=1, agent=str(target))


def happen(splits: Splits, target: Target, count: int, *, bad: bool = False) -> None:
    """So many rooms of the target's begin, and go badly."""
    room = session(assignment(rule="all"))
    for _ in range(count):
        splits.learn(PROJECT, room, [entry(Said.DISPATCH_REQUESTED, target)])
        if bad:
            splits.learn(PROJECT, room, [entry(Said.ATTEMPT_ENDED, target, Verdict.FAILED)])


async def with_bad_canary() -> tuple[Replicas, Splits]:
    """A canary all of whose rooms went badly, found and told."""
    replicas = Replicas()
    splits = replicas.splits()
    happen(splits, STABLE, 100)
    happen(splits, CANARY, 20, bad=True)
    await splits.refresh()
    return replicas, splits


def chosen(splits: Splits, replicas: Replicas) -> set[Target]:
    """Whom 200 rooms get."""
    rules = splits.rules(PROJECT, replicas.holder.snapshot.projects[PROJECT].rules)
    assert rules[0].aim is not None
    return {rules[0].aim(replace(LOBBY, name=f"room-{n}"), None).targets[0] for n in range(200)}


async def test_a_bad_canary_is_given_to_nobody_by_any_replica() -> None:
    """Told once: in the log, by the gauge, and as a notice with the figures."""
    replicas, splits = await with_bad_canary()
    other = replicas.splits()
    assert chosen(other, replicas) == {STABLE, CANARY}
    await other.refresh()

    assert chosen(splits, replicas) == chosen(other, replicas) == {STABLE}
    assert replicas.told() == ["split.stopped"]
    [notice] = await replicas.ledger.notices.oldest(9)
    happening = read(notice.notice)
    assert happening is not None
    assert (happening.kind, happening.agent) == ("split.stopped", "greeter@canary")
    assert "bad rooms of 10" in happening.text
    labels = {"project": PROJECT, "rule": "all", "agent": "greeter@canary"}
    assert replicas.registry.get_sample_value("livekit_dispatcher_split_side_stopped", labels) == 1


async def test_its_circuit_is_open_for_who_has_been_given_it() -> None:
    """So a fallback is asked, where there is one."""
    replicas, splits = await with_bad_canary()
    breaker = Breaker(Board(replicas.ledger, splits.log), Pacer(replicas.ledger), splits)

    outlooks = await breaker.outlooks(PROJECT, [STABLE, CANARY], NOW)

    assert [one.open for one in outlooks] == [False, True]


async def test_who_resumes_it_gives_it_again() -> None:
    """On every replica; told who it was."""
    replicas, splits = await with_bad_canary()
    other = replicas.splits()
    await other.refresh()

    await other.resume(PROJECT, "greeter", by="anna")
    await splits.refresh()

    assert chosen(splits, replicas) == chosen(other, replicas) == {STABLE, CANARY}
    assert replicas.told() == ["split.stopped", "split.resumed"]
    assert replicas.lines[-1]["by"] == "anna"


async def test_resuming_what_is_not_stopped_changes_nothing() -> None:
    """Nor of another project, or another agent."""
    replicas, splits = await with_bad_canary()

    await splits.resume("another", "greeter", by="anna")
    await splits.resume(PROJECT, "sales", by="anna")

    assert chosen(splits, replicas) == {STABLE}
    assert replicas.told() == ["split.stopped"]


async def test_two_replicas_that_tell_at_once_both_count() -> None:
    """Whoever is second tells it the next time."""
    replicas = Replicas()
    one, other = replicas.splits(), replicas.splits()
    await one.refresh()
    await other.refresh()
    for splits in (one, other):
        happen(splits, STABLE, 50)
        happen(splits, CANARY, 3, bad=True)
    for _ in range(2):
        await one.refresh()
        await other.refresh()
    await one.refresh()

    known = one._known[PROJECT, "all"].sides  # noqa: SLF001 - what is in the memo
    assert [side.asked for side in known] == [100, 6]


async def test_what_is_stopped_outlives_memos_and_restarts() -> None:
    """It is written anew before the ledger forgets it, and again where the ledger was emptied."""
    replicas, splits = await with_bad_canary()
    for _ in range(30):
        replicas.watch.later(KEPT_MS)
        await splits.refresh()
    assert replicas.watch.time > NOW + MEMO_TTL_MS
    started = replicas.splits()
    await started.refresh()
    assert chosen(started, replicas) == {STABLE}

    replicas.ledger = splits.ledger = MemoryLedger(replicas.watch)
    await splits.refresh()
    after = replicas.splits()
    await after.refresh()

    assert chosen(after, replicas) == {STABLE}
    assert replicas.told() == ["split.stopped"]


async def test_a_split_that_is_gone_is_forgotten_and_a_plain_rule_costs_nothing() -> None:
    """Nothing is asked of the ledger for it but for the names that there are."""
    replicas, splits = await with_bad_canary()
    replicas.reload(rule("all"))
    await splits.refresh()
    happen(splits, CANARY, 1, bad=True)

    rules = replicas.holder.snapshot.projects[PROJECT].rules
    assert splits.rules(PROJECT, rules) is rules
    assert not splits.is_stopped(PROJECT, CANARY)


async def test_while_the_ledger_is_away_what_happens_is_kept_and_bounded() -> None:
    """It counts once the ledger answers."""
    replicas = Replicas()
    splits = replicas.splits()
    happen(splits, STABLE, NEWS_MAX + 9)
    replicas.watch.broken = True
    try:
        await splits.refresh()
    except LedgerUnavailable:
        replicas.watch.broken = False
    await splits.refresh()

    assert splits._known[PROJECT, "all"].sides[0].asked == NEWS_MAX  # noqa: SLF001 - what is in the memo


async def test_a_memo_of_another_release_is_begun_anew() -> None:
    """It stops nothing."""
    replicas = Replicas()
    await replicas.ledger.replace_memo(f"split/{PROJECT}/all", None, b"of another release")
    splits = replicas.splits()
    await splits.refresh()

    assert stopped(splits._known[PROJECT, "all"].sides) == frozenset()  # noqa: SLF001 - what is in the memo
