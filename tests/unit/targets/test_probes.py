"""What came of probes, over all replicas: those of a test share one ledger."""

import json

import pytest
from msgspec.structs import replace

from dispatcher.config import ProbeSettings
from dispatcher.core.notices import Happening, NoticeKind
from dispatcher.core.probes import ProbeMade, ProbeResult
from dispatcher.core.rules import Target
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.notices.outbox import Outbox, read
from dispatcher.targets.probes import TRIES, ProbeBoard, ProbedTarget
from dispatcher.telemetry.masks import Mask
from tests.unit.desk import PROJECT, Desk
from tests.unit.notices.tell import receiver

GREETER = ProbedTarget(PROJECT, Target("greeter"))
CANARY = ProbedTarget(PROJECT, Target("greeter", "canary"))


class Probing(Desk):
    """A desk whose project probes one agent in two deployments, and several replicas of it."""

    def __init__(self) -> None:
        super().__init__()
        self.reload(probe=ProbeSettings(targets=(GREETER.target, CANARY.target)))
        self.metrics.know(agents={"greeter", "greeter@canary"}, rules=(), keys={PROJECT: ()})

    def board(self) -> ProbeBoard:
        """What one process knows."""
        outbox = Outbox(lambda: [receiver()], Mask())
        reconciler = self.reconciler
        return ProbeBoard(self.ledger, reconciler.holder, reconciler.pauses, outbox, self.log, self.metrics)

    def made(self, result: ProbeResult, took: int | None = None) -> ProbeMade:
        """A probe that ends now."""
        self.watch.later(60_000)
        return ProbeMade(at=self.watch.time, result=result, room="r", took=took, why="Nobody is there." * (not took))

    def told(self) -> list[str]:
        """The actions logged."""
        return [line["action"] for line in self.lines]

    async def notices(self) -> list[Happening | None]:
        """What receivers are told."""
        return [read(one.notice) for one in await self.ledger.notices.oldest(9)]


@pytest.fixture
async def desk() -> Probing:
    """In a loop that runs."""
    return Probing()


async def test_the_second_failure_in_a_row_is_told_once_over_all_replicas(desk: Probing) -> None:
    """Whoever made the probes; with the cause, and the room; and so is the end."""
    one, other = desk.board(), desk.board()
    await one.tell(GREETER, desk.made(ProbeResult.SILENT))
    assert await desk.notices() == []
    await other.tell(GREETER, desk.made(ProbeResult.NO_SHOW))
    await one.tell(GREETER, desk.made(ProbeResult.NO_SHOW))
    await other.tell(GREETER, desk.made(ProbeResult.SERVED, 310))
    await one.tell(GREETER, desk.made(ProbeResult.SERVED, 310))

    failing, recovered = await desk.notices()
    assert failing is not None
    assert recovered is not None
    assert (failing.kind, failing.agent, failing.room) == (NoticeKind.PROBE_FAILING, "greeter", "r")
    assert failing.text == "Nobody is there."
    assert recovered.kind is NoticeKind.PROBE_RECOVERED
    told = [action for action in desk.told() if action in {"probe.failing", "probe.recovered"}]
    assert told == ["probe.failing", "probe.recovered"]
    assert desk.said("probe.recovered")[0]["probes"] == 3


async def test_every_replica_shows_the_same(desk: Probing) -> None:
    """Each target has its own; one that was not probed yet is none."""
    await desk.board().tell(CANARY, desk.made(ProbeResult.SERVED, 310))

    facts = await desk.board().facts(PROJECT)

    assert facts[GREETER.target] is None
    canary = facts[CANARY.target]
    assert canary is not None
    assert (canary.served_at, canary.took) == (desk.watch.time, 310)
    assert await desk.board().facts("another") == {}


