"""`dispatcher notify-test`: sends each receiver of notices a test, to see whether it arrives and is taken."""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.cli.options import LIVEKIT, RULES, WRONG_CONFIG, take_config
from dispatcher.config import Config, Receiver, Source
from dispatcher.config.problems import did_you_mean
from dispatcher.core.facts import Ms
from dispatcher.core.notices import Happening, Message, NoticeKind
from dispatcher.core.text import visible
from dispatcher.notices.bodies import Teller, request
from dispatcher.notices.post import NotDelivered, Post, posting

NAME: Final = "notify-test"
HELP: Final = "send each receiver of notices a test: exit code 0 or 1"
EXAMPLE: Final = "dispatcher notify-test on-call"
READS: Final = (*LIVEKIT, *RULES)

_HINTS: Final = {
    NotDelivered.PRIVATE: "its address is not on the public internet: `allow_private: true` allows that",
    NotDelivered.UNRESOLVED: "its name has no address: is the URL right?",
    NotDelivered.UNREACHABLE: "nobody answers there: is the URL right, and the way open?",
    NotDelivered.UNTRUSTED: "its certificate is not trusted: SSL_CERT_FILE names a file of others to trust",
    NotDelivered.TIMEOUT: "it did not answer within 10 s",
    NotDelivered.BROKEN: "the connection ended before there was an answer: is `https://` right, or `http://`?",
    NotDelivered.REDIRECTED: "it redirects, which is not followed: write the URL that it leads to",
    NotDelivered.REFUSED: "it refuses the message: are URL, secret and format right?",
    NotDelivered.FAILED: "it answers with an error of its own",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("receivers", nargs="*", metavar="RECEIVER", help="names; default: every receiver")
    take_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send a test to each; exit code 0: all have taken it."""
    config = Source(arguments.config, os.environ).read()
    names = [one.name for one in config.receivers]
    for name in arguments.receivers:
        if name not in names:
            sys.stderr.write(f"no receiver is called {visible(name)}{did_you_mean(name, names)}\n")
            return WRONG_CONFIG
    if not names:
        sys.stderr.write("the configuration has no receivers: write them under `notices` (docs/notices.md)\n")
        return WRONG_CONFIG
    chosen = [one for one in config.receivers if one.name in arguments.receivers or not arguments.receivers]
    return asyncio.run(_test(config, chosen, time.time_ns() // 1_000_000, sys.stdout.write))


async def _test(config: Config, receivers: Sequence[Receiver], now: Ms, write: Callable[[str], object]) -> int:
    us = Teller(instance=config.instance, public_url=config.public_url)
    async with posting() as post:
        taken = [await _send(post, receiver, us, now, write) for receiver in receivers]
    return 0 if all(taken) else 1


async def _send(post: Post, receiver: Receiver, us: Teller, now: Ms, write: Callable[[str], object]) -> bool:
    receipt = await post(receiver, request(_message(now), receiver, us, now))
    hint = f": {_HINTS[receipt.why]}" if receipt.why else ""
    write(f"{receiver.name} ({receiver.format}): {receipt}{hint}\n")
    return receipt.why is None


def _message(now: Ms) -> Message:
    told = Happening(kind=NoticeKind.TEST, at=now, text="`dispatcher notify-test` has sent this; nothing has happened.")
    return Message(
        id=f"msg_{secrets.token_hex(15)}",
        thread="test",
        kind=NoticeKind.TEST,
        project="",
        agent="",
        total=1,
        open=0,
        since=now,
        made_at=now,
        samples=(told,),
    )
