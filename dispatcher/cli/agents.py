"""`dispatcher agents`: how each agent stands, a line for each deployment."""

import argparse
from collections.abc import Iterator
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service, take_watch
from dispatcher.cli.options import SERVICE
from dispatcher.cli.screen import Table
from dispatcher.client import AgentProbe, AgentTarget, Dispatcher, LastHour, ListedAgent
from dispatcher.explain.words import about, ago, at_utc

NAME: Final = "agents"
HELP: Final = "list the agents: which are seen, in how many rooms they are, who has paused one"
EXAMPLE: Final = "dispatcher agents --watch"
READS: Final = SERVICE

_HEAD: Final = (
    "AGENT",
    "PROJECT",
    "CIRCUIT",
    "LAST SEEN",
    "USUALLY",
    "ROOMS",
    "LAST HOUR",
    "WORKERS",
    "PROBED",
    "NOT GIVEN",
)
SERVED: Final = "served"
_SILENT: Final = "no agent of it is seen in any room since"
_UNKNOWN: Final = AgentTarget("", "", None, None, None, 0)


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_watch(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""

    async def agents(dispatcher: Dispatcher) -> Reply:
        listed = await dispatcher.agents()
        table = Table(_HEAD, [row for one in listed.agents for row in _rows(one, listed.now)])
        return Reply([table, *(line for one in listed.agents for line in _failing(one))], listed)

    return ask_service(arguments, agents)


def _rows(one: ListedAgent, now: int) -> Iterator[tuple[str, ...]]:
    """A row for each of its deployments; what is known of the agent as a whole stands in the first."""
    rooms = ", ".join(f"{number} {state}" for state, number in one.assignments.items())
    workers = "" if one.workers is None else str(one.workers)
    whole, paused = (rooms, _hour(one.last_hour), workers), [one.paused.sentence] if one.paused else []
    for target in one.targets or (_UNKNOWN,):
        name = f"{one.agent}@{target.deployment}" if target.deployment else one.agent
        seen = ago(target.last_seen_at, now) if target.last_seen_at else ""
        usual = about(target.usual_ms) if target.usual_ms else ""
        silent = [f"{_SILENT} {at_utc(target.open_since)}"] if target.open_since else []
        why = "; ".join([*paused, *(stop.sentence for stop in target.stopped), *silent])
        yield name, one.project or "", target.circuit, seen, usual, *whole, _probed(target.probe, now), why
        whole, paused = ("", "", ""), []


def _probed(probe: AgentProbe | None, now: int) -> str:
    if probe is None:
        return ""
    soon = about(probe.took_ms) if probe.result == SERVED and probe.took_ms is not None else probe.result
    times = f" {probe.failures} times" if probe.failures > 1 else ""
    return f"{soon}{times}, {ago(probe.at, now)}"


def _failing(one: ListedAgent) -> Iterator[str]:
    """Why probes of it got no agent, and what shows more."""
    for target in one.targets:
        if target.probe and target.probe.failures:
            name = f"{one.agent}@{target.deployment}" if target.deployment else one.agent
            yield f"{name}: {target.probe.sentence}"
            if target.probe.room:
                yield f"  dispatcher explain {target.probe.room}"


def _hour(one: LastHour) -> str:
    soon = f" (95 % in {about(one.p95_ms)})" if one.p95_ms else ""
    return f"{one.served} served{soon}, {one.failed} failed" if one.served or one.failed else ""
