"""The fake's HTTP server: it can go down and come back at the same address."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

LOOPBACK: Final = "127.0.0.1"
_PATIENCE: Final = 0.05  # seconds that a call under way has left when the server stops


class Server:
    """One server after another at one address. Port 0: the first one that starts chooses a free one."""

    def __init__(self, app: Callable[[], web.Application], host: str = LOOPBACK, port: int = 0) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, or would."""
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """It listens."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_PATIENCE)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Connections are refused, and those that were open are closed."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
