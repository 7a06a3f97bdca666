"""An agent paused during traffic, on a real livekit-server with real workers: whoever comes gets the fallback."""

from pathlib import Path
from typing import Final

import pytest

from dispatcher.client import Dispatcher
from tests.e2e.house import House, house
from tests.real.people import present
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real

TOKEN: Final = "an-operators-token"
TOKENS: Final = [{"name": "maria", "token": TOKEN, "scopes": ["read", "dispatch"]}]
LINE: Final = [{"name": "line", "agent": "sales", "fallback": ["voicemail"]}]


async def asked(here: House, room: str) -> list[str]:
    """Which agents were asked for in the room."""
    return [one.agent_name for one in await here.asked(room)]


async def test_a_pause_with_a_fallback_and_its_end(tmp_path: Path) -> None:
    """Who has the agent keeps it; who comes then gets the other; and afterwards it is the agent's turn again."""
    with (
        house(tmp_path, LINE, api_tokens=TOKENS) as here,
        start_worker(here.server, tmp_path, "sales") as sales,
        start_worker(here.server, tmp_path, "voicemail") as voicemail,
    ):
        wait_registered(sales)
        wait_registered(voicemail)
        async with Dispatcher(here.service.url, TOKEN) as dispatcher, present(here.server, "before"):
            await here.service.told("agent.joined", room="before", agent="sales")
            [there] = await here.agents("before")
            paused = await dispatcher.pause("sales", lasts="30m", reason="deploy")
            assert paused.paused is not None
            assert (paused.paused.by, paused.paused.reason) == ("maria", "deploy")
            async with present(here.server, "during"):
                await here.service.told("agent.joined", room="during")
                assert await asked(here, "during") == ["voicemail"]
            await dispatcher.resume("sales")
            async with present(here.server, "after"):
                await here.service.told("agent.joined", room="after")
                assert await asked(here, "after") == ["sales"]
            assert [one.sid for one in await here.agents("before")] == [there.sid]
