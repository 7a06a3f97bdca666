"""Where the service answers: webhooks and all the rest on one port, or each on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from msgspec.structs import replace

from dispatcher.config import Config
from dispatcher.config.environment import http_url
from dispatcher.http.listener import limits_here, listening
from dispatcher.http.server import Applications
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics

ADMIN_CONNECTIONS: Final = 50  # probes, scrapes and people: on a port of their own they have places of their own
READERS_OF: Final = 2 / 5  # of the places, for whoever reads `/v1/events`: they stay connected, and are never idle
GRACE_S: Final = 2.0  # that requests under way have when the service stops


@asynccontextmanager
async def open_ports(apps: Applications, config: Config, metrics: Metrics, log: Log) -> AsyncIterator[tuple[str, str]]:
    """Answer; gives the URL of webhooks, without their path, and that of all the rest. Raises OSError."""
    serve, limits = partial(listening, metrics=metrics, log=log, grace=GRACE_S), limits_here()
    async with AsyncExitStack() as stack:
        webhook = await stack.enter_async_context(serve(apps.webhook, config.host, config.port, limits=limits))
        admin = webhook
        if apps.admin is not None and config.admin_port is not None:
            limits = replace(limits, connections=_admin_places(config))
            admin = await stack.enter_async_context(serve(apps.admin, config.host, config.admin_port, limits=limits))
        yield http_url(*webhook), http_url(*admin)


def readers_max(config: Config) -> int:
    """How many may read `/v1/events` at once, so that there are places left for all the rest."""
    return int(_admin_places(config) * READERS_OF)


def _admin_places(config: Config) -> int:
    """How many may connect where probes, metrics and API are."""
    places = limits_here().connections
    return places if config.admin_port is None else min(ADMIN_CONNECTIONS, places)
