"""examples/agent, in Python and in Node, on a real server: they say who has sent them, and when they are done."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples.join import Person, token
from tests.e2e.house import Service, house
from tests.real.child import ROOT, Child
from tests.real.node import AGENT, there
from tests.real.server import free_port, missing

RULE: dict[str, object] = {"name": "front-desk", "agent": "greeter", "metadata": "{'for': participant.identity}"}
HELLO = (
    'Hello alice. I am greeter, sent by rule front-desk, attempt {}. Say bye, and I go. I was told: {{"for":"alice"}}'
)
COMMANDS = {
    "python": [sys.executable, str(ROOT / "examples/agent/agent.py")],
    "node": ["node", str(AGENT / "agent.mjs")],
}


ABSENT_S = 3.0  # in which an agent that took another's greeting for a goodbye would have gone


@pytest.mark.real
@pytest.mark.parametrize("language", COMMANDS)
async def test_a_sample_agent_says_which_rule_has_sent_it_and_is_not_replaced(language: str, tmp_path: Path) -> None:
    """Somebody joins, is greeted with what the rule has told it, says bye; the agent marks its goodbye, and is done."""
    async with visited(language, tmp_path, RULE) as (here, person, said):
        hello = await asyncio.wait_for(said.get(), 60)
        joined = await here.told("agent.joined", room="lobby")
        assert hello == HELLO.format(joined["number"])

        await person.say("Bye, and thank you")
        assert await asyncio.wait_for(said.get(), 30) == "Goodbye."
        ended = await here.told("attempt.ended", within=60, room="lobby", number=joined["number"])

    assert (ended["verdict"], ended["done"]) == ("finished", "said so: somebody said bye")
    asked = [line["number"] for line in here.lines(action="dispatch.requested", room="lobby")]
    assert asked[-1] == joined["number"]


@pytest.mark.real
@pytest.mark.parametrize("language", COMMANDS)
async def test_two_sample_agents_in_a_room_do_not_take_each_other_for_people(language: str, tmp_path: Path) -> None:
    """Each hears the other's greeting, which has the word, and stays; at somebody's bye both go."""
    async with visited(language, tmp_path, {**RULE, "continue": True}, {**RULE, "name": "notes"}) as (_, person, said):
        greeted: set[str] = set()
        while greeted != {"front-desk", "notes"}:
            greeted.add((await asyncio.wait_for(said.get(), 60)).partition("sent by rule ")[2].partition(",")[0])
        await asyncio.sleep(ABSENT_S)
        heard = [said.get_nowait() for _ in range(said.qsize())]
        assert "Goodbye." not in heard, heard

        await person.say("Bye, and thank you")
        assert [await asyncio.wait_for(said.get(), 30) for _ in range(2)] == ["Goodbye."] * 2


@asynccontextmanager
async def visited(
    language: str, folder: Path, *rules: dict[str, object]
) -> AsyncIterator[tuple[Service, Person, asyncio.Queue[str]]]:
    """Alice has joined the lobby of a server with a sample agent; and what she hears."""
    if language == "node" and not there():
        missing("no node_modules: run `python -m tests.real.node`")
    said = asyncio.Queue[str]()
    with house(folder, rules) as here:
        environment = {
            "LIVEKIT_URL": here.server.url.replace("http", "ws"),
            "LIVEKIT_API_KEY": here.server.key,
            "LIVEKIT_API_SECRET": here.server.secret,
            "AGENT_PORT": str(free_port()),
        }
        with Child([*COMMANDS[language], "start"], folder / "agent.log", environment=environment) as agent:
            agent.wait_until(lambda: "registered worker" in agent.output(), "the worker registers", within=60)
            alice = token(environment, "lobby", "alice")
            async with Person(environment["LIVEKIT_URL"], alice, lambda _, text: said.put_nowait(text)) as person:
                yield here.service, person, said