async def test_what_was_interrupted_is_counted_and_changes_nothing(desk: Probing) -> None:
    """Nor does it end a row of failures."""
    board = desk.board()
    await board.tell(GREETER, desk.made(ProbeResult.SILENT))
    before = await board.facts(PROJECT)
    await board.tell(GREETER, desk.made(ProbeResult.INTERRUPTED))

    assert await board.facts(PROJECT) == before
    labels = {"project": PROJECT, "agent": "greeter"}
    assert desk.value("probes_total", **labels, result="interrupted") == 1
    assert desk.told() == ["probe.failed", "probe.interrupted"]


async def test_two_replicas_that_tell_at_once_both_count(desk: Probing) -> None:
    """Whoever is second reads what the first has written."""
    one, other = desk.board(), desk.board()
    first, second = desk.made(ProbeResult.SILENT), desk.made(ProbeResult.SILENT)
    memos = desk.ledger.memos

    async def slow(names: list[str]) -> list[bytes | None]:
        found = list(await memos(names))
        desk.ledger.memos = memos  # type: ignore[method-assign]
        await other.tell(GREETER, first)
        return found

    desk.ledger.memos = slow  # type: ignore[method-assign,assignment]
    await one.tell(GREETER, second)

    facts = (await one.facts(PROJECT))[GREETER.target]
    assert facts is not None
    assert facts.failures == 2


async def test_it_gives_up_where_others_are_always_first(desk: Probing) -> None:
    """The next probe tells."""
    calls = 0

    async def never(_name: str, _before: object, _after: object, **_telling: object) -> bytes:
        nonlocal calls
        calls += 1
        return json.dumps({"last": {"at": calls, "result": "silent"}}).encode()

    desk.ledger.replace_memo = never  # type: ignore[method-assign,assignment]
    await desk.board().tell(GREETER, desk.made(ProbeResult.SILENT))

    assert calls == TRIES
    assert desk.told() == ["probe.failed"]


async def test_what_another_release_wrote_is_begun_anew(desk: Probing) -> None:
    """It is replaced by the next probe."""
    await desk.ledger.replace_memo(GREETER.name, None, b"of another release")
    board = desk.board()
    assert (await board.facts(PROJECT))[GREETER.target] is None

    await board.tell(GREETER, desk.made(ProbeResult.SERVED, 310))
    assert (await board.facts(PROJECT))[GREETER.target] is not None


async def test_the_gauges_are_of_what_is_probed_now(desk: Probing) -> None:
    """Who is paused is not failing; what left the configuration is gone."""
    board = desk.board()
    for result in (ProbeResult.SERVED, ProbeResult.SILENT, ProbeResult.SILENT):
        await board.tell(GREETER, desk.made(result, 310 if result is ProbeResult.SERVED else None))
    await board.show()
    greeter, canary = ({"project": PROJECT, "agent": name} for name in ("greeter", "greeter@canary"))

    assert desk.value("probe_consecutive_failures", **greeter) == 2
    assert desk.value("probe_last_success_timestamp_seconds", **greeter) == desk.watch.time / 1000 - 120
    assert desk.registry.get_sample_value("livekit_dispatcher_probe_consecutive_failures", canary) == 0
    assert desk.registry.get_sample_value("livekit_dispatcher_probes_total", {**canary, "result": "served"}) == 0

    desk.reload(paused=frozenset({"greeter"}))
    await board.show()
    assert desk.value("probe_consecutive_failures", **greeter) == 0
    desk.reload(probe=None)
    await board.show()
    assert desk.registry.get_sample_value("livekit_dispatcher_probe_consecutive_failures", greeter) is None


async def test_while_the_ledger_is_away_the_gauges_stay(desk: Probing) -> None:
    """Whoever watches the ledger tells of it; without a probe nothing is asked of it."""
    board = desk.board()
    await board.tell(GREETER, desk.made(ProbeResult.SILENT))
    await board.show()
    desk.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await board.show()
    assert desk.value("probe_consecutive_failures", project=PROJECT, agent="greeter") == 1

    snapshot = desk.reconciler.holder.snapshot
    desk.reconciler.holder.snapshot = replace(snapshot, projects={})
    await board.show()
