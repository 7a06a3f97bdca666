"""Somebody in the room who says that they are the agent: a token of kind AGENT may bear any name and attribute."""

import asyncio
from itertools import count

from dispatcher.core.session import State
from tests.integration.house import House, house, rule

AGENT = {"lk.agent_name": "greeter", "lk.agent.name": "greeter", "lk.agent.state": "listening"}


async def test_law_15_an_impostor_denies_nobody_the_agent_for_long() -> None:
    """After `join_within` (here 900 ms) the true one is asked for; the other is told of, and left."""
    async with house(rule("greeter")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "impostor", kind="AGENT", agent=True, attributes=AGENT)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")
        await here.told("agent.unrequested", room="lobby", agent="greeter", within=15)
        await here.idle()

        assert len(here.livekit.create_calls) == 1
        assert "impostor" in [one.identity for one in here.livekit.rooms.agents_in("lobby")]
        assert len(here.livekit.rooms.agents_in("lobby")) == 2


async def takes_turns(here: House, number: int) -> None:
    """An impostor comes and the one before goes, and the service has heard of it."""
    sent = len(here.livekit.webhooks_sent)
    await here.livekit.rooms.join("lobby", f"impostor-{number}", kind="AGENT", agent=True, attributes=AGENT)
    await here.livekit.rooms.leave("lobby", f"impostor-{number - 1}")
    await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) >= sent + 2)


async def come_and_go(here: House) -> None:
    """So it goes on."""
    for number in count(1):
        await takes_turns(here, number)


async def test_law_15_impostors_who_come_and_go_deny_nobody_the_agent() -> None:
    """There is always one, and never one for long: what counts is since when there has been any."""
    async with house(rule("greeter")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "impostor-0", kind="AGENT", agent=True, attributes=AGENT)
        await here.livekit.rooms.join("lobby", "alice")
        async with asyncio.TaskGroup() as tasks:
            turns = tasks.create_task(come_and_go(here))
            await here.told("agent.joined", room="lobby", agent="greeter")
            turns.cancel()

        assert len(here.livekit.create_calls) == 1


async def test_law_15_one_without_the_grant_of_an_agent_is_not_waited_for() -> None:
    """An avatar's or a bot's token, made by hand: nobody takes it for the agent, not for a moment."""
    async with house(rule("greeter", join_within=60_000)) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "bot", kind="AGENT", attributes=AGENT)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")

        assert (await here.session("lobby")).assignments[0].state is State.SERVED
