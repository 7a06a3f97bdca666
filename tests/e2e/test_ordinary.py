"""Ordinary things on a real livekit-server leave nobody alone for long; `python -m bench.ordinary` has the figures."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.house import house
from tests.e2e.ordinary import SITUATIONS, Seconds, scene
from tests.real.people import present

pytestmark = pytest.mark.real

SLACK = 4.0  # seconds for the agent's way into the room, on a busy machine
GRACE = 3.0  # `finish_grace`


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
