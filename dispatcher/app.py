"""The composition root: a configuration becomes a running service, and a stopped one leaves nothing half done."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

from aiohttp import ClientSession, TCPConnector, web
from msgspec import Struct

from dispatcher.api import Api
from dispatcher.chronicle import Chronicle
from dispatcher.config import Config, Project
from dispatcher.core.events import Ms
from dispatcher.driver import Driver, Site
from dispatcher.expressions import heard
from dispatcher.gauges import Gauges
from dispatcher.intake import Intake
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.timed import TimedLedger
from dispatcher.livekit import LiveKit
from dispatcher.logs import Log
from dispatcher.metrics import Metrics
from dispatcher.server import build, listening
from dispatcher.sweep import Sweep
from dispatcher.webhook import ApiKey, receive
from dispatcher.worker import Worker

DRAIN_S: Final = 6.0  # running drives may finish; with the server's end and what is handed back, within 10 s
GRACE_S: Final = 2.0
AGAIN_S: Final = 1.0
CONNECTIONS: Final = 100  # to one LiveKit


class Service(Struct, frozen=True, kw_only=True):
    """A running dispatcher, as those who started it see it."""

    host: str
    port: int
    ledger: Ledger
    metrics: Metrics

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def running(config: Config, log: Log, *, version: str, dry_run: bool = False) -> AsyncIterator[Service]:
    """The service answers, claims and sweeps; at the end it is unready, finishes what runs, hands back the rest.

    Raises OSError when the address cannot be had.
    """
    metrics = Metrics(version=version, agents=_agents(config), rules=[rule.name for rule in config.rules])
    chronicle = Chronicle(log, metrics)
    async with AsyncExitStack() as stack:
        sites = {project.name: await _site(stack, project, config, chronicle) for project in config.projects}
        wake = asyncio.Event()
        ledger = _timed(MemoryLedger(_steady_clock(), wake=wake.set), metrics)
        stack.push_async_callback(ledger.aclose)
        driver = Driver(
            ledger=ledger, sites=sites, instance=config.instance, pace=config.pace, chronicle=chronicle, dry_run=dry_run
        )
        worker = Worker(ledger, driver, wake, log, metrics)
        app = _app(config, ledger, worker, log, metrics)
        host, port = await stack.enter_async_context(listening(app, config.host, config.port, grace=GRACE_S))
        stack.push_async_callback(worker.stop, DRAIN_S)
        sweep = Sweep(
            ledger, sites, log, metrics, every=config.sweep.every, looks_per_second=config.sweep.looks_per_second
        )
        gauges = Gauges(ledger, sites, log, metrics)
        loops: list[tuple[str, Callable[[], Awaitable[None]]]] = [("worker", worker.run), ("gauges", gauges.run)]
        loops += [("sweep", partial(sweep.run, project)) for project in sites]
        for name, loop in loops:
            stack.push_async_callback(_end, asyncio.create_task(_kept_alive(name, loop, log, metrics)))
        yield Service(host=host, port=port, ledger=ledger, metrics=metrics)
        worker.drain()


def _app(config: Config, ledger: Ledger, worker: Worker, log: Log, metrics: Metrics) -> web.Application:
    keys = {
        key: ApiKey(project.name, secret.get_secret_value())
        for project in config.projects
        for key, secret in project.keys.items()
    }

    app = build(
        receive=lambda body, authorization, now: receive(body, authorization, keys, now),
        intake=Intake(ledger, worker),
        ready=lambda: worker.trouble,
        metrics=metrics,
        log=log,
        clock=_epoch_ms,
    )
    if config.api_token is not None:
        projects = tuple(project.name for project in config.projects)
        app.add_routes(Api(ledger, projects, config.api_token.get_secret_value()).routes())
    return app


async def _site(stack: AsyncExitStack, project: Project, config: Config, chronicle: Chronicle) -> Site:
    session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=CONNECTIONS)))
    key, secret = next(iter(project.keys.items()))
    livekit = LiveKit(
        project.url, key, secret.get_secret_value(), session=session, observe=partial(_observe_call, chronicle.metrics)
    )
    return Site(livekit=livekit, rules=heard(config.rules, partial(chronicle.rule_failed, project.name)))


def _observe_call(metrics: Metrics, method: str, result: str, seconds: float) -> None:
    metrics.livekit_request_seconds.labels(method=method, result=result).observe(seconds)
    if method == "CreateDispatch":
        metrics.create_seconds.observe(seconds)


def _timed(ledger: Ledger, metrics: Metrics) -> Ledger:
    return TimedLedger(ledger, lambda op, seconds: metrics.ledger_seconds.labels(op=op).observe(seconds))


def _agents(config: Config) -> set[str]:
    return {target.agent for rule in config.rules for target in rule.policy.targets if target.agent}


async def _kept_alive(name: str, loop: Callable[[], Awaitable[None]], log: Log, metrics: Metrics) -> None:
    """The loop runs until it is cancelled: an unexpected error is counted and loud, and ends nothing else."""
    while True:
        try:
            await loop()
        except Exception as error:  # noqa: BLE001 keeps the loop alive
            metrics.loop_errors_total.labels(loop=name).inc()
            log.error("loop_failed", loop=name, error=error)
        await asyncio.sleep(AGAIN_S)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _steady_clock() -> Callable[[], Ms]:
    """The machine's time, carried on by a clock that never steps back."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000_000


def _epoch_ms() -> Ms:
    return time.time_ns() // 1_000_000
