"""From the ledger into each receiver's queue: nothing is lost, and nothing collected twice."""

from contextlib import suppress

from dispatcher.core.notices import NoticeKind, waiting
from dispatcher.ledger.interface import Telling
from dispatcher.notices.queues import Queues
from tests.unit.notices.scene import PACING, Scene
from tests.unit.notices.tell import happening, receiver


async def owed(scene: Scene, name: str = "ops") -> int:
    """How many happenings the receiver has not been told of."""
    [kept] = await Queues(scene.ledger).read([name])
    return waiting(kept.queue)


async def test_every_receiver_gets_what_it_wants() -> None:
    """One that wants recoveries hears of those alone."""
    scene = Scene(receiver(), receiver(name="quiet", kinds=frozenset({NoticeKind.ROOM_RECOVERED})))
    await scene.happen(happening(), happening(NoticeKind.ROOM_RECOVERED))

    assert await scene.collector.collect() == 2

    assert (await owed(scene), await owed(scene, "quiet")) == (2, 1)
    assert await scene.ledger.notices.oldest(9) == []


async def test_killed_between_queue_and_discard_it_tells_nothing_twice() -> None:
    """The next process finds the same notices in the ledger, and knows them."""
    scene = Scene(receiver(), receiver(name="other"))
    await scene.happen(happening())
    discard = scene.ledger.notices.discard

    async def die(_ids: object) -> None:
        raise SystemExit

    scene.ledger.notices.discard = die  # type: ignore[method-assign, assignment]
    try:
        await scene.collector.collect()
    except SystemExit:
        scene.ledger.notices.discard = discard  # type: ignore[method-assign]
    await scene.happen(happening(room="b"))

    assert await scene.new_collector().collect() == 2

    assert (await owed(scene), await owed(scene, "other")) == (2, 2)


async def test_killed_between_two_receivers_it_owes_both() -> None:
    """The first has it, the second not yet: it gets it with the next collection, and the first not again."""
    scene = Scene(receiver(), receiver(name="other"))
    await scene.happen(happening())
    replace = scene.collector.queues.replace

    async def die(name: str, *args: object) -> bool:
        if name == "other":
            raise SystemExit
        return await replace(name, *args)  # type: ignore[arg-type]

    scene.collector.queues.replace = die  # type: ignore[method-assign, assignment]
    with suppress(SystemExit):
        await scene.collector.collect()

    assert await scene.new_collector().collect() == 1
    assert (await owed(scene), await owed(scene, "other")) == (1, 1)


async def test_two_replicas_that_collect_at_once_collect_once() -> None:
    """Whoever is second sees that the queue has changed, and leaves the notices to the next time."""
    scene = Scene()
    await scene.happen(happening())
    second = scene.new_collector()
    oldest = scene.ledger.notices.oldest

    async def meanwhile(limit: int) -> object:
        scene.ledger.notices.oldest = oldest  # type: ignore[method-assign]
        found = await oldest(limit)
        assert await second.collect() == 1
        return found

    scene.ledger.notices.oldest = meanwhile  # type: ignore[method-assign, assignment]

    assert await scene.collector.collect() == 0
    assert await scene.collector.collect() == 0
    assert await owed(scene) == 1


async def test_what_a_later_release_wrote_is_taken_out_and_stops_nothing() -> None:
    """And a queue of another release is begun anew."""
    scene = Scene(receiver(pacing=PACING))
    await scene.ledger.replace_memo("a", None, b"1", telling=Telling(notices=[b"of tomorrow"]))
    await scene.ledger.replace_memo("notices/ops", None, b"of tomorrow")
    await scene.happen(happening())

    assert await scene.collector.collect() == 2
    assert await owed(scene) == 1
