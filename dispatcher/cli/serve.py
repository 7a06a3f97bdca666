"""`dispatcher serve`: runs the service until somebody stops it."""

import argparse
import asyncio
import gc
import logging
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dispatcher.app import RecordTo, running
from dispatcher.cli.logged import output_of, take_log
from dispatcher.cli.options import EVERYTHING, source_of, take_connection
from dispatcher.cli.signals import end_now, on_hangup, stopping
from dispatcher.config import Config, Source
from dispatcher.offline import Unusable
from dispatcher.telemetry.logs import LEVELS, bridge
from dispatcher.telemetry.output import Output, aside
from dispatcher.telemetry.tape import Files

NAME: Final = "serve"
HELP: Final = "run the service: take webhooks and dispatch agents by the rules"
EXAMPLE: Final = "dispatcher serve --config dispatcher.yaml"
READS: Final = EVERYTHING

DRY_RUN: Final = "decide, log and count, but create nothing; use a ledger of its own, in memory"
TAKE_OVER: Final = "take the ledger from processes of this instance that serve another LiveKit: it has moved"
RECORD: Final = "record all decisions in this folder, 64 MiB at most, for `replay`"
LEVEL: Final = "the least level of lines that are written; default: info, a line for each decision"
RECORD_PLAIN: Final = "with --record: also record in plain text what recordings otherwise hide"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    parser.add_argument("--take-over", action="store_true", help=TAKE_OVER)
    parser.add_argument("--record", type=Path, metavar="DIR", help=RECORD)
    parser.add_argument("--record-plain", action="store_true", help=RECORD_PLAIN)
    take_log(parser)
    parser.add_argument("--log-level", choices=LEVELS, default=LEVELS[0], help=LEVEL)
    take_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; exit code 1 if the address cannot be used, 143 or 130 at a second signal."""
    source = source_of(arguments, ruled=True)
    config = source.read()
    aside("".join(f"{warning}\n" for warning in config.warnings))
    record = _recording(arguments)
    config = replace(config, take_over=arguments.take_over)
    with output_of(arguments) as output:
        output.log.least = arguments.log_level
        logging.getLogger().addHandler(bridge(output.log))
        try:
            asyncio.run(_until_stopped(config, source, output, record, dry_run=arguments.dry_run))
        except OSError as error:
            output.log.error("address.refused", host=config.host, port=config.port, why=error.strerror or "")
            return 1
    return 0


def _recording(arguments: argparse.Namespace) -> RecordTo | None:
    """Open the place where drives are recorded. Raises Unusable."""
    folder: Path | None = arguments.record
    if folder is None:
        if arguments.record_plain:
            raise Unusable("--record-plain says how to record, and --record DIR where: write both")
        return None
    files = Files(folder)
    try:
        files.open()
    except OSError as error:
        raise Unusable(f"--record {folder}: {error.strerror}") from None
    return RecordTo(files=files, plain=arguments.record_plain)


async def _until_stopped(
    config: Config, source: Source, output: Output, record: RecordTo | None, *, dry_run: bool
) -> None:
    log, about = output.log, version("livekit-dispatcher")
    with stopping(partial(end_now, output)) as stopped:
        async with running(config, log, version=about, dry_run=dry_run, source=source, record=record) as service:
            on_hangup(service.reload)
            log.info(
                "service.started",
                url=f"{service.url}/webhook",
                admin_url=service.admin_url,
                projects=[project.name for project in config.projects],
                rules=len({rule.name for rule in config.rules_in_force}),
                instance=config.instance,
                ledger=config.ledger.home if config.ledger and not dry_run else "memory",
                dry_run=dry_run,
            )
            if config.ledger and dry_run:
                log.warning(
                    "redis.unused", why="a dry run has a ledger of its own, in memory: no other process uses it"
                )
            gc.collect()
            gc.freeze()  # what a service holds for as long as it lives; else each collection of garbage walks over it
            await stopped.wait()
            log.info("service.stopping")
    log.info("service.stopped")
