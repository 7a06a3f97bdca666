"""A room of thousands: while everybody in it is judged, others have their turn; and who comes and goes costs little."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from dispatcher.config import load_offline
from dispatcher.core.audience import asked_for, at_once
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, LEFT, Ms, Participant
from dispatcher.core.session import CROWD
from dispatcher.core.timing import APART_MS
from dispatcher.ledger.record import dump_event
from tests.unit.core.world import LOBBY, person
from tests.unit.desk import KEY, Desk, Staged

pytestmark = pytest.mark.long  # spans of CPU: they want a process without the heap of five thousand other tests

PEOPLE: Final = 3_000
PAUSE_MS: Final = 25.0  # 2 ms are meant, 10 promised; the collector of garbage may stop in one, too
RULES: Final = "\n".join(
    [
        "rules:",
        *(
            f"  - {{name: h{number}, agent: a, when: \"participant.attributes[?'role'].orValue('') == 'h{number}'\"}}"
            for number in range(20)
        ),
    ]
)


def listener(number: int) -> Participant:
    """Nobody whom a rule asks for."""
    attributes = {"role": "listener", "language": "en"}
    return person(f"user-{number}", sid=f"PA_{number}", metadata='{"plan": "free"}', attributes=attributes)


@asynccontextmanager
async def pauses() -> AsyncIterator[list[float]]:
    """Ms of CPU that the loop spends between two turns of a task that is always ready: nobody else is served then."""
    found: list[float] = []

    async def turn() -> None:
        while True:
            left_at = time.thread_time()
            await asyncio.sleep(0)
            found.append((time.thread_time() - left_at) * 1_000)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    gc.freeze()
    try:
        yield found
        await asyncio.sleep(0)
    finally:
        gc.unfreeze()
        turning.cancel()


async def paused(work: Awaitable[Ms | None]) -> float:
    """The longest pause while this is done."""
    gc.collect()
    async with pauses() as found:
        await work
    return max(found)


def webinar(folder: Path) -> Desk:
    """A room of thousands, and rules that ask for none of them."""
    file = folder / "dispatcher.yaml"
    file.write_text(RULES)
    crowd = tuple(listener(number) for number in range(PEOPLE))
    return Desk(*load_offline(file, {}).rules, livekit=Staged(*crowd))


async def test_a_look_at_thousands_of_people_holds_up_nobody(tmp_path: Path) -> None:
    """Neither the first, at which 60,000 conditions are judged, nor the next."""
    desk = webinar(tmp_path)
    for _ in range(2):
        await desk.hear("swept")
        assert await paused(desk.drive()) < PAUSE_MS
        desk.watch.later(1_500)
    assert desk.livekit.calls == ["look", "look"]


async def test_thousands_who_come_and_go_cause_no_look(tmp_path: Path) -> None:
    """As no rule asks for any of them; what the rules read may change, so that looks at that are ahead, far apart."""
    desk = webinar(tmp_path)
    await desk.hear("swept")
    await desk.drive()
    for number in range(50):
        for name in (JOINED, LEFT):
            event = Event(id=f"{name}-{number}", name=name, created_at=0, room=LOBBY, participant=listener(number))
            said = replace(event, asked_for=at_once(asked_for(event, desk.rules)))
            await desk.ledger.deliver(KEY, said.id, dump_event(said), take=False)
        ahead = await desk.drive()
        assert ahead is not None
        assert ahead >= PEOPLE // CROWD * APART_MS
    assert desk.livekit.calls == ["look"]


async def test_a_crowd_that_has_to_be_looked_at_is_so_once_in_a_while(tmp_path: Path) -> None:
    """What happens in a room of 3,000 is seen within 1.5 s: many events, one look."""
    desk = webinar(tmp_path)
    for number in range(40):
        await desk.hear(f"reason-{number}")
        await desk.drive_on(100)
    assert desk.livekit.calls == ["look"] * 3
