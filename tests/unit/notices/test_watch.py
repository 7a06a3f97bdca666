"""The service's own incidents: told once over all replicas, and ended by whoever saw them."""

from collections.abc import Sequence
from pathlib import Path

from dispatcher.config import Problem
from dispatcher.core import timing
from dispatcher.core.notices import NoticeKind
from dispatcher.ledger.interface import MEMO_TTL_MS, LedgerUnavailable
from dispatcher.livekit.failures import Reason
from dispatcher.notices.outbox import read
from dispatcher.notices.watch import PROBLEMS_MAX, Watch
from dispatcher.telemetry.health import Health
from tests.unit.notices.scene import Scene

REFUSED, FAILING, RECOVERED = NoticeKind.KEY_REFUSED, NoticeKind.LIVEKIT_FAILING, NoticeKind.LIVEKIT_RECOVERED


class Replica:
    """One process: what it sees, and what it makes of it."""

    def __init__(self, scene: Scene) -> None:
        self.health = Health(scene.watch)
        self.problems: Sequence[Problem] = ()
        self.watch = Watch(scene.ledger, scene.outbox, self.health, lambda: ["p"], lambda: self.problems)


async def told(scene: Scene) -> list[tuple[NoticeKind, str]]:
    """What has been posted so far."""
    found = [read(one.notice) for one in await scene.ledger.notices.oldest(99)]
    return [(one.kind, one.project) for one in found if one]


async def test_a_refused_key_is_told_at_once_and_its_end() -> None:
    """Once each, however often the key is refused."""
    scene = Scene()
    one = Replica(scene)
    for _ in range(3):
        one.health.livekit_failed("p", Reason.UNAUTHORIZED)
        await one.watch.look()
    one.health.livekit_answered("p")
    await one.watch.look()
    await one.watch.look()

    assert await told(scene) == [(REFUSED, "p"), (RECOVERED, "p")]


async def test_two_replicas_that_see_the_same_tell_it_once() -> None:
    """Its beginning and its end."""
    scene = Scene()
    replicas = [Replica(scene), Replica(scene)]
    for one in replicas:
        one.health.livekit_failed("p", Reason.UNAUTHORIZED)
        await one.watch.look()
    for one in replicas:
        one.health.livekit_answered("p")
        await one.watch.look()

    assert await told(scene) == [(REFUSED, "p"), (RECOVERED, "p")]


async def test_whoever_never_saw_the_trouble_does_not_end_it() -> None:
    """One replica's key is refused, and the other's not: the incident is open until it is mended there."""
    scene = Scene()
    well, ill = Replica(scene), Replica(scene)
    well.health.livekit_answered("p")
    await well.watch.look()
    ill.health.livekit_failed("p", Reason.UNAUTHORIZED)
    await ill.watch.look()
    for _ in range(3):
        well.health.livekit_answered("p")
        await well.watch.look()

    assert await told(scene) == [(REFUSED, "p")]


async def test_a_livekit_that_does_not_answer_is_told_when_it_lasts() -> None:
    """One look that fails is nobody's news."""
    scene = Scene()
    one = Replica(scene)
    one.health.livekit_failed("p", Reason.UNREACHABLE)
    await one.watch.look()
    assert await told(scene) == []

    scene.watch.later(timing.LIVEKIT_FAILING_MS)
    one.health.livekit_failed("p", Reason.UNREACHABLE)
    await one.watch.look()

    assert await told(scene) == [(FAILING, "p")]


async def test_a_process_that_starts_into_the_trouble_does_not_tell_it_again_and_ends_it() -> None:
    """Its predecessor has told it, and was killed."""
    scene = Scene()
    before, after = Replica(scene), Replica(scene)
    before.health.livekit_failed("p", Reason.UNAUTHORIZED)
    await before.watch.look()

    after.health.livekit_failed("p", Reason.UNAUTHORIZED)
    await after.watch.look()
    after.health.livekit_answered("p")
    await after.watch.look()

    assert await told(scene) == [(REFUSED, "p"), (RECOVERED, "p")]


async def test_its_end_is_told_though_the_ledger_has_forgotten_its_beginning() -> None:
    """It lasted longer than a memo."""
    scene = Scene()
    one = Replica(scene)
    one.health.livekit_failed("p", Reason.UNAUTHORIZED)
    await one.watch.look()
    await scene.ledger.notices.discard([notice.id for notice in await scene.ledger.notices.oldest(9)])
    scene.watch.later(MEMO_TTL_MS)

    one.health.livekit_answered("p")
    await one.watch.look()

    assert await told(scene) == [(RECOVERED, "p")]


async def test_a_configuration_with_mistakes_is_told_with_some_of_them() -> None:
    """And that it is right again."""
    scene = Scene()
    one = Replica(scene)
    one.problems = [Problem(file="d.yaml", line=n, column=1, field="rules", reason="x") for n in range(1, 6)]
    await one.watch.look()
    [notice] = await scene.ledger.notices.oldest(9)
    happening = read(notice.notice)
    one.problems = ()
    await one.watch.look()

    assert happening is not None
    assert happening.text.count("d.yaml") == PROBLEMS_MAX
    assert happening.text.endswith("and 2 more")
    assert [kind for kind, _ in await told(scene)] == [NoticeKind.CONFIG_REFUSED, NoticeKind.CONFIG_ACCEPTED]


async def test_what_the_ledger_cannot_take_is_told_once_it_can() -> None:
    """It is away as the trouble begins."""
    scene = Scene()
    one = Replica(scene)
    one.health.livekit_failed("p", Reason.UNAUTHORIZED)
    ledger, one.watch.ledger = one.watch.ledger, _Away()  # type: ignore[assignment]
    try:
        await one.watch.look()
    except LedgerUnavailable:
        one.watch.ledger = ledger
    await one.watch.look()

    assert await told(scene) == [(REFUSED, "p")]


class _Away:
    async def memos(self, _names: object) -> None:
        """Redis is away."""
        raise LedgerUnavailable(str(Path()))
