"""A canary that does not come is taken out of its split, and given again by who resumes it."""

import aiohttp
from msgspec.structs import replace

from dispatcher.core.rules import Rule, Target
from dispatcher.expressions import Agents, Split
from tests.integration.house import TOKEN, House, house, rule


def split() -> Rule:
    """Every second room is for the canary."""
    plain = rule("greeter", "next", attempts=1, retry_every=60_000)
    return replace(plain, aim=Agents("default", (Split(((50, Target("greeter")), (50, Target("next")))),)))


async def agents_of(home: House, *rooms: str) -> set[str]:
    """Whom these new rooms ask for first."""
    for room in rooms:
        await home.livekit.rooms.join(room, "alice")
        await home.told("dispatch.requested", room=room, number=1, within=20)
    asked = [line for line in home.lines if line["action"] == "dispatch.requested" and line["room"] in rooms]
    return {line["agent"] for line in asked if line["number"] == 1}


async def test_a_canary_that_does_not_come_is_taken_out_until_somebody_resumes_it() -> None:
    """New rooms get the other agent; `resume` gives the canary again."""
    async with house(split()) as home:
        home.livekit.workers.register("greeter")
        for number in range(60):
            await home.livekit.rooms.join(f"room-{number}", "alice")
        stopped = await home.told("split.stopped", within=20, agent="next", rule="default")
        assert "bad rooms of" in stopped["why"]
        assert await agents_of(home, *(f"later-{n}" for n in range(12))) == {"greeter"}
        metrics = await home.counted("split_side_stopped")
        assert [value for series, value in metrics.items() if 'agent="next"' in series] == [1]

        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{home.service.admin_url}/v1/agents/next/resume"
        async with aiohttp.ClientSession() as http, http.post(url, headers=headers) as answer:
            assert answer.status == 200
        await home.told("split.resumed", agent="next", by="environment")

        assert await agents_of(home, *(f"again-{n}" for n in range(12))) == {"greeter", "next"}
