"""Whatever answers in the place of the service, or of LiveKit, ends in a sentence that says what it was."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import pytest
from aiohttp import web

from dispatcher.cli.client import says
from dispatcher.cli.doctor import examine
from dispatcher.cli.explain import explain
from dispatcher.cli.send_test import send_test
from dispatcher.client import Dispatcher, RequestFailed
from dispatcher.config import Secret
from dispatcher.livekit.webhook import sign
from dispatcher.testing import DEV_KEYS
from tests.attack.odd import ELSEWHERE, ODD, Odd, answering
from tests.integration.house import config, rule

Write: TypeAlias = Callable[[str], object]
KEYS = {key: Secret(secret) for key, secret in DEV_KEYS.items()}


def explained(url: str, write: Write) -> Awaitable[int]:
    """`dispatcher explain lobby`."""
    return explain(url, "an-operators-token", "lobby", write)


def sent(url: str, write: Write) -> Awaitable[int]:
    """`dispatcher send-test`."""
    return send_test(url, KEYS, None, lambda body, key, secret: sign(body, key=key, secret=secret, now=0), write)


async def listed(url: str, write: Write) -> int:
    """`dispatcher rooms`, as far as its one request goes."""
    async with Dispatcher(url, "an-operators-token") as dispatcher:
        try:
            return len(await dispatcher.rooms())
        except RequestFailed as failed:
            write(f"{says(failed)}\n")
    return 1


def examined(url: str, write: Write) -> Awaitable[int]:
    """`dispatcher doctor`, as far as LiveKit goes."""

    def only_livekit(line: str) -> None:
        if "livekit" in line and ": clock " not in line:
            write(line)

    return examine(config(url, rule("greeter")), only_livekit)


COMMANDS: Mapping[str, Callable[[str, Write], Awaitable[int]]] = {
    "explain": explained,
    "rooms": listed,
    "send-test": sent,
    "doctor": examined,
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_an_odd_answer_ends_in_a_sentence(odd: Odd, command: Callable[[str, Write], Awaitable[int]]) -> None:
    """Exit code 1, and one line of plain words that names the address; nothing of what a stranger wrote is in it."""
    told: list[str] = []
    requests: list[web.Request] = []
    async with answering(odd, requests.append) as url:
        assert await command(url, told.append) == 1
    [line] = told
    assert url in line or line.startswith("lobby: ")
    assert line.endswith("\n")
    assert re.fullmatch(r"[ -~]{30,300}\n", line), line
    assert not re.search("html|s3cret|cloudflare|None", line)
    assert len({request.path for request in requests}) == 1, "a redirect was followed"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("odd", ["301", "308"])
async def test_a_redirect_is_told_with_where_it_leads(
    odd: str, command: Callable[[str, Write], Awaitable[int]]
) -> None:
    """So that whoever reads it knows which address to give."""
    told: list[str] = []
    async with answering(ODD[odd]) as url:
        await command(url, told.append)
    assert f"to {ELSEWHERE}" in told[0]
