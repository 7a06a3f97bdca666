"""`dispatcher launcher`: starts processes for rooms until somebody stops it."""

import argparse
import asyncio
import os
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dispatcher.cli.logged import output_of, take_log
from dispatcher.cli.options import LIVEKIT, take_config
from dispatcher.cli.signals import end_now, stopping
from dispatcher.client.launches import HOST, PORT
from dispatcher.config import BadConfig, Config, load
from dispatcher.config.problems import Problem
from dispatcher.launcher.kin import adopt_orphans
from dispatcher.launcher.records import StateInUse
from dispatcher.launcher.server import LauncherPlace, running_launcher
from dispatcher.telemetry.output import Output, aside

NAME: Final = "launcher"
HELP: Final = "run a launcher: start a process for a room when somebody posts its token"
EXAMPLE: Final = "dispatcher launcher --config dispatcher.yaml"
READS: Final = (*LIVEKIT, "DISPATCHER_CONFIG", "DISPATCHER_API_TOKEN")

STATE: Final = Path("~/.local/state/livekit-dispatcher")
_NONE: Final = "missing; write a launcher, such as {avatar: {command: [python, avatar.py], limit: 8}}"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--host", default=HOST, help=f"the address to listen on; default: {HOST}")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port to listen on; default: {PORT}")
    parser.add_argument("--state", type=Path, default=STATE, metavar="DIR", help=f"for its records; default: {STATE}")
    take_log(parser)
    take_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; exit code 1 if the address or the folder cannot be used.

    At a second signal it ends at once, with 143 or 130, and leaves its processes to the next launcher.
    """
    config = load(arguments.config, os.environ)
    config = replace(config, launchers=tuple(one for one in config.launchers if one.command))
    if not config.launchers:
        raise BadConfig([Problem(str(config.file or "environment"), 0, 0, "launchers", _NONE)])
    aside("".join(f"{warning}\n" for warning in config.warnings))
    place = LauncherPlace(host=arguments.host, port=arguments.port, state=arguments.state.expanduser().absolute())
    with output_of(arguments) as output:
        try:
            adopt_orphans()
            asyncio.run(_until_stopped(config, place, output))
        except StateInUse as error:
            output.log.error("launcher.refused", why=str(error))
            return 1
        except OSError as error:
            output.log.error("launcher.refused", why=error.strerror or "", address=f"{place.host}:{place.port}")
            return 1
    return 0


async def _until_stopped(config: Config, place: LauncherPlace, output: Output) -> None:
    log, about = output.log, version("livekit-dispatcher")
    with stopping(partial(end_now, output)) as stopped:
        async with running_launcher(config, log, place, clock=_epoch_ms, version=about) as launcher:
            names = [one.name for one in config.launchers]
            log.info("launcher.started", url=f"{launcher.url}/launch", launchers=names, state=str(place.state))
            await stopped.wait()
            log.info("launcher.stopping")
    log.info("launcher.stopped")


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000
