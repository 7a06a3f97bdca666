"""`livekit-plugins-bithuman` itself, driven against a launcher: its own requests, its own reading of the answers."""

from pathlib import Path
from typing import Any

import pytest
from livekit.agents.utils import http_context
from livekit.plugins import bithuman

from tests.launcher.launched import avatar, stage, token

pytestmark = pytest.mark.real


@pytest.mark.parametrize("query", ["", "?async=true"])
async def test_the_plugin_has_its_avatar_launched(tmp_path: Path, query: str) -> None:
    """It sends its form, and takes the answer for success at the first try."""
    async with http_context.open(), stage(tmp_path, avatar("telling")) as one:
        session: Any = bithuman.AvatarSession(
            api_url=f"{one.launcher.url}/launch{query}", api_secret="a-secret", model="expression", avatar_id="A1"
        )
        await session._send_formdata_request(  # noqa: SLF001 what `start` does once it is in a job
            one.livekit.url, token(behalf="agent-1"), "lobby", async_mode=bool(query) or None
        )
        [launch_id] = one.launcher.pool.launches
        shown = await one.until(launch_id, "joined")

        assert shown["identity"] == "avatar"
        assert '"avatar_id":"A1"' in await one.text(f"/v1/launches/{launch_id}/log")
