"""The commands. Exit codes: 0 well, 1 something failed, 2 the configuration or the command line is wrong.

And 143 or 130 where a second SIGTERM or SIGINT did not let the service end in order.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dispatcher import offline
from dispatcher.app import RecordTo, redis_address, running
from dispatcher.cli import client, demo, doctor
from dispatcher.cli.signals import on_hangup, stopping
from dispatcher.config import BadConfig, Config, Source, load_offline, schema, show
from dispatcher.livekit.webhook import sign
from dispatcher.telemetry.logs import Style, bridge
from dispatcher.telemetry.output import NOWHERE, Output, aside
from dispatcher.telemetry.tape import Files

WRONG_CONFIG = 2
SIGNS_IAT = (1, 13)  # livekit-server before it signed without `iat`
DRY_RUN = "decide, log and count, but create nothing; its ledger is its own, in memory"
TAKE_OVER = "take the ledger, once, from processes of this instance that see to another LiveKit: it has moved"
LIKE = "signed as this livekit-server signs, such as 1.12; default: a present one"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "demo":
        return asyncio.run(demo.play(sys.stdout.write))
    if arguments.command == "explain":
        return _explain(arguments)
    if arguments.command == "schema":
        sys.stdout.write(schema())
        return 0
    try:
        if arguments.command in _OFFLINE:
            return _OFFLINE[arguments.command](arguments)
        source = Source(arguments.config, os.environ)
        config = source.read()
        if arguments.command == "send-test":
            return _send_test(config, arguments)
        redis = redis_address(config)
    except (BadConfig, offline.Unusable) as bad:
        sys.stderr.write(f"{bad}\n")
        return WRONG_CONFIG
    if arguments.command == "doctor":
        return asyncio.run(doctor.examine(config, redis, sys.stdout.write))
    told = "".join(f"{warning}\n" for warning in config.warnings)
    if arguments.command == "check":
        sys.stderr.write(told)
        return _check(config, arguments)
    aside(told)
    return _serve(config, source, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dispatcher", description="The right LiveKit agent in every room. Exactly one."
    )
    parser.add_argument("--version", action="version", version=version("livekit-dispatcher"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="take webhooks and see to it that every room has its agent")
    serve.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    serve.add_argument("--take-over", action="store_true", help=TAKE_OVER)
    _add_record(serve)
    serve.add_argument("--log", choices=("json", "text"), help="default: text on a terminal, else json")
    check = commands.add_parser("check", help="say whether the configuration is right: exit code 0 or 2")
    examined = commands.add_parser(
        "doctor", help="ask Redis and LiveKit, and say whether they will do: exit code 0, 1 or 2"
    )
    commands.add_parser("demo", help="watch it work, against a LiveKit of its own that loses agents")
    explain = commands.add_parser("explain", help="tell what happened in a room, asking the running service")
    explain.add_argument("room", metavar="ROOM")
    sent = commands.add_parser("send-test", help="send a signed webhook to the running service: exit code 0 or 1")
    sent.add_argument("--event", type=Path, metavar="FILE", help="its body; default: an event that nobody acts on")
    sent.add_argument("--like", type=_release, default=SIGNS_IAT, metavar="VERSION", help=LIKE)
    for command in (explain, sent):
        command.add_argument("--url", default=f"http://127.0.0.1:{os.environ.get('DISPATCHER_PORT') or 8080}")
    check.add_argument("--print", action="store_true", help="show the configuration in force, without secrets")
    commands.add_parser("schema", help="print the JSON Schema of the configuration, for editors")
    rules = commands.add_parser("rules", help="try the rules, without any LiveKit")
    trials = rules.add_subparsers(dest="trial", required=True, metavar="COMMAND")
    test = trials.add_parser("test", help="run cases: exit code 0, 1 if one fails, 2 if they cannot be run")
    test.add_argument("files", nargs="+", type=Path, metavar="FILE")
    why = trials.add_parser("explain", help="tell which rule matches a webhook, and why the others do not")
    why.add_argument(
        "--event", required=True, type=Path, metavar="FILE", help="the webhook's body, or a recording of it"
    )
    for command in (test, why):
        command.add_argument("--project", help="whose rules; default: the first project's")
    sent.add_argument("--project", help="whose keys sign it, each once; default: the first project's")
    _add_tapes(commands.add_parser("replay", help="replay recordings, or ask what other rules would have decided"))
    for command in (serve, check, test, why, examined, sent):
        command.add_argument(
            "--config", type=Path, help="the file; default: $DISPATCHER_CONFIG, or ./dispatcher.yaml if there"
        )
    return parser


def _add_record(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--record", type=Path, metavar="DIR", help="record each drive there, 64 MiB at most, for `replay`"
    )
    serve.add_argument(
        "--record-plain", action="store_true", help="with --record: in plain text what recordings hide otherwise"
    )


def _add_tapes(replay: argparse.ArgumentParser) -> None:
    replay.description = "Exit code 0: nothing differs; 1: something does; 2: nothing could be replayed."
    replay.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="what `serve --record` made, of each replica"
    )
    replay.add_argument(
        "--config", type=Path, metavar="FILE", help="a file whose rules would have decided: room by room"
    )


def _release(text: str) -> tuple[int, int]:
    """A version's first two numbers."""
    major, minor, *_ = text.removeprefix("v").split(".")
    return int(major), int(minor)


