"""The image's health check follows the service to wherever the environment has it listen."""

import asyncio
import sys

import pytest

from tests.integration.test_ports import served
from tests.real.server import free_port

LIGHT = "import sys; sys.argv[1:] = ['healthcheck']; from dispatcher.__main__ import main; main(); print(*sys.modules)"


async def run(*command: str, **environ: str) -> tuple[int | None, str, str]:
    """The exit code of a Python program in this environment, and what it has written."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env=environ, stdout=pipe, stderr=pipe)
    written, failed = await process.communicate()
    return process.returncode, written.decode(), failed.decode()


async def checked(**environ: str) -> int | None:
    """The exit code of the health check in this environment."""
    code, *_ = await run("-m", "dispatcher", "healthcheck", **environ)
    return code


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
async def test_it_follows_host_and_ports(host: str) -> None:
    """Whichever address and port; without a service there it fails."""
    webhooks, admin = free_port(), free_port()
    where = {"DISPATCHER_HOST": host, "DISPATCHER_PORT": str(webhooks)}
    assert await checked(**where) == 1
    async with served(host, port=webhooks, admin_port=None):
        assert await checked(**where) == 0
        assert await checked(**where, DISPATCHER_ADMIN_PORT="tcp://10.0.0.1:80") == 0
    async with served(host, port=webhooks, admin_port=admin):
        assert await checked(**where) == 1
        assert await checked(**where, DISPATCHER_ADMIN_PORT=str(admin)) == 0


async def test_it_says_why_it_fails() -> None:
    """Nobody listens there, or who listens is no service of ours."""
    port = str(free_port())

    assert await run("-m", "dispatcher", "healthcheck", DISPATCHER_HOST="127.0.0.1", DISPATCHER_PORT=port) == (
        1,
        "",
        f"127.0.0.1 port {port}: ConnectionRefusedError: [Errno 111] Connection refused\n",
    )


async def test_it_imports_next_to_nothing() -> None:
    """It is run every ten seconds, and the rest of the service takes half a second of CPU to import."""
    _, imported, _ = await run("-c", LIGHT, DISPATCHER_HOST="127.0.0.1", DISPATCHER_PORT=str(free_port()))

    assert {one for one in imported.split() if one.startswith("dispatcher")} == {
        *("dispatcher", "dispatcher.__main__", "dispatcher.cli", "dispatcher.cli.healthcheck")
    }
    assert "asyncio" not in imported.split()
