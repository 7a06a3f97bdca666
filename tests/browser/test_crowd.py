"""Five thousand live rooms: the browser holds a page of them, and no frame takes long."""

import asyncio
import json
from typing import Final

import pytest

from dispatcher.core.effects import Save, Then
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Room, RoomSid
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import Assignment, Session
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Key, Ledger
from dispatcher.ledger.sessions import LeasedSession
from tests.browser.browsing import Tab, browser, tab
from tests.integration.house import house

pytestmark = pytest.mark.real

ROOMS: Final = 5_000
WAITING: Final = 500
FRAME_MS: Final = 100.0
TASKS: Final = "disabled-by-default-devtools.timeline"
ASKED_S: Final = 7.0  # some askings
ELEMENTS: Final = 3_000
POLICY: Final = Policy(targets=(Target("greeter"),))


async def crowd(ledger: Ledger) -> None:
    """So many rooms are in the ledger, at rest; in some of them somebody waits."""
    for number in range(ROOMS):
        key = Key("default", f"room-{number:04}", f"RM_{number:012}")
        room = Room(sid=RoomSid(key.sid), name=key.room)
        delivery = await sessions.deliver(ledger, key, Event(id=f"EV_{number}", name=JOINED, created_at=0, room=room))
        assert delivery.handover is not None
        leased = LeasedSession(ledger, delivery.handover)
        waits = number >= ROOMS - WAITING
        since = leased.now - 1_000 * number if waits else 0
        assignment = Assignment(rule="everyone", policy=POLICY, attended=waits, waiting_since=since, rounds=int(waits))
        session = Session(room=key.room, sid=room.sid, assignments=(assignment,))
        await leased.save(Save(session=session, then=Then.REST))


async def use(shown: Tab) -> None:
    """Look at the first view and some askings, the next pages, a search, and a state."""
    rooms = shown.page.get_by_role("region", name="Rooms")
    await rooms.get_by_role("row").nth(100).wait_for()
    await asyncio.sleep(ASKED_S)
    for _ in range(3):
        await shown.page.get_by_role("button", name="The next 100").click()
        await asyncio.sleep(1)
    await shown.page.get_by_role("searchbox").fill("room-49")
    await rooms.get_by_role("row").filter(has_text="room-4900").wait_for()
    await rooms.get_by_label("State").select_option("starved")
    await asyncio.sleep(2)


def longest_task(trace: bytes) -> float:
    """Of the page's own thread, in ms of its CPU time: a machine that others use makes no task longer."""
    events = json.loads(trace)["traceEvents"]
    named = [one for one in events if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"]
    pages = {(one["pid"], one["tid"]) for one in named}
    ran = [one for one in events if one["name"] == "RunTask" and (one["pid"], one["tid"]) in pages]
    tasks = [one for one in ran if "tdur" in one]  # one that still runs as the trace ends has none
    assert len(tasks) > 100
    return max(float(one["tdur"]) for one in tasks) / 1000


async def test_five_thousand_rooms_hold_up_no_frame() -> None:
    """No task of the page's takes long, and it holds few elements, however many rooms there are."""
    async with house(sweep_every=3_600_000) as here, browser() as chromium:
        await crowd(here.service.ledger)
        async with tab(chromium, f"{here.service.admin_url}/ui", token=None) as shown:
            await chromium.start_tracing(page=shown.page, categories=["devtools.timeline", TASKS])
            await shown.sign_in()
            await use(shown)
            longest = longest_task(await chromium.stop_tracing())
            elements = await shown.page.evaluate("document.getElementsByTagName('*').length")

        assert longest < FRAME_MS
        assert elements < ELEMENTS
