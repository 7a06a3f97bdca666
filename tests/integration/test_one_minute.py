"""A caller is on the line and no agent came: what `explain` says first, in each situation, of a running service.

docs/my-agent-does-not-come.md has the table: a situation, and the lines that begin the answer (`…`: what varies). Each
row is played here, and nothing is played that has no row.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, TypeAlias

import aiohttp
import pytest

from dispatcher.cli.explain import explain
from dispatcher.config import load_offline
from dispatcher.core.rules import Rule
from dispatcher.testing import JobOutcome
from tests.integration.house import TOKEN, House, house, rule
from tests.integration.situations import (
    HASTY,
    NOBODY,
    Situation,
    hangs,
    never_shows,
    no_webhooks,
    no_worker,
    raises,
    redis_down,
    rejects,
    served,
    serving,
    starved,
    wrong_secret,
)

PAGE = (Path(__file__).parents[2] / "docs" / "my-agent-does-not-come.md").read_text()
SECTION = PAGE.partition("\n## In one minute\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| ([^|`]+?) \| (.+) \|$", SECTION, re.MULTILINE))

Play: TypeAlias = Callable[[], Awaitable[list[str]]]


async def told(here: House, room: str = "lobby", token: str = TOKEN) -> list[str]:
    """The lines that `dispatcher explain` prints."""
    written: list[str] = []
    await explain(here.service.url, token, room, written.append)
    return "".join(written).splitlines()


def seen_in(situation: Situation) -> Play:
    """What is told of its room while it holds."""

    async def play() -> list[str]:
        async with situation(NOBODY) as here:
            return await told(here)

    return play


async def healthy() -> list[str]:
    """A worker of the name is there."""
    async with house(HASTY) as here:
        await served(here)
        return await told(here)


async def killed() -> list[str]:
    """SIGKILL, with the call going on."""
    async with house(HASTY) as here:
        here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.DROPS, stay=2.0, ghost=10.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="crashed")
        return await told(here)


async def nameless_beside() -> list[str]:
    """LiveKit sends it into every room by itself."""
    async with house(HASTY) as here:
        here.livekit.workers.register("")
        await served(here)
        await here.told("agent.unrequested", within=14)
        return await told(here)


async def nameless_alone() -> list[str]:
    """It is the greeter's, started without its name."""
    async with house(HASTY) as here:
        here.livekit.workers.register("")
        await starved(here)
        return await told(here)


async def no_rule() -> list[str]:
    """It is for other rooms."""
    callers = written("""{name: sales-line, when: "participant.attributes['sip.ruleID'] == 'SDR_1'", agent: sales}""")
    async with house(*callers) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) > 1)
        return await told(here)


async def names_nobody() -> list[str]:
    """It finds no key."""
    async with house(*written("{name: as-asked, agent: {cel: metadata.agent}}")) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.unnamed")
        return await told(here)


def written(line: str) -> tuple[Rule, ...]:
    """The rule, as a file has it."""
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(f"rules: [{line}]\n")
        file.flush()
        return load_offline(Path(file.name), {}).rules


async def paused() -> list[str]:
    """The configuration says so."""
    async with serving(HASTY, paused=frozenset({"greeter"})) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.paused")
        return await told(here)


async def dry_run() -> list[str]:
    """Nobody is asked for."""
    async with house(HASTY, dry_run=True) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.simulated")
        return await told(here)


async def misspelt() -> list[str]:
    """LiveKit shows no room of that name."""
    async with house(HASTY) as here:
        await served(here)
        return await told(here, "loby")


async def wrong_path() -> list[str]:
    """LiveKit takes the 404 for delivered."""
    async with house(HASTY) as here:
        here.livekit.webhook_url = f"{here.service.url}/webhooks"
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("webhook.astray")
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) > 1)
        return await told(here)


async def api_off() -> list[str]:
    """No token is configured."""
    async with house(HASTY, token=None) as here:
        return await told(here)


async def down() -> list[str]:
    """Nobody listens there."""
    written: list[str] = []
    assert await explain("http://127.0.0.1:9", TOKEN, "lobby", written.append) == 1
    return "".join(written).replace("127.0.0.1:9", "127.0.0.1:8080").splitlines()


PLAYS: Final[dict[str, Play]] = {
    "all is well": healthy,
    "no worker of the name": seen_in(no_worker),
    "the worker rejects the job": seen_in(rejects),
    "the agent's process is killed": killed,
    "a job, and no agent": seen_in(never_shows),
    "an exception at the start": seen_in(raises),
    "a worker without a name beside ours": nameless_beside,
    "only a worker without a name": nameless_alone,
    "no rule applies": no_rule,
    "an expression names no agent": names_nobody,
    "the agent is paused": paused,
    "a dry run": dry_run,
    "a misspelt room": misspelt,
    "webhooks go to a wrong path": wrong_path,
    "webhooks go elsewhere": seen_in(no_webhooks),
    "a wrong secret": seen_in(wrong_secret),
    "LiveKit hangs": seen_in(hangs),
    "the API is off": api_off,
    "the service is down": down,
    "Redis is down": seen_in(redis_down),
}


def shown(situation: str) -> list[str]:
    """The lines of the situation's row, each as a pattern."""
    lines = re.findall(r"`` (.+?) ``", ROWS[situation])
    return [".*".join(map(re.escape, line.split("…"))) for line in lines]


def test_every_row_is_played() -> None:
    """And every situation has its row."""
    assert set(ROWS) - {"situation", "---"} == set(PLAYS)


@pytest.mark.parametrize("situation", PLAYS)
async def test_the_first_lines_say_why(situation: str) -> None:
    """As the page shows them, in that order."""
    lines = await PLAYS[situation]()
    expected = shown(situation)

    assert expected
    assert [line for line, pattern in zip(lines, expected, strict=False) if not re.fullmatch(pattern, line)] == []
    assert len(lines) >= len(expected)


async def test_an_agent_without_a_name_is_told_to_go_where_the_configuration_says_so() -> None:
    """Ours stays; the story says who was sent away, and why that was."""
    async with house(rule("greeter", unrequested_agents="remove")) as here:
        here.livekit.workers.register("")
        await served(here)
        await here.told("agent.sent_away", within=9)
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1)
        lines = await told(here)
        metrics = await here.metrics()
    assert lines[0].startswith("Served: `greeter` has been in the room")
    assert lines[-2].endswith("an agent without a name was told to go, as `unrequested_agents: remove` says")
    assert metrics['livekit_dispatcher_surplus_agents_total{action="sent_away"}'] == 1


async def test_trouble_has_a_form_that_programs_can_read() -> None:
    """As docs/http.md shows it: with the room that is known, with one that is not."""
    async with house(HASTY) as here, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        await served(here)
        await here.livekit.stop_api()
        await here.livekit.rooms.join("hall", "bob")
        await here.told("look.failed", why="unreachable")
        known = await (await http.get(f"{here.service.url}/v1/rooms/lobby")).json()
        unknown = await (await http.get(f"{here.service.url}/v1/rooms/attic")).json()
    [trouble] = known["troubles"]
    assert (trouble["kind"], trouble["project"], trouble["reason"]) == ("livekit_failing", "default", "unreachable")
    assert trouble["since"] <= trouble["last_at"]
    assert trouble["count"] >= 1
    assert trouble["sentence"].startswith("LiveKit has not answered for ")
    assert unknown["error"] == "unknown_room"
    assert [one["kind"] for one in unknown["troubles"]] == ["livekit_failing"]
