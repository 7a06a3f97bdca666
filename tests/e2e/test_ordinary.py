"""Ordinary things on a real livekit-server leave nobody alone for long; `python -m bench.ordinary` has the figures."""

import asyncio
from pathlib import Path

import pytest
from livekit.api import DeleteRoomRequest

from tests.e2e.house import house
from tests.e2e.ordinary import SITUATIONS, Seconds, scene
from tests.real.people import present

pytestmark = pytest.mark.real

SLACK = 4.0  # seconds for the agent's way into the room, on a busy machine
GRACE = 3.0  # `finish_grace`
SILENT = 9.0  # seconds after which no worker will take a dispatch, while few are open
NEXT_LOOK = 4.0  # seconds, 1, 2, 4 and 8 s after somebody has joined whom no rule wanted
ALONE = 15.0  # seconds for which an agent may be in a room where nobody is
LISTED_LATE = 6.0  # seconds until the look that shows what LiveKit lists 5 s late


async def _played(directory: Path, name: str, row: str, *, stay: float = 6.0, min_stay: str = "5s") -> Seconds:
    """How long it took, with a service that knows nothing yet."""
    situation = SITUATIONS[name]
    async with scene(directory, situation, stay=stay, min_stay=min_stay) as here:
        with here.service():
            return await situation.rows[row](here, "lobby")


async def test_l10_a_page_that_is_loaded_again_has_an_agent_at_once(tmp_path: Path) -> None:
    """The agent was bound to the connection that is gone, and leaves: another comes for the same person."""
    waited = await _played(tmp_path, "reloaded", "page loaded again", stay=1.5, min_stay="1s")

    assert waited is not None
    assert waited < SLACK


async def test_t1_whom_only_a_grant_marks_is_nobody_to_wait_for(tmp_path: Path) -> None:
    """A recorder, and somebody who may register as a worker: nothing is asked for before a person comes."""
    with house(tmp_path) as here:
        async with (
            present(here.server, "recorded", "recorder", grant="recorder"),
            present(here.server, "helped", "helper", grant="agent"),
        ):
            await asyncio.sleep(2.0)  # in which an agent would be asked for
            assert here.service.lines(action="dispatch.requested") == []
            async with present(here.server, "recorded"):
                await here.service.told("dispatch.requested", room="recorded")  # the webhooks did come


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "row", "most"),
    [
        ("reloaded", "the same beside another person", SLACK),
        ("twice", "page open twice", SLACK),
        ("raised", "exception in the eighth second", GRACE + SLACK),
    ],
)
async def test_l10_l11_an_agent_that_leaves_is_replaced(tmp_path: Path, name: str, row: str, most: float) -> None:
    """Whatever made it leave, somebody is there still."""
    waited = await _played(tmp_path, name, row)

    assert waited is not None
    assert waited < most


@pytest.mark.long
async def test_l11_a_deploy_leaves_nobody_alone(tmp_path: Path) -> None:
    """A new worker is up, and the old one ends its agents: theirs come from the new one."""
    waited = await _played(tmp_path, "deployed", "deploy: new worker up, old one ends")

    assert waited is not None
    assert waited < GRACE + SLACK


async def test_d5_a_target_without_a_worker_holds_up_the_first_only(tmp_path: Path) -> None:
    """Nobody takes the first dispatch of that name: the fallback is there after 9 s, and at once in the next room."""
    situation = SITUATIONS["absent"]
    async with scene(tmp_path, situation) as here:
        with here.service():
            first, second = [await play(here, f"room-{n}") for n, play in enumerate(situation.rows.values())]

    assert first is not None
    assert second is not None
    assert first < SILENT + SLACK
    assert second < SLACK


@pytest.mark.long
async def test_d5_of_a_telephone_rule_only_the_last_fallback_runs(tmp_path: Path) -> None:
    """README's rule: the first caller waits for two targets that are not there, the second for none."""
    situation = SITUATIONS["telephone"]
    async with scene(tmp_path, situation) as here:
        with here.service():
            first, second = [await play(here, f"call-{n}") for n, play in enumerate(situation.rows.values())]

    assert first is not None
    assert second is not None
    assert first < 2 * SILENT + SLACK
    assert second < SLACK


@pytest.mark.long
async def test_d7_a_no_after_a_quiet_minute_is_found_after_6_s(tmp_path: Path) -> None:
    """LiveKit lists it 5 s late; then the fallback is asked at once."""
    waited = await _played(tmp_path, "rejected", "rejected after a quiet minute")

    assert waited is not None
    assert waited < LISTED_LATE + SLACK


async def test_w13_what_a_rule_reads_is_found_when_it_comes_late(tmp_path: Path) -> None:
    """Metadata set 2 s after joining: no webhook tells of it, a look does, long before the sweep."""
    waited = await _played(tmp_path, "told-late", "metadata set 2 s after joining")

    assert waited is not None
    assert waited < NEXT_LOOK + SLACK


async def test_w4_no_agent_stays_alone_in_a_room_that_died_as_it_was_asked_for(tmp_path: Path) -> None:
    """Its dispatch died with the room, the agent opens it again, and is known by the session before."""
    async with scene(tmp_path, SITUATIONS["deleted"]) as here:
        with here.service() as service:
            watched = []
            for room in (f"brief-{number}" for number in range(5)):
                async with present(here.server, room):
                    await service.told("dispatch.requested", room=room)
                    await here.api.room.delete_room(DeleteRoomRequest(room=room))
                watched.append(asyncio.create_task(here.agent_alone(room)))
            alone = await asyncio.gather(*watched)
            assert service.lines(action="agent.belated"), "LiveKit opened no room again: nothing was tried"

    assert all(one is not None and one < ALONE for one in alone), alone


@pytest.mark.long
async def test_w13_a_telephone_that_is_answered_has_its_agent(tmp_path: Path) -> None:
    """The same of `sip.callStatus`."""
    waited = await _played(tmp_path, "answered-late", "sip.callStatus active after 2 s")

    assert waited is not None
    assert waited < NEXT_LOOK + SLACK
