"""A tag that somebody else has written: whoever mints a room's token may put any attribute into its dispatches.

LiveKit's guide to token endpoints passes a client's `room_config` through, and with it `agents[].attributes`.
"""

from collections.abc import Callable

import pytest
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from dispatcher.core.session import Attempt
from tests.integration.house import House, house
from tests.integration.stage import asks, client

OLD, NEW = "dispatcher.want", "dispatcher.assignment"
TAGS: dict[str, Callable[[str], dict[str, str]]] = {
    "unsigned": lambda _sid: {OLD: "default:default#1", NEW: "default:default#1"},
    "of-this-life": lambda sid: {NEW: f"default:{sid}:default#1:{'0' * 32}"},
    "of-a-life-before": lambda _sid: {NEW: f"default:RM_before:default#1:{'f' * 32}"},
    "of-a-number-far-ahead": lambda sid: {NEW: f"default:{sid}:default#999999999:{'0' * 32}"},
}


async def attempts(here: House) -> list[Attempt]:
    """Those of the lobby's one assignment."""
    [assignment] = (await here.session("lobby")).assignments
    return list(assignment.attempts)


@pytest.mark.parametrize("forged", TAGS.values(), ids=TAGS)
async def test_law_13_a_strangers_dispatch_with_a_forged_tag_denies_nobody_the_agent(
    forged: Callable[[str], dict[str, str]],
) -> None:
    """It counts for nothing: the rule's own agent is asked for, and the stranger is neither served by nor removed."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("stranger")
        room = await here.livekit.rooms.open("lobby")
        async with client(here.livekit) as api:
            asked = asks("lobby", "stranger")
            asked.attributes.update(forged(room.info.sid))
            await api.agent_dispatch.create_dispatch(asked)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")
        await here.idle()

        assert [(one.ours, one.target.agent) for one in await attempts(here)] == [(True, "greeter")]
        assert sorted(one.agent_name for one in here.livekit.rooms.dispatches_in("lobby")) == ["greeter", "stranger"]
        assert len(here.livekit.rooms.agents_in("lobby")) == 2


async def test_law_13_a_token_s_own_agent_with_a_forged_tag_is_a_foreign_one() -> None:
    """It suits the assignment, so it serves as any token's does; but it is never taken for one that we may remove."""
    tag = {OLD: "default:default#1", NEW: f"default:RM_1:default#1:{'0' * 32}"}
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.open("lobby", agents=[RoomAgentDispatch(agent_name="greeter", attributes=tag)])
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await here.idle()

        assert [one.ours for one in await attempts(here)] == [False]
        assert here.livekit.create_calls == []


async def test_law_13_our_own_tag_on_another_agent_s_dispatch_is_none() -> None:
    """Who may list dispatches can read it. It is signed for the agent that we asked for."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("stranger")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        [ours] = here.livekit.rooms.dispatches_in("lobby")
        async with client(here.livekit) as api:
            copied = asks("lobby", "stranger")
            copied.attributes.update(ours.attributes)
            await api.agent_dispatch.create_dispatch(copied)
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2)
        await here.idle()

        assert [one.dispatch for one in await attempts(here)] == [ours.id]
        assert len(here.livekit.rooms.dispatches_in("lobby")) == 2


async def test_law_11_what_goes_out_as_a_tag_holds_no_secret() -> None:
    """Neither the secret nor the key made of it: a signature of 128 bits behind what anybody may read."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        [asked] = here.livekit.create_calls
        text, _, signature = asked.attributes[NEW].rpartition(":")

        assert asked.attributes.keys() == {NEW}
        assert text == f"default:{(await here.session('lobby')).sid}:default#1"
        assert len(bytes.fromhex(signature)) == 16
        assert here.livekit.api_secret not in str(here.lines)
