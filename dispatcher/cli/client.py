"""Where the running service is, which token it takes, and how it is asked: for every command that asks it."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from aiohttp import ClientSession
from msgspec import Struct

from dispatcher.cli.options import take_url
from dispatcher.cli.screen import Line, watch, write
from dispatcher.cli.wakes import USUAL, Wakes
from dispatcher.client import Answer, Dispatcher, RequestFailed
from dispatcher.client.transport import ask
from dispatcher.offline import Unusable

PAUSES: Final = USUAL  # between views

_SAYS: Final[Mapping[str, str]] = {  # for whoever types; the API's own words are for whoever programs
    "unauthorized": "the token was refused: set DISPATCHER_API_TOKEN to the service's",
    "not_found": "the service has its API off: start it with DISPATCHER_API_TOKEN",
    "ledger_unavailable": "its ledger cannot be asked now",
}


class Reply(Struct, frozen=True):
    """What a command shows of the service's answer: lines, or with `--json` one object."""

    lines: Sequence[Line]
    json: object
    code: int = 0
    aside: str = ""  # said on standard error, so that the lines stay what they are


Asking: TypeAlias = Callable[[Dispatcher], Awaitable[Reply]]


def take_service(parser: argparse.ArgumentParser) -> None:
    """Add `--url`, of the service's API, and `--json`."""
    take_url(parser, admin=True)
    parser.add_argument("--json", action="store_true", help="print the answer, or why there is none, as JSON")


def take_watch(parser: argparse.ArgumentParser) -> None:
    """Add `--watch`."""
    parser.add_argument("--watch", action="store_true", help="show it anew as it changes, until Ctrl-C")


def token() -> str:
    """The API's token, from the variables that the service reads. Raises Unusable."""
    file = os.environ.get("DISPATCHER_API_TOKEN_FILE")
    try:
        return Path(file).read_text().strip() if file else os.environ.get("DISPATCHER_API_TOKEN", "")
    except OSError as error:
        raise Unusable(f"environment: DISPATCHER_API_TOKEN_FILE: {error.strerror}") from None


def says(failed: RequestFailed) -> str:
    """Why the service did not do it, as whoever typed the command can use it."""
    return _SAYS.get(failed.error, failed.detail)


def ask_service(arguments: argparse.Namespace, asking: Asking, *, room: str = "", project: str = "") -> int:
    """Ask the service and write its reply; with `--watch` again and again, until Ctrl-C. Raises Unusable.

    It is asked again when it tells of something that has changed: of this room and project, or of any.
    """
    given = token()
    if not vars(arguments).get("watch"):
        return asyncio.run(_once(arguments, given, asking))
    with suppress(KeyboardInterrupt):
        asyncio.run(_again_and_again(arguments, given, asking, room, project))
    return 0


async def _once(arguments: argparse.Namespace, given: str, asking: Asking) -> int:
    async with Dispatcher(arguments.url, given) as dispatcher:
        try:
            reply, out = await asking(dispatcher), sys.stdout
        except RequestFailed as failed:
            reply, out = _refused(failed), sys.stdout if arguments.json else sys.stderr
    write(_lines(reply, as_json=arguments.json), out)
    sys.stderr.write(reply.aside and f"{reply.aside}\n")
    return reply.code


async def _again_and_again(arguments: argparse.Namespace, given: str, asking: Asking, room: str, project: str) -> None:
    async with Dispatcher(arguments.url, given) as dispatcher:

        async def show() -> Sequence[Line]:
            try:
                reply = await asking(dispatcher)
            except RequestFailed as failed:  # it may be back when it is asked again
                reply = _refused(failed)
            return _lines(reply, as_json=arguments.json)

        wakes = Wakes(partial(dispatcher.listen, room=room, project=project), PAUSES)
        listening = asyncio.create_task(wakes.run())
        try:
            await watch(show, sys.stdout, wakes.pause)
        finally:
            listening.cancel()
            await asyncio.wait([listening])


def failure(failed: RequestFailed) -> Mapping[str, object]:
    """Why the service did not do it, as `--json` has it: the names of docs/http.md."""
    return {"status": failed.status, "error": failed.error, "detail": failed.detail, "field": failed.field}


class _Trouble(Struct, frozen=True):
    sentence: str


class _Problem(Struct, frozen=True):
    troubles: Sequence[_Trouble] = ()


def _refused(failed: RequestFailed) -> Reply:
    """What is wrong with the service itself, where it says so; and why it did not do it."""
    troubles = failed.answer.read(_Problem).troubles if failed.answer else ()
    return Reply([*(one.sentence for one in troubles), says(failed)], failure(failed), 1)


def _lines(reply: Reply, *, as_json: bool) -> Sequence[Line]:
    return [json.dumps(msgspec.to_builtins(reply.json))] if as_json else reply.lines


async def asked(method: str, address: str, authorization: str, body: bytes | None = None) -> Answer:
    """One request to an address of the service's that is not its API. Raises RequestFailed: no answer, or no end."""
    async with ClientSession() as http:
        return await ask(http, method, address, {"Authorization": authorization}, body)
