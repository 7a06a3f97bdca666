"""A canary that does not come is taken out of its split, and given again by who resumes it."""

import asyncio
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.cli.main import main
from dispatcher.core.rules import Rule, Target
from dispatcher.expressions import Agents, Split
from tests.integration.house import TOKEN, House, house, rule


def split() -> Rule:
    """Every second room is for the canary; a slow machine makes no room of the other side a bad one."""
    plain = rule("greeter", "next", attempts=1, retry_every=60_000, confirm_within=3_000, join_within=20_000)
    return replace(plain, aim=Agents("default", (Split(((50, Target("greeter")), (50, Target("next")))),)))


async def agents_of(home: House, *rooms: str) -> set[str]:
    """Whom these new rooms ask for first."""
    for room in rooms:
        await home.livekit.rooms.join(room, "alice")
        await home.told("dispatch.requested", room=room, number=1, within=20)
    asked = [line for line in home.lines if line["action"] == "dispatch.requested" and line["room"] in rooms]
    return {line["agent"] for line in asked if line["number"] == 1}


async def stops(home: House) -> dict[str, list[dict[str, Any]]]:
    """By agent, the splits that have taken it out, as the API shows them."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(f"{home.service.url}/v1/agents") as answer:
        rows = (await answer.json())["agents"]
    return {row["agent"]: [stop for target in row["targets"] for stop in target["stopped"]] for row in rows}


async def test_a_canary_that_does_not_come_is_taken_out_until_somebody_resumes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """New rooms get the other agent, and whoever lists the agents sees why; `resume` gives the canary again."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    async with house(split()) as home:
        home.livekit.workers.register("greeter")
        for number in range(60):
            await home.livekit.rooms.join(f"room-{number}", "alice")
        stopped = await home.told("split.stopped", within=20, agent="next", rule="default")
        assert "bad rooms of" in stopped["why"]
        assert await agents_of(home, *(f"later-{n}" for n in range(12))) == {"greeter"}
        metrics = await home.counted("split_side_stopped")
        assert [value for series, value in metrics.items() if 'agent="next"' in series] == [1]

        assert await asyncio.to_thread(main, ["agents", "--url", home.service.url]) == 0
        table = capsys.readouterr().out
        shown = await stops(home)
        assert shown["greeter"] == []
        [stop] = shown["next"]
        assert (stop["rule"], stop["figures"]) == ("default", stopped["why"])
        assert table.splitlines()[2].startswith("next ")
        assert stop["sentence"] in table.splitlines()[2]

        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{home.service.admin_url}/v1/agents/next/resume"
        async with aiohttp.ClientSession() as http, http.post(url, headers=headers) as answer:
            assert answer.status == 200
        await home.told("split.resumed", agent="next", by="environment")

        assert await agents_of(home, *(f"again-{n}" for n in range(12))) == {"greeter", "next"}
        assert await stops(home) == {"greeter": [], "next": []}
