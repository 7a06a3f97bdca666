"""Real workers of livekit-agents, asked over HTTP who they are. `make e2e`."""

from pathlib import Path

import pytest

from dispatcher.cli.explain import explain
from dispatcher.core.workers import Missing, Registered
from dispatcher.targets.worker_http import worker_http
from tests.e2e.house import house
from tests.real.people import present
from tests.real.server import free_port
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real

TOKEN = "of-the-tests"


async def told(url: str) -> Registered | Missing:
    """What the worker there says of itself."""
    async with worker_http() as http:
        places = await http.places(url)
        assert not isinstance(places, Missing)
        return await http.ask(places[0])


async def test_a_real_worker_is_seen_and_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, type and version; and who waits for another one is told whom there is, then that nobody is."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    url = f"dns+http://localhost:{free_port()}"
    with house(tmp_path, workers=[url, "http://127.0.0.1:9"]) as here:
        await here.service.told("worker.unanswered", address="http://127.0.0.1:9")
        with start_worker(here.server, tmp_path, "sales", port=int(url.rpartition(":")[2])) as worker:
            wait_registered(worker)
            seen = await told(url.replace("localhost", "127.0.0.1"))
            await here.service.told("worker.answered", agent="sales", type="JT_ROOM")
            async with present(here.server, "lobby"):
                await here.service.told("dispatch.requested", room="lobby")
                lines: list[str] = []
                assert await explain(here.service.url, TOKEN, "lobby", lines.append) == 0
        await here.service.told("worker.unanswered", why="refused", address=f"localhost (127.0.0.1:{url[-5:]})")

    assert isinstance(seen, Registered)
    assert (seen.agent, seen.type, seen.jobs, seen.ready) == ("sales", "JT_ROOM", 0, True)
    assert seen.sdk.startswith("1.")
    assert "No worker that answers is registered as `greeter`; seen: `sales` x1" in "".join(lines)


async def test_a_real_worker_of_publishers_says_so(tmp_path: Path) -> None:
    """And one without a name takes every room."""
    ports = free_port(), free_port()
    with house(tmp_path) as here:
        server = here.server
        with (
            start_worker(server, tmp_path, "notes", publisher=True, port=ports[0]) as notes,
            start_worker(server, tmp_path, "", port=ports[1]) as unnamed,
        ):
            wait_registered(notes, unnamed)
            seen = [await told(f"http://127.0.0.1:{port}") for port in ports]

    assert [(one.agent, one.type) for one in seen if isinstance(one, Registered)] == [
        ("notes", "JT_PUBLISHER"), ("", "JT_ROOM")
    ]  # fmt: skip
