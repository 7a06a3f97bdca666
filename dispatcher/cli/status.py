"""`dispatcher status`: how the service stands: what is wrong with it, who waits, what comes in."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.cli.client import Reply, ask_service, take_service, take_watch
from dispatcher.cli.options import SERVICE
from dispatcher.cli.screen import Table
from dispatcher.client import Dispatcher
from dispatcher.explain.words import about, at_utc

NAME: Final = "status"
HELP: Final = "tell how the service stands: what is wrong with it, who waits, what comes in"
EXAMPLE: Final = "dispatcher status --watch"
READS: Final = SERVICE

_NEVER: Final = "none since the start"


class _Wait(Struct, frozen=True):
    project: str
    room: str
    since: int


class _Ledger(Struct, frozen=True):
    now: int
    assignments: Mapping[str, int]
    oldest_wait: _Wait | None


class _Project(Struct, frozen=True):
    project: str
    livekit: str
    last_sweep_at: int | None
    last_webhook_at: int | None


class _Trouble(Struct, frozen=True):
    sentence: str


class _Replica(Struct, frozen=True):
    version: str
    projects: Sequence[_Project]
    ledger: str
    config_loaded_at: int | None
    troubles: Sequence[_Trouble]
    webhooks: Mapping[str, int] | None = None


class _Stats(Struct, frozen=True):
    instance: str
    ledger: _Ledger | None
    this_replica: _Replica


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_watch(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""

    async def status(dispatcher: Dispatcher) -> Reply:
        answer = await dispatcher.get("/v1/stats")
        told = answer.read(_Stats)
        troubles = [one.sentence for one in told.this_replica.troubles]
        rows = [("instance", f"{told.instance}, version {told.this_replica.version}"), *_rows(told)]
        return Reply([*troubles, Table(("WHAT", "HOW IT STANDS"), rows)], msgspec.json.decode(answer.body))

    return ask_service(arguments, status)


def _rows(told: _Stats) -> Iterator[tuple[str, str]]:
    """What all replicas share; then what the one that answers knows."""
    if told.ledger:
        yield "assignments", _counted(told.ledger.assignments) or "none: no room lives"
        yield "longest wait", _waited(told.ledger)
    here = told.this_replica
    yield "ledger", here.ledger
    if here.webhooks is not None:
        yield "webhooks", _counted(here.webhooks) or _NEVER
    for one in here.projects:
        yield f"LiveKit of {one.project}", one.livekit
        yield "  last webhook", at_utc(one.last_webhook_at) if one.last_webhook_at else _NEVER
        yield "  last sweep", at_utc(one.last_sweep_at) if one.last_sweep_at else _NEVER
    if here.config_loaded_at:
        yield "configuration", f"of {at_utc(here.config_loaded_at)}"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def _waited(ledger: _Ledger) -> str:
    wait = ledger.oldest_wait
    if wait is None:
        return "nobody waits"
    return f"{about(ledger.now - wait.since)}, since {at_utc(wait.since)}, in {wait.room} (project {wait.project})"
