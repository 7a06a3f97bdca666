"""`dispatcher explain`: asks the running service what happened in a room."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote

from msgspec import Meta, Struct

from dispatcher.cli.client import Answer, NotTheService, asked
from dispatcher.cli.options import LISTENS, WRONG_CONFIG, take_url
from dispatcher.core.text import visible

NAME: Final = "explain"
HELP: Final = "ask the running service what happened in a room, and why no agent came"
EXAMPLE: Final = "dispatcher explain lobby"
READS: Final = ("DISPATCHER_API_TOKEN", *LISTENS, "DISPATCHER_ADMIN_PORT")

Write: TypeAlias = Callable[[str], object]

_SAYS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "the token was refused: set DISPATCHER_API_TOKEN to the service's",
    HTTPStatus.SERVICE_UNAVAILABLE: "its ledger cannot be asked now",
}


class _Trouble(Struct, frozen=True):
    sentence: str


class _Person(Struct, frozen=True):
    rules: Sequence[str]
    identity: str | None = None
    kind: str | None = None


class _Session(Struct, frozen=True):
    room: str
    sid: str
    project: str
    narrative: Sequence[str]
    diagnosis: Sequence[str]
    people: Sequence[_Person] | None = None


class _Room(Struct, frozen=True):
    sessions: Annotated[Sequence[_Session], Meta(min_length=1)]
    troubles: Sequence[_Trouble] = ()


class _Refused(Struct, frozen=True):
    error: str
    troubles: Sequence[_Trouble] = ()
    diagnosis: Sequence[str] = ()  # of a room that is not known
    people: Sequence[_Person] = ()


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("room", metavar="ROOM", help="the room's name")
    take_url(parser, admin=True)


def run(arguments: argparse.Namespace) -> int:
    """Print what happened; exit code 1 where the service cannot say."""
    return _run(explain, arguments.url, arguments.room)


def explain_live(url: str, room: str) -> int:
    """Print what each rule says of everybody in a live room; exit code 1 where the service cannot say."""
    return _run(explain_rules, url, room)


def _run(command: Callable[[str, str, str, Write], Awaitable[int]], url: str, room: str) -> int:
    try:
        token = _token()
    except OSError as error:
        sys.stderr.write(f"environment: DISPATCHER_API_TOKEN_FILE: {error.strerror}\n")
        return WRONG_CONFIG
    return asyncio.run(_awaited(command(url, token, room, sys.stdout.write)))


async def _awaited(code: Awaitable[int]) -> int:
    return await code


def _token() -> str:
    """The API's token, from the variables that the service reads."""
    file = os.environ.get("DISPATCHER_API_TOKEN_FILE")
    return Path(file).read_text().strip() if file else os.environ.get("DISPATCHER_API_TOKEN", "")


async def explain(url: str, token: str, room: str, write: Write) -> int:
    """Write why no agent came into the room, its newest session first; exit code 0, or 1 with the reason why not."""
    return await _write_told(url, token, room, write, _story)


async def explain_rules(url: str, token: str, room: str, write: Write) -> int:
    """Write what each rule says of everybody who is in the room now; exit code 0, or 1 with the reason why not."""
    return await _write_told(url, token, room, write, _rules, query="&rules=1")


async def _write_told(
    url: str, token: str, room: str, write: Write, tell: Callable[[_Session], list[str]], *, query: str = ""
) -> int:
    address = f"{url.rstrip('/')}/v1/rooms?room={quote(room, safe='', errors='replace')}{query}"
    try:
        answer = await asked("GET", address, f"Bearer {token}")
        if answer.status == HTTPStatus.OK:
            told = answer.read(_Room)
            lines = [line for session in told.sessions for line in tell(session)]
            lines, code = [one.sentence for one in told.troubles] + lines, 0
        else:
            lines, code = _refused(room, answer), 1
    except NotTheService as error:
        lines, code = [str(error)], 1
    write("".join(f"{visible(line)}\n" for line in lines))
    return code


def _story(session: _Session) -> list[str]:
    """How the session stands, what the rules say where that explains it, and what has happened."""
    title = f"{session.room} ({session.sid}, project {session.project})"
    return [*session.diagnosis, *_judged(session.people), title, *(f"  {line}" for line in session.narrative)]


def _rules(session: _Session) -> list[str]:
    """What the rules say; of a session that is over they say nothing."""
    title = f"{session.room} ({session.sid}, project {session.project})"
    if session.people is None:
        return [title, *(f"  {line}" for line in session.diagnosis)]
    return [title, *_judged(session.people)]


def _judged(people: Sequence[_Person] | None) -> Iterator[str]:
    for one in people or ():
        yield f"  {one.identity}, {one.kind}:" if one.identity else "  the room itself:"
        yield from (f"    {line}" for line in one.rules)


def _refused(room: str, answer: Answer) -> list[str]:
    refusal = answer.read(_Refused)
    troubles = [one.sentence for one in refusal.troubles]
    told = [f"{room}: {line}" for line in refusal.diagnosis or [_refusal(answer.status, refusal.error)]]
    return [*troubles, *told, *_judged(refusal.people)]


def _refusal(status: int, error: str) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "the service has its API off: start it with DISPATCHER_API_TOKEN"
    return _SAYS.get(status, error)
