"""The image's health check follows the service to wherever the environment has it listen."""

import asyncio
import sys

import pytest

from tests.gates.tree import ROOT
from tests.integration.test_ports import served
from tests.real.server import free_port

SCRIPT = ROOT / "deploy" / "healthcheck.py"


async def checked(**environ: str) -> int:
    """The exit code of the health check in this environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), env=environ, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
async def test_it_follows_host_and_ports(host: str) -> None:
    """Whichever address and port; without a service there it fails."""
    webhooks, admin = free_port(), free_port()
    where = {"DISPATCHER_HOST": host, "DISPATCHER_PORT": str(webhooks)}
    assert await checked(**where) != 0
    async with served(host, port=webhooks, admin_port=None):
        assert await checked(**where) == 0
        assert await checked(**where, DISPATCHER_ADMIN_PORT="tcp://10.0.0.1:80") == 0
    async with served(host, port=webhooks, admin_port=admin):
        assert await checked(**where) != 0
        assert await checked(**where, DISPATCHER_ADMIN_PORT=str(admin)) == 0
