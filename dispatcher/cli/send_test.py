"""`dispatcher send-test`: sends a signed webhook to the running service, to see whether it arrives and is verified."""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from dispatcher import offline
from dispatcher.cli.client import asked
from dispatcher.cli.options import (
    LISTENS,
    LIVEKIT,
    RULES,
    WEBHOOK,
    base,
    source_of,
    take_connection,
    take_project,
    take_url,
)
from dispatcher.client import Answer, RequestFailed
from dispatcher.config import Secret
from dispatcher.core.text import visible
from dispatcher.livekit.webhook import BadWebhook, Rejected, sign

NAME: Final = "send-test"
HELP: Final = "send a signed webhook to the running service: exit code 0 or 1"
EXAMPLE: Final = "dispatcher send-test --url https://hooks.example.com"
READS: Final = (*LIVEKIT, *RULES, *LISTENS)

TEST: Final = "send_test"  # an event's name that LiveKit does not have
SIGNS_IAT: Final = (1, 13)  # livekit-server before it signed without `iat`

Sign: TypeAlias = Callable[..., str]


class _Taken(Struct, frozen=True):
    result: str


class _Refused(Struct, frozen=True):
    error: str


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--event", type=Path, metavar="FILE", help="the webhook's body; default: one without effect")
    like = "sign as this version of livekit-server does, such as 1.12; default: 1.13"
    parser.add_argument("--like", type=_release, default=SIGNS_IAT, metavar="VERSION", help=like)
    take_url(parser)
    take_project(parser, "the project whose keys sign it, once each")
    take_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send the webhook once for each key of the project."""
    config = source_of(arguments).read()
    project = offline.project_of(config, arguments.project)
    body = offline.read_body(arguments.event) if arguments.event else None
    signed = partial(sign, now=time.time_ns() // 1_000_000, iat=arguments.like >= SIGNS_IAT)
    return asyncio.run(send_test(arguments.url, project.keys, body, signed, sys.stdout.write))


def _release(text: str) -> tuple[int, int]:
    """A version's first two numbers."""
    major, minor, *_ = text.removeprefix("v").split(".")
    return int(major), int(minor)


async def send_test(
    url: str, keys: Mapping[str, Secret], body: bytes | None, sign: Sign, write: Callable[[str], object]
) -> int:
    """Send the body once for each key, signed with it, and write each answer; exit code 0: the service took all.

    Without a body it is an event that every service takes and none acts on.
    """
    address, all_taken = f"{base(url)}{WEBHOOK}", True
    for key, secret in keys.items():
        taken, says = await deliver(address, key, secret.get_secret_value(), body, sign)
        write(visible(says) + "\n")
        all_taken = all_taken and taken
    return 0 if all_taken else 1


async def deliver(address: str, key: str, secret: str, body: bytes | None, sign: Sign) -> tuple[bool, str]:
    """Send one webhook: whether the service has taken it, and what it answers, in a line."""
    sent = body or msgspec.json.encode({"event": TEST, "id": f"EV_{secrets.token_hex(8)}"})
    try:
        answer = await asked("POST", address, sign(sent, key=key, secret=secret), sent)
        outcome = _outcome(answer)
    except BadWebhook as bad:
        return False, f"{key}: {bad}"
    except RequestFailed as error:
        return False, str(error)
    return answer.status == HTTPStatus.OK, f"{address}: {answer.status} {outcome}, signed with {key}"


def _outcome(answer: Answer) -> str:
    """The service's answer; of a refusal, also the likely reason."""
    if answer.status == HTTPStatus.OK:
        return answer.read(_Taken).result
    refusal = answer.read(_Refused).error
    return refusal + next((f" ({reason.hint})" for reason in Rejected if reason == refusal), "")
