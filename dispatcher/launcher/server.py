"""The launcher's composition root: a configuration becomes a running launcher; a stopped one leaves nothing behind."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import TCPConnector, web
from msgspec import Struct

from dispatcher.config import Config
from dispatcher.config.environment import http_url
from dispatcher.core.facts import Ms
from dispatcher.engine.supervise import Supervisor
from dispatcher.http.guard import Guard
from dispatcher.http.listener import limits_here, listening
from dispatcher.http.server import alive_and_metrics, bare_application
from dispatcher.http.ui import LAUNCHER, Page
from dispatcher.http.whoami import WhoAmI
from dispatcher.launcher.api import LaunchesApi
from dispatcher.launcher.endpoint import LaunchEndpoint, unknown_launcher
from dispatcher.launcher.kin import adopts_orphans
from dispatcher.launcher.logs import Logs
from dispatcher.launcher.news import NewsEndpoint
from dispatcher.launcher.pool import Pool
from dispatcher.launcher.presence import RoomWatch
from dispatcher.launcher.processes import Processes
from dispatcher.launcher.recorder import LaunchRecorder
from dispatcher.launcher.records import Records
from dispatcher.launcher.restore import restore
from dispatcher.launcher.ways import Ways
from dispatcher.livekit.answers import twirp_session
from dispatcher.runtime.connection import connect, mask_key
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot, api_keys
from dispatcher.telemetry.calls import CallRecorder
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.launch_metrics import LaunchMetrics
from dispatcher.telemetry.logs import Log

CONNECTIONS: Final = 20  # to one LiveKit
GRACE_S: Final = 2.0  # that requests under way have when the launcher stops


class LauncherPlace(Struct, frozen=True, kw_only=True):
    """Where a launcher listens, and where it keeps its records."""

    host: str
    port: int  # 0: any free one
    state: Path


class RunningLauncher(Struct, frozen=True, kw_only=True):
    """A running launcher, as those who started it see it."""

    url: str
    pool: Pool
    metrics: LaunchMetrics


@asynccontextmanager
async def running_launcher(
    config: Config, log: Log, place: LauncherPlace, *, clock: Callable[[], Ms], version: str
) -> AsyncIterator[RunningLauncher]:
    """It answers, has adopted what an earlier one left, and sees to its launches; in the end as `on_stop` says.

    Raises StateInUse, or OSError: the address or the folder cannot be had.
    """
    launches = LaunchMetrics(version=version, lines_dropped=log.dropped)
    metrics = launches.shared
    log.mask.use(mask_key(config))
    records, recorder = Records(place.state), LaunchRecorder(log, launches, (one.name for one in config.launchers))
    async with AsyncExitStack() as stack:
        stack.enter_context(records.held())
        session = await stack.enter_async_context(twirp_session(TCPConnector(limit=0, limit_per_host=CONNECTIONS)))
        calls = CallRecorder(log, metrics, Health(clock))
        logs = Logs(records, recorder)
        home = Processes(os.environ, logs.hear)
        rooms = RoomWatch({one.name: connect(one, session, calls) for one in config.projects})
        ways = Ways(home=home, rooms=rooms, records=records, recorder=recorder, logs=logs, clock=clock)
        pool = Pool(config.launchers, ways)
        await restore(pool, ways)
        app = bare_application(metrics, log, _unrouted)
        app.add_routes(_routes(config, pool, ways, launches))
        address = await stack.enter_async_context(
            listening(app, place.host, place.port, metrics=metrics, log=log, limits=limits_here(), grace=GRACE_S)
        )
        supervisor = await stack.enter_async_context(Supervisor(log, metrics))
        supervisor.start("memory", pool.watch_memory)
        supervisor.start("warm", pool.keep_warm)
        if adopts_orphans():
            supervisor.start("reaper", home.keep_reaping)
        try:
            yield RunningLauncher(url=http_url(*address), pool=pool, metrics=launches)
        finally:
            pool.refuse()
            await pool.shut()


def _routes(config: Config, pool: Pool, ways: Ways, metrics: LaunchMetrics) -> list[web.RouteDef]:
    log = ways.recorder.log
    keys, projects = api_keys(config), {one.name: one for one in config.projects}
    holder = ConfigHolder(ConfigSnapshot(config=config, projects={}))
    guard = Guard(holder, metrics.shared, Health(ways.clock))
    api = LaunchesApi(guard, pool, ways, keys)
    return [
        *LaunchEndpoint(pool, projects, keys, ways.recorder, ways.clock).routes(),
        *NewsEndpoint(ways.rooms, keys, log, ways.clock).routes(),
        *api.routes(),
        *WhoAmI(guard, projects.keys).routes(),
        *Page(holder, LAUNCHER).routes(),
        *alive_and_metrics(metrics.exposition),
        web.get("/readyz", Readiness(pool).answer),
    ]


class Readiness:
    """Whether there are free places, for load balancers, autoscalers and whoever asks for launches."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def answer(self, request: web.Request) -> web.Response:
        """Of all launchers together, or of the one that `?launcher=` names."""
        named, launchers = request.query.get("launcher"), self._pool.launchers
        if named is not None and named not in launchers:
            return unknown_launcher(launchers).answer
        names = [name for name in launchers if named in {None, name}]
        free = {name: self._pool.free(name) for name in names}
        reason = "stopping" if self._pool.stopping else "at_capacity"
        if self._pool.stopping or not sum(free.values()):
            said = {"ready": False, "reason": reason, "free": free}
            return web.json_response(said, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.json_response({"ready": True, "free": free})


def _unrouted(_request: web.Request, _refusal: web.HTTPException) -> None:
    """Nothing is told of requests that have no route here."""
