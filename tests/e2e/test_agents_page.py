"""docs/agents.md on a real livekit-server: what it shows is run as it stands there."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from dispatcher.cli.explain import explain
from tests.e2e.house import House, house
from tests.real.agent import DOCUMENT, snippets
from tests.real.people import present
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real

GRACE = "1s"
QUIET = 2.0  # seconds in which what must not happen would: longer than the grace
TOKEN = "of-the-tests"


@contextmanager
def _house(directory: Path, behaviour: str, after: float = 2.0) -> Iterator[House]:
    """The agents of `greeter` do this, so many seconds after they have joined."""
    with (
        house(directory, min_stay="1s", finish_grace=GRACE) as here,
        start_worker(here.server, directory, "greeter", behaviour=behaviour, after=after) as worker,
    ):
        wait_registered(worker)
        yield here


def test_every_snippet_is_run_here() -> None:
    """A snippet that is added needs a test."""
    assert set(snippets()) == {"Say that you are done", "Hang up a telephone", "A session that ends with its person"}
    assert DOCUMENT.read_text().count("```") == 2 * len(snippets())


async def test_l2_an_agent_that_says_that_it_is_done_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and leaves of its own will: the person stays alone, and explain says why."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)  # the service inherits it
    story: list[str] = []
    with _house(tmp_path, "Say that you are done") as here:
        async with present(here.server, "lobby"):
            ended = await here.service.told("attempt.ended", room="lobby")
            await asyncio.sleep(QUIET)
            assert await here.agents("lobby") == []
            assert await explain(here.service.url, TOKEN, "lobby", story.append) == 0
    assert (ended["verdict"], ended["done"]) == ("finished", "said so: all questions answered")
    assert len(here.service.lines(action="dispatch.requested")) == 1
    assert "Finished: its agent said so: all questions answered." in "".join(story)


@pytest.mark.long
async def test_l11_a_mark_in_a_shutdown_callback_comes_too_late(tmp_path: Path) -> None:
    """The SDK has left the room by then: it counts as a leaving without a word."""
    with _house(tmp_path, "say-so-too-late") as here:
        async with present(here.server, "lobby"):
            ended = await here.service.told("attempt.ended", room="lobby")
            await here.service.told("agent.joined", room="lobby", number=2)
    assert (ended["verdict"], ended["reason"]) == ("left", "client_initiated")


@pytest.mark.long
async def test_l12_an_agent_that_hangs_up_is_not_replaced(tmp_path: Path) -> None:
    """The room ends with the call, and is not opened again."""
    with _house(tmp_path, "Hang up a telephone") as here:
        async with present(here.server, "call", kind="sip"):
            await here.service.told("room.finished", room="call")
            await asyncio.sleep(QUIET)
            assert await here.agents("call") == []
    assert len(here.service.lines(action="dispatch.requested")) == 1


@pytest.mark.long
async def test_l10_a_session_that_closes_makes_way_for_another(tmp_path: Path) -> None:
    """Its person has gone, and somebody else is there still: another agent comes for them."""
    with _house(tmp_path, "A session that ends with its person", after=0.0) as here:
        async with AsyncExitStack() as there:
            async with present(here.server, "lobby", "alice"):
                await here.service.told("agent.joined", room="lobby", number=1)
                await there.enter_async_context(present(here.server, "lobby", "bob"))
                await asyncio.sleep(QUIET)  # longer than `min_stay`
            await here.service.told("agent.joined", room="lobby", number=2)
    assert here.service.lines(action="attempt.ended", number=1)[0]["reason"] == "client_initiated"
