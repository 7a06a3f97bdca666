"""The API's parts, made of what the service runs with."""

from collections.abc import Callable

from aiohttp import web

from dispatcher.engine.intake import Intake
from dispatcher.engine.orders import Orders
from dispatcher.engine.runner import Runner
from dispatcher.engine.sweep import Sweep
from dispatcher.http.agents import AgentsApi
from dispatcher.http.answers import OrderAnswers
from dispatcher.http.configured import ConfigApi
from dispatcher.http.events import EventsApi
from dispatcher.http.feed import Feed
from dispatcher.http.guard import Guard
from dispatcher.http.inquiry import Inquiry
from dispatcher.http.openapi import DocumentApi
from dispatcher.http.rooms import RoomsApi
from dispatcher.http.stats import StatsApi
from dispatcher.http.steering import Steering
from dispatcher.http.whoami import WhoAmI
from dispatcher.targets.presence import Presence
from dispatcher.targets.probes import ProbeBoard
from dispatcher.telemetry.recorder import SessionRecorder


def api_routes(  # noqa: PLR0913 the parts
    runner: Runner,
    intake: Intake,
    presence: Presence,
    recorder: SessionRecorder,
    *,
    sweep: Sweep,
    reload: Callable[[], None],
    feed: Feed,
    probes: ProbeBoard,
) -> list[web.RouteDef]:
    """All that `http/routes` lists, for an application."""
    reconciler = runner.reconciler
    holder, breaker, pauses = reconciler.holder, reconciler.breaker, reconciler.pauses
    guard = Guard(holder, recorder.metrics, recorder.health)
    answers = OrderAnswers(runner.ledger, pauses, recorder.log.mask)
    parts = (
        DocumentApi(guard, recorder.health.version),
        WhoAmI(guard, guard.holder.project_names),
        ConfigApi(guard),
        StatsApi(guard, runner.ledger, recorder.log.mask),
        RoomsApi(guard, Inquiry(breaker, pauses, probes, holder, recorder, lambda: presence.seen)),
        AgentsApi(guard, breaker, pauses, probes, lambda: presence.seen, dry_run=recorder.health.dry_run),
        EventsApi(guard, feed),
        Steering(guard, Orders(runner.ledger, intake, holder), answers, sweep=sweep.order, reload=reload),
    )
    return [route for part in parts for route in part.routes()]
