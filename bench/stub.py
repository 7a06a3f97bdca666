"""A LiveKit that a benchmark makes, in a process of its own, so that its CPU is not the service's."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web


async def serve(answer: Callable[[web.Request], Awaitable[web.StreamResponse]], *more: web.RouteDef) -> None:
    """LiveKit's methods are answered at a port that is written to standard output, until standard input ends."""
    app = web.Application()
    app.add_routes([web.post("/twirp/{service}/{method}", answer), *more])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
