"""`dispatcher explain`: asks the running service what happened in a room."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from dispatcher.cli.client import Reply, ask_service, failure, says, take_service, take_watch, token
from dispatcher.cli.options import SERVICE
from dispatcher.cli.screen import plain
from dispatcher.client import Answer, Dispatcher, RequestFailed

NAME: Final = "explain"
HELP: Final = "ask the running service what happened in a room, and why no agent came"
EXAMPLE: Final = "dispatcher explain lobby"
READS: Final = SERVICE

Write: TypeAlias = Callable[[str], object]


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
    page: str | None = None


class _Refused(Struct, frozen=True):
    error: str
    troubles: Sequence[_Trouble] = ()
    diagnosis: Sequence[str] = ()  # of a room that is not known
    people: Sequence[_Person] = ()


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("room", metavar="ROOM", help="the room's name")
    take_watch(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what happened; exit code 1 where the service cannot say."""
    return ask_service(arguments, lambda dispatcher: _asked(dispatcher, arguments.room, _story), room=arguments.room)


def explain_live(url: str, room: str) -> int:
    """Print what each rule says of everybody in a live room; exit code 1 where the service cannot say."""
    return asyncio.run(explain_rules(url, token(), room, sys.stdout.write))


async def explain(url: str, given: str, room: str, write: Write) -> int:
    """Write why no agent came into the room, its newest session first; exit code 0, or 1 with the reason why not."""
    async with Dispatcher(url, given) as dispatcher:
        return _written(await _asked(dispatcher, room, _story), write)


async def explain_rules(url: str, given: str, room: str, write: Write) -> int:
    """Write what each rule says of everybody who is in the room now; exit code 0, or 1 with the reason why not."""
    async with Dispatcher(url, given) as dispatcher:
        return _written(await _asked(dispatcher, room, _rules, rules="1"), write)


def _written(reply: Reply, write: Write) -> int:
    write(plain(reply.lines))
    return reply.code


async def _asked(dispatcher: Dispatcher, room: str, tell: Callable[[_Session], list[str]], *, rules: str = "") -> Reply:
    """What the service says, or why it says nothing."""
    try:
        return await _answered(dispatcher, room, tell, rules)
    except RequestFailed as failed:
        return Reply([says(failed)], failure(failed), 1)


async def _answered(dispatcher: Dispatcher, room: str, tell: Callable[[_Session], list[str]], rules: str) -> Reply:
    try:
        answer = await dispatcher.get("/v1/room", {"room": room, "rules": rules})
    except RequestFailed as failed:
        if failed.answer is None:
            raise
        return _refused(room, failed, failed.answer)
    told = answer.read(_Room)
    lines = [line for session in told.sessions for line in tell(session)]
    seen = [f"The page: {dispatcher.url}{told.page}"] if told.page and tell is _story else []
    return Reply([*(one.sentence for one in told.troubles), *lines, *seen], msgspec.json.decode(answer.body))


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


def _refused(room: str, failed: RequestFailed, answer: Answer) -> Reply:
    refusal = answer.read(_Refused)
    troubles = [one.sentence for one in refusal.troubles]
    told = [f"{room}: {line}" for line in refusal.diagnosis or [says(failed)]]
    return Reply([*troubles, *told, *_judged(refusal.people)], msgspec.json.decode(answer.body), 1)
