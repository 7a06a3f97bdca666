"""One port for all, or one for webhooks alone: what is answered where."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.front import body_of
from tests.integration.house import SPEED, TOKEN, Ears, config, rule
from tests.real.server import free_port

HOSTS = ["127.0.0.1", "::1", "::", "localhost"]


@asynccontextmanager
async def served(
    host: str = "127.0.0.1", port: int = 0, admin_port: int | None = 0
) -> AsyncIterator[tuple[Service, Ears]]:
    """A service that listens there."""
    ears = Ears()
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        settings = replace(config(livekit.url, rule("greeter")), host=host, port=port, admin_port=admin_port)
        async with running(settings, Log(ears.hear, lambda: 1.0), version="test") as service:
            yield service, ears


async def statuses(url: str, *paths: str) -> list[int]:
    """What GET requests to these paths are answered, with the API's token."""
    async with ClientSession(url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        return [(await http.get(path)).status for path in paths]


ADMIN = ("/healthz", "/readyz", "/metrics", "/v1/rooms", "/v1/agents", "/v1/workers")


async def test_the_admin_port_has_everything_but_the_webhook() -> None:
    """So the webhooks' port can be open to the world: it shows nobody anything."""
    async with served() as (service, _):
        assert service.url != service.admin_url
        assert await statuses(service.admin_url, *ADMIN) == [200] * len(ADMIN)
        assert await statuses(service.url, *ADMIN) == [404] * len(ADMIN)
        async with ClientSession() as http:
            assert (await http.post(f"{service.url}/webhook")).status == 401
            assert (await http.post(f"{service.admin_url}/webhook")).status == 404


async def test_without_it_all_is_on_one_port() -> None:
    """As it always was."""
    async with served(admin_port=None) as (service, _):
        assert service.url == service.admin_url
        assert await statuses(service.url, *ADMIN) == [200] * len(ADMIN)


async def test_a_webhook_to_the_admin_port_is_told_where_it_belongs() -> None:
    """By the name that the sender used, with the other port."""
    async with served(port=(port := free_port())) as (service, ears), ClientSession() as http:
        headers = {"Content-Type": "application/webhook+json", "Host": "dispatcher:9000"}
        await http.post(f"{service.admin_url}/webhook", data=body_of(), headers=headers)
        (line,) = [line for line in ears.lines if line["action"] == "webhook.astray"]
    assert line["url"] == f"http://dispatcher:{port}/webhook"


@pytest.mark.parametrize("host", HOSTS)
async def test_both_ports_are_at_every_address_of_the_host(host: str) -> None:
    """`::` is IPv4 as well; URLs of IPv6 have brackets; a port that is free is the same one at each address."""
    reached = {"::": ["127.0.0.1", "[::1]"], "localhost": ["127.0.0.1"], "::1": ["[::1]"]}.get(host, [host])
    async with served(host) as (service, _):
        for url in (service.url, service.admin_url):
            name, _, port = url.removeprefix("http://").rpartition(":")
            assert name == {"::": "[::]", "::1": "[::1]"}.get(host, name)
            for address in reached:
                expected = 200 if url == service.admin_url else 404
                assert await statuses(f"http://{address}:{port}", "/healthz") == [expected]
