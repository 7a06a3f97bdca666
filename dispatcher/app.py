"""The composition root: a configuration becomes a running service, and a stopped one leaves nothing half done."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Final

from aiohttp import ClientSession, TCPConnector
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.client.launchers import Launchers, launcher_http
from dispatcher.config import Config, Project, Source
from dispatcher.core.facts import Ms
from dispatcher.engine.intake import Intake
from dispatcher.engine.orders import Orders
from dispatcher.engine.prober import Prober
from dispatcher.engine.reconciler import Reconciler
from dispatcher.engine.runner import Runner
from dispatcher.engine.supervise import Supervisor
from dispatcher.engine.sweep import Sweep
from dispatcher.http.api import api_routes
from dispatcher.http.events import told
from dispatcher.http.feed import Feed
from dispatcher.http.ports import open_ports, readers_max
from dispatcher.http.server import Applications, applications
from dispatcher.http.ui import Page
from dispatcher.http.webhook import WebhookEndpoint
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.timed import TimedLedger
from dispatcher.livekit.answers import TwirpSession, twirp_session
from dispatcher.livekit.client import LIMITS, LiveKit
from dispatcher.livekit.webhook import verify
from dispatcher.notices.loops import NoticeLoops
from dispatcher.notices.outbox import Outbox
from dispatcher.notices.post import posting
from dispatcher.runtime.connection import connect, derived_key
from dispatcher.runtime.home import configured_ledger, memory_ledger, steady_clock
from dispatcher.runtime.in_force import ConfigInForce
from dispatcher.runtime.reload import Reload
from dispatcher.runtime.snapshot import ConfigSnapshot, config_snapshot
from dispatcher.targets.board import Board
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.circuits import Circuits
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.presence import Presence
from dispatcher.targets.probes import ProbeBoard
from dispatcher.targets.rate import Pacer
from dispatcher.targets.splits import Splits
from dispatcher.targets.worker_http import worker_http
from dispatcher.telemetry.calls import CallRecorder
from dispatcher.telemetry.gauges import Gauges
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.recorder import SessionRecorder
from dispatcher.telemetry.tape import Files, Hiding, Tape, Writer
from dispatcher.telemetry.tracing import in_force

DRAIN_S: Final = 6.0  # running drives may finish; with the server's end and what is handed back, within 10 s
CONNECTIONS: Final = 100  # to one LiveKit

ONCE: Final = replace(LIMITS, tries=1)  # where requests are counted, none is made that was not


class Service(Struct, frozen=True, kw_only=True):
    """A running dispatcher, as those who started it see it."""

    url: str  # where webhooks are taken, without their path
    admin_url: str  # where probes, metrics and API are: the same one, unless they have a port of their own
    ledger: Ledger
    metrics: Metrics
    reload: Callable[[], None]  # the configuration is read again now; without a source nothing is


class RecordTo(Struct, frozen=True, kw_only=True):
    """Where drives are recorded. `plain`: with the facts that are hidden otherwise."""

    files: Files
    plain: bool = False


@asynccontextmanager
async def running(
    config: Config,
    log: Log,
    *,
    version: str,
    dry_run: bool = False,
    source: Source | None = None,
    record: RecordTo | None = None,
) -> AsyncIterator[Service]:
    """The service answers, claims and sweeps; at the end it is unready, finishes what runs, hands back the rest.

    With the `source` that `config` was read from it follows its changes. A dry run's ledger is its own, in memory.
    Raises OSError when the address cannot be had. Nothing is asked of Redis before it answers: until the ledger has
    been claimed from, the service is unready.
    """
    metrics = Metrics(version=version, lines_dropped=log.dropped)
    recorder = SessionRecorder(log, metrics, _health(config, version, dry_run=dry_run), in_force(log.mask))
    async with AsyncExitStack() as stack:
        current = ConfigInForce(config, await stack.enter_async_context(_connected(recorder)), recorder)
        runner = _runner(config, current, recorder, stack, dry_run=dry_run, record=record)
        presence = await _presence(current, recorder, stack)
        sweep = Sweep(runner.ledger, current.holder, runner.reconciler.pacer, recorder.calls)
        prober = _prober(runner, presence, recorder)
        reload = Reload(source, config, partial(current.swap, runner.ledger), recorder) if source else None
        ask = reload.ask if reload else lambda: None
        feed = Feed(runner.ledger.changes, partial(told, mask=log.mask), metrics, most=readers_max(config))
        apps = _apps(config, runner, presence, recorder, sweep, ask, feed=feed, probes=prober.board)
        url, admin_url = await stack.enter_async_context(open_ports(apps, config, metrics, log))
        stack.push_async_callback(runner.stop, DRAIN_S)
        post = await stack.enter_async_context(posting())
        supervisor = await stack.enter_async_context(Supervisor(log, metrics))
        _start(supervisor, runner, presence, recorder, sweep, feed)
        prober.start(supervisor)
        notices = NoticeLoops(runner.ledger, runner.reconciler.outbox, current.holder, recorder, config.instance)
        notices.start(supervisor, post, _epoch_ms, lambda: reload.problems if reload else ())
        if reload:
            supervisor.start("reload", reload.run)
        yield Service(url=url, admin_url=admin_url, ledger=runner.ledger, metrics=metrics, reload=ask)
        runner.drain()


async def _presence(current: ConfigInForce, recorder: SessionRecorder, stack: AsyncExitStack) -> Presence:
    http, holder = await stack.enter_async_context(worker_http()), current.holder
    return Presence(lambda: holder.snapshot.config.workers, http, steady_clock(), recorder.log, recorder.metrics)


def _health(config: Config, version: str, *, dry_run: bool) -> Health:
    return Health(_epoch_ms, dry_run=dry_run, version=version, instance=config.instance)


def _runner(
    config: Config,
    current: ConfigInForce,
    recorder: SessionRecorder,
    stack: AsyncExitStack,
    *,
    dry_run: bool,
    record: RecordTo | None,
) -> Runner:
    """What drives sessions, and the ledger and tape that it works on: closed as the stack unwinds."""
    log, metrics, wake = recorder.log, recorder.metrics, asyncio.Event()
    home = memory_ledger if dry_run else partial(configured_ledger, config)
    ledger = TimedLedger(home(current.holder, wake.set), recorder.calls.ledger_called)
    stack.push_async_callback(ledger.aclose)
    outbox = Outbox(current.holder.receivers, log.mask)
    board = Board(ledger, log, outbox)
    stack.push_async_callback(board.stop)
    reconciler = Reconciler(
        ledger=ledger,
        holder=current.holder,
        breaker=Breaker(board, Pacer(ledger), Splits(ledger, current.holder, outbox, log, metrics)),
        outbox=outbox,
        recorder=recorder,
        pauses=PauseBoard(ledger, current.holder, log, metrics),
        shared=config.ledger is not None,
        tape=stack.enter_context(_recorded(record, config, log, metrics)) if record else None,
    )
    return Runner(ledger, reconciler, wake, log, metrics, concurrency=config.concurrency)


def _start(
    supervisor: Supervisor, runner: Runner, presence: Presence, recorder: SessionRecorder, sweep: Sweep, feed: Feed
) -> None:
    ledger, holder, metrics = runner.ledger, runner.reconciler.holder, recorder.metrics
    supervisor.start("runner", runner.run)
    supervisor.start("board", runner.reconciler.breaker.board.run)
    if (splits := runner.reconciler.breaker.splits) is not None:
        supervisor.start("splits", splits.run)
    supervisor.start("pauses", runner.reconciler.pauses.run)
    supervisor.start("gauges", Gauges(ledger, holder.project_names, metrics).run)
    circuits = Circuits(runner.reconciler.breaker, holder, metrics, lambda: presence.seen)
    supervisor.start("circuits", circuits.run)
    supervisor.start("presence", presence.run)
    supervisor.start("events", feed.run)
    supervisor.start_for_each(holder.project_names, "sweep", sweep.run)


def _prober(runner: Runner, presence: Presence, recorder: SessionRecorder) -> Prober:
    reconciler = runner.reconciler
    holder, pauses, log, metrics = reconciler.holder, reconciler.pauses, recorder.log, recorder.metrics
    board = ProbeBoard(runner.ledger, holder, pauses, reconciler.outbox, log, metrics)
    orders = Orders(runner.ledger, Intake(runner.ledger, runner, holder.rules_of, recorder.tracing), holder)
    return Prober(board, orders, pauses, reconciler.pacer, lambda: presence.seen, recorder.health)


@contextmanager
def _recorded(record: RecordTo, config: Config, log: Log, metrics: Metrics) -> Iterator[Tape]:
    """The tape. At the end what waits is written, as far as there is time for it."""

    def tell(trouble: str) -> None:
        if trouble:
            log.error("tape.failed", why=trouble)
        else:
            log.info("tape.recovered")

    facts = Mask()
    facts.use(derived_key(config, b"dispatcher: recorded facts"))
    write = log.warning if record.plain else log.info
    write("tape.started", folder=str(record.files.folder), plain=record.plain)
    with Writer(record.files.write, metrics.tape_claims_dropped_total.inc) as writer:
        yield Tape(writer, Hiding(log.mask, facts, plain=record.plain), tell)


@asynccontextmanager
async def _connected(recorder: SessionRecorder) -> AsyncIterator[Callable[[Config], ConfigSnapshot]]:
    """What makes configurations ready, whose LiveKits and launchers are called over the same connections."""
    connector = TCPConnector(limit=0, limit_per_host=CONNECTIONS)  # shared, and no project waits for another
    async with twirp_session(connector) as session, launcher_http() as launchers:
        yield partial(_snapshot, session=session, launchers=launchers, recorder=recorder)


def _snapshot(
    config: Config, session: TwirpSession, launchers: ClientSession, recorder: SessionRecorder
) -> ConfigSnapshot:
    """The configuration, ready to be in force; nothing is connected yet."""
    calls = recorder.calls
    asking = partial(Launchers, launchers, hear=calls.launcher_answered)
    return config_snapshot(config, partial(_connect, session=session, calls=calls), asking, recorder.judged)


def _connect(project: Project, session: TwirpSession, calls: CallRecorder) -> LiveKit:
    return connect(project, session, calls, ONCE if project.api_rate_limit else LIMITS)


def _apps(  # noqa: PLR0913 the parts
    config: Config,
    runner: Runner,
    presence: Presence,
    recorder: SessionRecorder,
    sweep: Sweep,
    reload: Callable[[], None],
    *,
    feed: Feed,
    probes: ProbeBoard,
) -> Applications:
    """What the service answers, on one port or on two."""
    holder = runner.reconciler.holder
    intake = Intake(runner.ledger, runner, holder.rules_of, recorder.tracing)
    endpoint = WebhookEndpoint(
        verify=lambda authorization, now: verify(authorization, holder.snapshot.keys, now),
        intake=intake,
        metrics=recorder.metrics,
        log=recorder.log,
        health=recorder.health,
        clock=_epoch_ms,
    )
    api = api_routes(runner, intake, presence, recorder, sweep=sweep, reload=reload, feed=feed, probes=probes)
    return applications(
        endpoint,
        ready=lambda: runner.not_ready,
        api=[*api, *Page(holder).routes()],
        port=config.port if config.admin_port is not None else None,
        tracing=recorder.tracing,
    )


def _epoch_ms() -> Ms:
    return time.time_ns() // 1_000_000
