"""What becomes of an event: in the ledger first, then, where nobody holds its session, driven."""

import asyncio
import time

import pytest

from dispatcher.core.events import Event
from dispatcher.core.facts import AGENT_JOBS, JOINED, RELEVANT_EVENTS, ROOM_FINISHED, Participant, Room, RoomSid
from dispatcher.core.rules import Rule
from dispatcher.engine.intake import JUDGED_S, Intake, IntakeResult
from dispatcher.ledger.interface import Delivery, Key, Ledger, LedgerUnavailable
from dispatcher.ledger.record import load_event
from dispatcher.ledger.timed import TimedLedger
from tests.unit.core.world import LOBBY, person, rule
from tests.unit.desk import PROJECT, until
from tests.unit.engine.test_runner import Place


def no_rules(_: str) -> tuple[Rule, ...]:
    """Of any project."""
    return ()


def event(id_: str = "EV_1", name: str = JOINED, room: Room | None = LOBBY) -> Event:
    """Alice and the lobby."""
    return Event(id=id_, name=name, created_at=0, room=room, participant=person(metadata="secret"))


@pytest.mark.parametrize("name", sorted(RELEVANT_EVENTS | AGENT_JOBS))
async def test_an_event_that_is_heard_is_recorded_and_its_session_driven(name: str) -> None:
    """No queue in between; and its metadata stays outside (law 11)."""
    place = Place()
    assert await Intake(place.ledger, place.runner, no_rules).accept(PROJECT, event(name=name)) is IntakeResult.RECORDED
    await until(lambda: place.drives.begun == ["RM_1"])
    await place.runner.stop(0)
    (handover,) = (await place.ledger.claim(1))[0]
    assert [load_event(entry).name for entry in handover.inbox] == [name]
    assert b"secret" not in handover.inbox[0]


@pytest.mark.parametrize(
    "ignored",
    [
        event(name="track_published"),
        event(name="egress_started"),
        event(name="something_new"),
        event(name="ingress_started", room=None),
        event(room=None),
        event(room=Room(sid=RoomSid(""), name="lobby")),
    ],
)
async def test_an_event_that_says_nothing_we_use_is_ignored(ignored: Event) -> None:
    """It never reaches the ledger."""
    place = Place()
    assert await Intake(place.ledger, place.runner, no_rules).accept(PROJECT, ignored) is IntakeResult.IGNORED
    counts = await place.ledger.counts()
    assert (counts.due, counts.held, counts.rest) == (0, 0, 0)


async def test_a_repeated_event_is_said_to_be() -> None:
    """While the session is held, nothing else happens."""
    place = Place()
    intake = Intake(place.ledger, place.runner, no_rules)
    assert [await intake.accept(PROJECT, event()) for _ in range(2)] == [IntakeResult.RECORDED, IntakeResult.DUPLICATE]
    place.drives.gate.set()
    await place.runner.stop(1)
    assert place.drives.ended == ["RM_1"]


async def test_a_session_that_is_over_takes_nothing() -> None:
    """Its room has ended; a late event is answered and dropped."""
    place = Place()
    desk = place.desk
    await desk.hear(ROOM_FINISHED)
    await desk.drive()
    assert await Intake(place.ledger, place.runner, no_rules).accept(PROJECT, event()) is IntakeResult.ROOM_FINISHED
    assert place.drives.begun == []


async def test_a_full_runner_leaves_the_session_due() -> None:
    """It is recorded all the same, and claimed when there is room."""
    place = Place(limit=1)
    intake = Intake(place.ledger, place.runner, no_rules)
    atrium = Room(sid=RoomSid("RM_2"), name="atrium")
    heard = [await intake.accept(PROJECT, one) for one in (event(), event("EV_2", room=atrium))]
    assert heard == [IntakeResult.RECORDED, IntakeResult.RECORDED]
    counts = await place.ledger.counts()
    assert (counts.held, counts.due) == (1, 1)
    await place.runner.stop(0)


class Slow(TimedLedger):
    """A ledger whose `deliver` takes its time, as over a network."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, lambda _op, _seconds, _failed: None)
        self.answers = asyncio.Event()

    async def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool = True) -> Delivery:
        await self.answers.wait()
        return await super().deliver(key, event_id, event, take=take)


async def test_r2_events_that_come_together_do_not_fill_more_places_than_there_are() -> None:
    """Each has its place while the ledger is asked; the others are recorded, and left due."""
    place = Place(limit=2)
    ledger = Slow(place.ledger)
    intake = Intake(ledger, place.runner, no_rules)
    rooms = [Room(sid=RoomSid(f"RM_{n}"), name=f"room-{n}") for n in range(5)]
    hearing = [asyncio.create_task(intake.accept(PROJECT, event(f"EV_{room.sid}", room=room))) for room in rooms]
    await until(lambda: place.runner.free == 0)
    ledger.answers.set()
    assert await asyncio.gather(*hearing) == [IntakeResult.RECORDED] * 5
    counts = await place.ledger.counts()
    assert (counts.held, counts.due) == (2, 3)
    assert place.runner.free == 0
    await place.runner.stop(0)


async def test_a_place_that_was_not_needed_is_free_again() -> None:
    """The ledger had nothing to hand out, or could not be asked."""
    place = Place(limit=1)
    intake = Intake(place.ledger, place.runner, no_rules)
    await intake.accept(PROJECT, event())
    place.drives.gate.set()
    await until(lambda: place.runner.free == 1)
    assert await intake.accept(PROJECT, event()) is IntakeResult.DUPLICATE
    place.desk.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await intake.accept(PROJECT, event("EV_2"))
    assert place.runner.free == 1


async def test_a_draining_runner_leaves_the_session_due() -> None:
    """Recorded for whoever is left."""
    place = Place()
    place.runner.drain()
    assert await Intake(place.ledger, place.runner, no_rules).accept(PROJECT, event()) is IntakeResult.RECORDED
    assert (await place.ledger.counts()).due == 1


async def test_law_1_what_the_ledger_does_not_take_is_not_recorded() -> None:
    """It is for the sender to try again."""
    place = Place()
    place.desk.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await Intake(place.ledger, place.runner, no_rules).accept(PROJECT, event())


async def test_an_event_says_which_rules_apply_to_who_has_joined() -> None:
    """They are asked while metadata is at hand; what is recorded has the rules' names, and nothing of it."""
    place = Place()
    place.runner.drain()
    secret = Rule(name="secret", policy=rule().policy, when=lambda _, one: one is not None and one.metadata == "secret")
    await Intake(place.ledger, place.runner, lambda _: (secret, rule())).accept(PROJECT, event())
    (handover,) = (await place.ledger.claim(1))[0]
    (entry,) = handover.inbox
    assert load_event(entry).asked_for == ("secret",)
    assert b'"metadata":"secret"' not in entry


async def test_rules_that_take_long_are_asked_by_a_look() -> None:
    """A webhook is answered soon."""

    def slow(_: Room, __: Participant | None) -> bool:
        time.sleep(JUDGED_S / 2)
        return False

    place = Place()
    place.runner.drain()
    rules = tuple(rule(f"rule-{number}", when=slow) for number in range(50))
    began = time.monotonic()
    await Intake(place.ledger, place.runner, lambda _: rules).accept(PROJECT, event())
    assert time.monotonic() - began < 50 * JUDGED_S / 2
    (handover,) = (await place.ledger.claim(1))[0]
    assert load_event(handover.inbox[0]).asked_for is None