def _explain(arguments: argparse.Namespace) -> int:
    try:
        token = _token()
    except OSError as error:
        sys.stderr.write(f"environment: DISPATCHER_API_TOKEN_FILE: {error.strerror}\n")
        return WRONG_CONFIG
    return asyncio.run(client.explain(arguments.url, token, arguments.room, sys.stdout.write))


def _token() -> str:
    """The API's token, from where the service has it."""
    file = os.environ.get("DISPATCHER_API_TOKEN_FILE")
    return Path(file).read_text().strip() if file else os.environ.get("DISPATCHER_API_TOKEN", "")


def _rules(arguments: argparse.Namespace) -> int:
    config = load_offline(arguments.config, os.environ)
    rules = config.rules_of(offline.project_of(config, arguments.project))
    if arguments.trial == "test":
        failed, report = offline.rehearse(rules, arguments.files)
    else:
        failed, report = 0, list(offline.explain(rules, arguments.event))
    sys.stdout.write("\n".join(report) + "\n")
    return 1 if failed else 0


def _replay(arguments: argparse.Namespace) -> int:
    if arguments.config is None:
        return offline.replay(arguments.folders, sys.stdout.write)
    config = load_offline(arguments.config, os.environ)
    return offline.compare(arguments.folders, config, sys.stdout.write)


_OFFLINE: Final = {"rules": _rules, "replay": _replay}


def _send_test(config: Config, arguments: argparse.Namespace) -> int:
    project = offline.project_of(config, arguments.project)
    body = offline.read_body(arguments.event) if arguments.event else None
    signed = partial(sign, now=time.time_ns() // 1_000_000, iat=arguments.like >= SIGNS_IAT)
    return asyncio.run(client.send_test(arguments.url, project.keys, body, signed, sys.stdout.write))


def _check(config: Config, arguments: argparse.Namespace) -> int:
    if arguments.print:
        sys.stdout.write(show(arguments.config, os.environ))
        return 0
    projects = ", ".join(project.name for project in config.projects)
    rules = ", ".join(dict.fromkeys(rule.name for rule in config.rules_in_force))
    sys.stdout.write(f"{config.file or 'environment'}: right. Projects: {projects}. Rules: {rules}.\n")
    if config.redis_url:
        sys.stdout.write(f"Ledger: Redis, as instance {config.instance}; of a dry run: in memory, its own.\n")
    return 0


def _recording(arguments: argparse.Namespace) -> RecordTo | None:
    """Where drives are recorded, ready to be written. Raises Unusable."""
    folder: Path | None = arguments.record
    if folder is None:
        if arguments.record_plain:
            raise offline.Unusable("--record-plain says how to record, and --record DIR where: write both")
        return None
    files = Files(folder)
    try:
        files.open()
    except OSError as error:
        raise offline.Unusable(f"--record {folder}: {error.strerror}") from None
    return RecordTo(files=files, plain=arguments.record_plain)


def _serve(config: Config, source: Source, arguments: argparse.Namespace) -> int:
    try:
        record = _recording(arguments)
    except offline.Unusable as unusable:
        sys.stderr.write(f"{unusable}\n")
        return WRONG_CONFIG
    stdout = sys.stdout  # None where the process was started without one: its number may be a socket's by now
    style: Style = arguments.log or ("text" if stdout and stdout.isatty() else "json")
    config = replace(config, take_over=arguments.take_over)
    with Output(stdout.fileno() if stdout else NOWHERE, time.time, style=style) as output:
        logging.getLogger().addHandler(bridge(output.log))
        try:
            asyncio.run(_until_stopped(config, source, output, record, dry_run=arguments.dry_run))
        except OSError as error:
            output.log.error("address.refused", host=config.host, port=config.port, why=error.strerror or "")
            return 1
    return 0


async def _until_stopped(
    config: Config, source: Source, output: Output, record: RecordTo | None, *, dry_run: bool
) -> None:
    log, about = output.log, version("livekit-dispatcher")
    with stopping(partial(_end_now, output)) as stopped:
        async with running(config, log, version=about, dry_run=dry_run, source=source, record=record) as service:
            on_hangup(service.reload)
            log.info(
                "service.started",
                url=f"{service.url}/webhook",
                projects=[project.name for project in config.projects],
                rules=len({rule.name for rule in config.rules_in_force}),
                instance=config.instance,
                ledger="redis" if config.redis_url and not dry_run else "memory",
                dry_run=dry_run,
            )
            if config.redis_url and dry_run:
                log.warning(
                    "redis.unused", why="a dry run has a ledger of its own, in memory: no other process uses it"
                )
            await stopped.wait()
            log.info("service.stopping")
    log.info("service.stopped")


def _end_now(output: Output, number: signal.Signals) -> None:
    """The process ends here, as one that the signal has killed: with 128 and its number."""
    output.log.warning("service.killed", signal=number.name)
    output.close()
    os._exit(128 + number)
