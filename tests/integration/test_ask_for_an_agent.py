"""docs/ask-for-an-agent.md: what it shows is run as it stands there, beside the real service."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from dispatcher.http.asked import DispatchRequest
from tests.integration.house import TOKEN, House, house, rule

PAGE: Final = (Path(__file__).parents[2] / "docs" / "ask-for-an-agent.md").read_text()
SNIPPETS: Final = dict(re.findall(r"^```(python|js|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
NODE: Final = shutil.which("node")
RUN: Final = {
    "python": (sys.executable, "-c"),
    "sh": ("sh", "-c"),
    **({"js": (NODE, "-e")} if NODE else {}),  # where there is no Node, its snippet is read alone: below
}


@asynccontextmanager
async def rooms() -> AsyncIterator[House]:
    """Nobody gets an agent by a rule; the room `lobby` lives."""
    async with house(rule("nobody", name="nobody", kinds=frozenset({"SIP"}), attempts=1)) as here:
        await here.livekit.rooms.open("lobby")
        yield here


async def run(command: Sequence[str], here: House, token: str = TOKEN) -> tuple[int | None, str]:
    """The exit code, and what was printed."""
    environ = {**os.environ, "DISPATCHER_URL": here.service.url, "BACKEND_TOKEN": token}
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.parametrize("language", RUN)
async def test_each_example_has_the_agent_come(language: str) -> None:
    """Once, although it is run twice; with its metadata."""
    async with rooms() as here:
        here.livekit.workers.register("sales")
        for _ in range(2):
            code, said = await run((*RUN[language], SNIPPETS[language]), here)
            assert code == 0, said
            assert "served" in said
            assert "request:" in said
        [dispatch] = here.livekit.rooms.dispatches_in("lobby")
        assert dispatch.metadata.replace(" ", "") == '{"order":4711}'
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


@pytest.mark.parametrize("language", RUN)
async def test_each_example_ends_with_an_error_when_it_is_refused(language: str) -> None:
    """And shows the API's own words."""
    async with rooms() as here:
        code, said = await run((*RUN[language], SNIPPETS[language]), here, token="another")
    assert code != 0
    assert "no valid bearer token" in said


def test_the_nodes_example_asks_for_what_the_api_takes() -> None:
    """As far as it can be read; where there is a Node, it is run as well."""
    snippet = SNIPPETS["js"]
    body = re.search(r"^const body = \{ (.*) \};$", snippet, re.MULTILINE)
    assert body
    assert set(re.findall(r"(\w+):(?! 4711)", body[1])) <= set(DispatchRequest.__struct_fields__)
    assert '"Idempotency-Key": key' in snippet
    assert "/v1/dispatches?wait=10s" in snippet


def test_every_example_is_run_here() -> None:
    """One that is added needs a test."""
    assert set(SNIPPETS) == {"python", "js", "sh"}
    assert len(re.findall(r"^```(?:python|js|sh)$", PAGE, re.MULTILINE)) == len(SNIPPETS)
