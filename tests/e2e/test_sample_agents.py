"""examples/agent, in Python and in Node, on a real server: they say who has sent them, and when they are done."""

import asyncio
import sys
from pathlib import Path

import pytest

from examples.join import Person, token
from tests.e2e.house import house
from tests.real.child import ROOT, Child
from tests.real.node import AGENT, there
from tests.real.server import free_port, missing

RULE = {"name": "front-desk", "agent": "greeter", "metadata": "{'for': participant.identity}"}
HELLO = (
    'Hello alice. I am greeter, sent by rule front-desk, attempt {}. Say bye, and I go. I was told: {{"for":"alice"}}'
)
COMMANDS = {
    "python": [sys.executable, str(ROOT / "examples/agent/agent.py")],
    "node": ["node", str(AGENT / "agent.mjs")],
}


@pytest.mark.real
@pytest.mark.parametrize("language", COMMANDS)
async def test_a_sample_agent_says_which_rule_has_sent_it_and_is_not_replaced(language: str, tmp_path: Path) -> None:
    """Somebody joins, is greeted with what the rule has told it, says bye; the agent marks its goodbye, and is done."""
    if language == "node" and not there():
        missing("no node_modules: run `python -m tests.real.node`")
    said = asyncio.Queue[str]()
    with house(tmp_path, [RULE]) as here:
        environment = {
            "LIVEKIT_URL": here.server.url.replace("http", "ws"),
            "LIVEKIT_API_KEY": here.server.key,
            "LIVEKIT_API_SECRET": here.server.secret,
            "AGENT_PORT": str(free_port()),
        }
        with Child([*COMMANDS[language], "start"], tmp_path / "agent.log", environment=environment) as agent:
            agent.wait_until(lambda: "registered worker" in agent.output(), "the worker registers", within=60)
            alice = token(environment, "lobby", "alice")
            async with Person(environment["LIVEKIT_URL"], alice, lambda _, text: said.put_nowait(text)) as person:
                hello = await asyncio.wait_for(said.get(), 60)
                joined = await here.service.told("agent.joined", room="lobby")
                assert hello == HELLO.format(joined["number"])

                await person.say("Bye, and thank you")
                assert await asyncio.wait_for(said.get(), 30) == "Goodbye."
                ended = await here.service.told("attempt.ended", within=60, room="lobby", number=joined["number"])

        assert (ended["verdict"], ended["done"]) == ("finished", "said so: somebody said bye")
        asked = [line["number"] for line in here.service.lines(action="dispatch.requested", room="lobby")]
        assert asked[-1] == joined["number"]
