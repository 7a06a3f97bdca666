"""`dispatcher explain`: asks the running service what happened in a room."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

from msgspec import Meta, Struct

from dispatcher.cli.client import Answer, NotTheService, asked
from dispatcher.cli.options import WRONG_CONFIG, take_url
from dispatcher.core.text import visible

NAME: Final = "explain"
HELP: Final = "ask the running service what happened in a room, and why no agent came"
EXAMPLE: Final = "dispatcher explain lobby"
READS: Final = ("DISPATCHER_API_TOKEN", "DISPATCHER_PORT")

_SAYS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "the token was refused: set DISPATCHER_API_TOKEN to the service's",
    HTTPStatus.SERVICE_UNAVAILABLE: "its ledger cannot be asked now",
}


class _Trouble(Struct, frozen=True):
    sentence: str


class _Session(Struct, frozen=True):
    room: str
    sid: str
    project: str
    narrative: Sequence[str]
    diagnosis: Sequence[str]


class _Room(Struct, frozen=True):
    sessions: Annotated[Sequence[_Session], Meta(min_length=1)]
    troubles: Sequence[_Trouble] = ()


class _Refused(Struct, frozen=True):
    error: str
    troubles: Sequence[_Trouble] = ()


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("room", metavar="ROOM", help="the room's name")
    take_url(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what happened; exit code 1 where the service cannot say."""
    try:
        token = _token()
    except OSError as error:
        sys.stderr.write(f"environment: DISPATCHER_API_TOKEN_FILE: {error.strerror}\n")
        return WRONG_CONFIG
    return asyncio.run(explain(arguments.url, token, arguments.room, sys.stdout.write))


def _token() -> str:
    """The API's token, from the variables that the service reads."""
    file = os.environ.get("DISPATCHER_API_TOKEN_FILE")
    return Path(file).read_text().strip() if file else os.environ.get("DISPATCHER_API_TOKEN", "")


async def explain(url: str, token: str, room: str, write: Callable[[str], object]) -> int:
    """Write why no agent came into the room, its newest session first; exit code 0, or 1 with the reason why not."""
    address = f"{url.rstrip('/')}/v1/rooms/{quote(room, safe='', errors='replace')}"
    try:
        answer = await asked("GET", address, f"Bearer {token}")
        lines, code = _told(answer) if answer.status == HTTPStatus.OK else _refused(room, answer)
    except NotTheService as error:
        lines, code = [str(error)], 1
    write("".join(f"{visible(line)}\n" for line in lines))
    return code


def _told(answer: Answer) -> tuple[list[str], int]:
    """The service's own trouble, then each session: how it stands, and what has happened."""
    told = answer.read(_Room)
    lines = [one.sentence for one in told.troubles]
    for session in told.sessions:
        lines += session.diagnosis
        lines += [f"{session.room} ({session.sid}, project {session.project})"]
        lines += [f"  {line}" for line in session.narrative]
    return lines, 0


def _refused(room: str, answer: Answer) -> tuple[list[str], int]:
    refusal = answer.read(_Refused)
    why = _refusal(answer.status, refusal.error)
    return [*(one.sentence for one in refusal.troubles), f"{room}: {why}"], 1


def _refusal(status: int, error: str) -> str:
    if error == "unknown_room":
        return "no room of that name has been heard of in the last hour; do its webhooks arrive?"
    if status == HTTPStatus.NOT_FOUND:
        return "the service has its API off: start it with DISPATCHER_API_TOKEN"
    return _SAYS.get(status, error)
