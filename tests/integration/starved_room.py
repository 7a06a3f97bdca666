"""One room without an agent, everywhere it shows: docs/starved-room.md has this output, of a real run."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from dispatcher.core.notices import NoticeKind
from dispatcher.telemetry.metrics import PREFIX
from tests.integration.hooks import Hooks, hooks
from tests.integration.house import TOKEN, House, house, rule
from tests.integration.test_notices import receiver

PAGE: Final = Path(__file__).parents[2] / "docs" / "starved-room.md"
RULE: Final = rule("greeter", name="everyone", attempts=2, confirm_within=1_000, retry_every=300_000)
COMMANDS: Final = ("rooms --state starved", "agents", "status", "explain lobby")
METRICS: Final = (
    "assignments{",
    "assignments_starved_total",
    "oldest_wait_seconds",
    "dispatches_total{",
    "target_circuit",
)
BLOCK: Final = re.compile(r"(^## ([^\n]+)\n(?:(?!^## |^```).)*^```\w+\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)

_VARIES: Final = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "INSTANT"),
    (r"\d\d:\d\d:\d\d(\.\d+)? UTC", "CLOCK"),
    (r"\b(RM|msg|AD)_\w+", r"\1_ID"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"(oldest_wait_seconds) \S+", r"\1 VALUE"),
    (r"\d+(\.\d+)? (s|min)\b", "SPAN"),
    (r'"duration_ms": ?\d+', '"duration_ms": SPAN'),
    (r" +", " "),
)


@asynccontextmanager
async def starved_room() -> AsyncIterator[tuple[House, Hooks]]:
    """No worker is there; alice has waited in the lobby until every attempt has failed, and somebody was told."""
    async with hooks() as ops, house(RULE, receivers=(receiver(ops.url, kinds={NoticeKind.ROOM_STARVED}),)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved", within=20)
        await here.told("circuit.opened", within=20)
        await ops.wait_taken(1, within=20)
        await _counted(here, RULE.policy.attempts)
        yield here, ops


async def _counted(here: House, failed: int) -> None:
    """The agent's last hour has so many failed attempts: it is counted up to a second later."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with ClientSession(headers=headers) as http, asyncio.timeout(20):
        while True:
            async with http.get(f"{here.service.admin_url}/v1/agents") as answer:
                [agent] = (await answer.json())["agents"]
            if agent["last_hour"]["failed"] == failed:
                return
            await asyncio.sleep(0.1)


async def output(here: House, ops: Hooks) -> dict[str, str]:
    """What a terminal, the log, Prometheus and a receiver of notices have, by the section of the document."""
    said = await asyncio.gather(*(_typed(here, command) for command in COMMANDS))
    log = "".join(f"{json.dumps(line)}\n" for line in here.lines if line.get("room") == "lobby")
    notice = json.dumps(ops.taken[0], indent=2)
    return {
        "In the terminal": "\n".join(said),
        "In the log": log,
        "In the metrics": await _metrics(here),
        "The notice": f"{notice}\n",
    }


async def _typed(here: House, command: str) -> str:
    """The command and all that it prints."""
    words = [sys.executable, "-m", "dispatcher", *command.split(), "--url", here.service.url]
    process = await asyncio.create_subprocess_exec(
        *words, env={**os.environ, "DISPATCHER_API_TOKEN": TOKEN}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return f"$ dispatcher {command}\n{out.decode()}"


async def _metrics(here: House) -> str:
    """Those that tell of it, once they do."""
    wanted = tuple(f"{PREFIX}{name}" for name in METRICS)
    async with ClientSession() as http, asyncio.timeout(20):
        while True:
            async with http.get(f"{here.service.admin_url}/metrics") as answer:
                lines = [line for line in (await answer.text()).splitlines() if line.startswith(wanted)]
            told = [line for line in lines if not line.endswith(" 0.0")]
            if any("starved" in line for line in told) and any("oldest_wait" in line for line in told):
                return "".join(f"{line}\n" for line in told)
            await asyncio.sleep(0.2)


def stable(text: str) -> str:
    """The text without what is another one each time."""
    for pattern, name in _VARIES:
        text = re.sub(pattern, name, text)
    return text


def documented() -> dict[str, str]:
    """What the document shows, by section."""
    return {name: text for _, name, text, _ in BLOCK.findall(PAGE.read_text())}


def write(blocks: Mapping[str, str]) -> None:
    """The document shows this from now on."""
    text = PAGE.read_text()
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}{blocks.get(found[2], found[3])}{found[4]}", text))
