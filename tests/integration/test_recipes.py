"""docs/recipes.md in the real service, on a fake LiveKit: where more than one person, or more than rules, decides."""

from pathlib import Path

from tests.integration.test_rules import asked, ruled
from tests.unit.config.test_recipes import RECIPES, rules_of


async def test_each_participant_who_needs_one_gets_an_interpreter(tmp_path: Path) -> None:
    """Two of three, each told whom it is for; when one has left, that person's interpreter goes."""
    async with ruled(tmp_path, rules_of(RECIPES["One agent for each participant"])) as here:
        here.livekit.workers.register("interpreter")
        for identity, language in {"alice": "en", "chiara": "it", "denis": "fr"}.items():
            await here.livekit.rooms.join("lobby", identity, attributes={"language": language})
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2)
        sent = sorted(one.metadata for one in here.livekit.create_calls)
        assert sent == ['{"for":"chiara","language":"it"}', '{"for":"denis","language":"fr"}']

        await here.livekit.rooms.leave("lobby", "chiara")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1, within=60)


async def test_a_coach_and_a_scribe_join_beside_the_caller_s_agent(tmp_path: Path) -> None:
    """Each rule's agent once: the scribe from the start, the greeter and the coach with their people."""
    async with ruled(tmp_path, rules_of(RECIPES["A supervisor, and an agent beside the first"])) as here:
        for name in ("coach", "greeter", "scribe"):
            here.livekit.workers.register(name)
        await here.livekit.rooms.join("lobby", "caller")
        await here.livekit.rooms.join("lobby", "boss", attributes={"role": "supervisor"})
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 3)
        await here.idle()

        assert sorted(asked(here, "lobby")) == [("coach", ""), ("greeter", ""), ("scribe", "")]


async def test_while_sales_is_paused_its_callers_get_overflow(tmp_path: Path) -> None:
    """Nobody asks for the paused agent, though its worker is there."""
    async with ruled(tmp_path, rules_of(RECIPES["An agent that is paused"])) as here:
        for name in ("sales", "overflow"):
            here.livekit.workers.register(name)
        await here.livekit.rooms.join("call", "caller")
        await here.told("agent.joined", room="call", agent="overflow")

        assert asked(here, "call") == [("overflow", "")]
