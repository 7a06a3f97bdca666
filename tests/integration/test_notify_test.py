"""`dispatcher notify-test`: whether each receiver of notices takes a test, tried without a LiveKit."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from dispatcher.cli.main import main
from tests.integration.hooks import Hooks, hooks, is_signed
from tests.real.server import free_port
from tests.unit.notices.tell import SECRET

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "notices.md").read_text()
ROUTING_KEY = "a-routing-key-of-the-tests"
ENVIRONMENT = {
    "LIVEKIT_URL": "ws://127.0.0.1:9",
    "LIVEKIT_KEYS": "APIkey: a-secret-that-is-long-enough-to-sign",
    "DISPATCHER_AGENT": "greeter",
}


async def _says_ok(_request: web.Request) -> web.StreamResponse:
    """As Slack does."""
    return web.Response(text="ok")


async def _accepts(_request: web.Request) -> web.StreamResponse:
    """As PagerDuty does."""
    return web.json_response({"status": "success"}, status=202)


async def _knows_no_such_key(_request: web.Request) -> web.StreamResponse:
    """As PagerDuty does of a routing key that is none."""
    return web.json_response({"status": "invalid event"}, status=400)


async def _has_nothing_to_say(_request: web.Request) -> web.StreamResponse:
    """As backends like to."""
    return web.Response(status=204)


@dataclass
class Receivers:
    """Those of the document's example, on this machine."""

    slack: Hooks
    on_call: Hooks
    backend: Hooks


@pytest.fixture
async def receivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Receivers]:
    """The document's example is ./dispatcher.yaml, with the addresses of receivers that run here."""
    async with AsyncExitStack() as stack:
        behaviours = (_says_ok, _accepts, _has_nothing_to_say)
        here = Receivers(*[await stack.enter_async_context(hooks(one)) for one in behaviours])
        key = tmp_path / "notices-key"
        key.write_text(SECRET)
        environment = {"SLACK_URL": here.slack.url, "PAGERDUTY_KEY": ROUTING_KEY}
        for name, value in (ENVIRONMENT | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        example = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
        assert example
        text = example[1].replace("- {", "- {allow_private: true, ")
        text = text.replace("format: pagerduty,", f"format: pagerduty, url: '{here.on_call.url}',")
        text = text.replace("https://api.example.com/hooks/dispatcher", here.backend.url)
        (tmp_path / "dispatcher.yaml").write_text(text.replace("/run/secrets/notices", str(key)))
        yield here


async def tested(*arguments: str) -> int:
    """What the command ends with."""
    return await asyncio.to_thread(main, ["notify-test", *arguments])


async def test_each_receiver_reads_a_test_in_its_own_form(
    receivers: Receivers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 when all have taken it; neither keys nor URLs are printed."""
    assert await tested() == 0

    assert capsys.readouterr().out.splitlines() == [
        "slack (slack): taken (200)",
        "on-call (pagerduty): taken (202)",
        "backend (standard): taken (204)",
    ]
    [(headers, body)] = receivers.backend.came
    assert is_signed(headers, body)
    standard = json.loads(body)
    assert (standard["type"], standard["data"]["effect"]) == ("test", "tells")
    [(_, body)] = receivers.slack.came
    slack = json.loads(body)
    assert slack["text"] == "A test of this receiver: notices arrive"
    assert slack["blocks"][0]["text"]["type"] == "mrkdwn"
    assert "nothing has happened" in slack["blocks"][0]["text"]["text"]
    [(_, body)] = receivers.on_call.came
    pagerduty = json.loads(body)
    assert (pagerduty["routing_key"], pagerduty["event_action"]) == (ROUTING_KEY, "trigger")
    assert (pagerduty["payload"]["class"], pagerduty["payload"]["severity"]) == ("test", "info")
    assert pagerduty["payload"]["source"] == "https://dispatcher.example.com"


async def test_the_document_shows_what_it_prints(receivers: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    """One receiver refuses: exit code 1, and what to look at."""
    receivers.on_call.behaviour = _knows_no_such_key
    transcript = re.search(r"\$ dispatcher notify-test\n(.*?)\$ echo \$\?\n(\d)\n", DOCUMENT, re.DOTALL)
    assert transcript

    code = await tested()

    assert (capsys.readouterr().out, str(code)) == transcript.groups()


async def test_those_named_are_tested_alone(receivers: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    """Once each, in the file's order; one that refuses and is not named does not count."""
    receivers.on_call.behaviour = _knows_no_such_key

    assert await tested("backend", "slack", "backend") == 0

    assert capsys.readouterr().out == "slack (slack): taken (200)\nbackend (standard): taken (204)\n"
    assert [len(one.came) for one in (receivers.slack, receivers.on_call, receivers.backend)] == [1, 0, 1]


async def test_a_name_that_is_none_tests_nobody(receivers: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and which name was meant."""
    assert await tested("slack", "on-cal") == 2

    assert capsys.readouterr().err == "no receiver is called on-cal; did you mean 'on-call'?\n"
    assert receivers.slack.came == []


async def test_who_cannot_be_reached_is_told_why(
    receivers: Receivers, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A private address, nobody, no address, no TLS: each with what to do about it."""
    taken, key = receivers.backend.url, f"secret: {SECRET}"
    (tmp_path / "dispatcher.yaml").write_text(f"""\
notices:
  - {{name: private, url: '{taken.replace("http:", "https:")}', {key}}}
  - {{name: nobody, url: 'http://127.0.0.1:{free_port()}/', {key}, allow_private: true}}
  - {{name: nameless, url: 'https://nowhere.invalid/', {key}}}
  - {{name: plain, url: '{taken.replace("http:", "https:")}', {key}, allow_private: true}}
""")

    assert await tested() == 1

    allow = "its address is not on the public internet: `allow_private: true` allows that"
    assert capsys.readouterr().out.splitlines() == [
        f"private (standard): private_address: {allow}",
        "nobody (standard): unreachable: nobody answers there: is the URL right, and the way open?",
        "nameless (standard): unresolved: its name has no address: is the URL right?",
        "plain (standard): broken: the connection ended before there was an answer: is `https://` right, or `http://`?",
    ]
    assert receivers.backend.came == []


async def test_without_receivers_it_says_where_to_write_them(
    receivers: Receivers, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 2."""
    (tmp_path / "dispatcher.yaml").write_text("public_url: https://dispatcher.example.com\n")

    assert await tested() == 2

    said = "the configuration has no receivers: write them under `notices` (docs/notices.md)\n"
    assert capsys.readouterr().err == said
    assert receivers.slack.came == []
