"""docs/my-agent-does-not-come.md shows what commands answer today; for sessions see tests/unit/test_explain_docs.py."""

import asyncio
import re
from pathlib import Path

import pytest

from dispatcher.cli.explain import explain
from dispatcher.cli.main import main
from dispatcher.config import load_offline
from dispatcher.testing import DEV_KEYS
from tests.integration.house import TOKEN, house

PAGE = (Path(__file__).parents[2] / "docs" / "my-agent-does-not-come.md").read_text()
SERVICE, LIVEKIT, KEY = "http://127.0.0.1:8080", "wss://livekit.example", next(iter(DEV_KEYS))
OTHER = "another-secret-another-secret-another"
RULES = {
    "sales-line": (
        "rules:\n- name: sales-line\n  agent: sales\n"
        "  when: participant.attributes['sip.trunkPhoneNumber'] == '+442079460000'\n"
    ),
    "as-asked": "rules:\n- {name: as-asked, agent: {cel: metadata.agent}}\n",
}
ROOMS = {"sales-line": "call-1", "as-asked": "lobby"}


async def explained(url: str, token: str = TOKEN, room: str = "lobby") -> str:
    """What `explain` prints."""
    written: list[str] = []
    assert await explain(url, token, room, written.append) == 1
    return "".join(written).strip().replace(url, SERVICE)


async def test_why_explain_cannot_ask() -> None:
    """Nobody there, another token, no API; and a room that the service does not know."""
    async with house() as here:
        told = [await explained("http://127.0.0.1:9"), await explained(here.service.url, "another")]
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested")
        told.append(await explained(here.service.url, room="loby"))
    async with house(token=None) as here:
        told.append(await explained(here.service.url))

    assert [line for line in told if line not in PAGE] == []


async def test_what_send_test_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Taken; a wrong path; a wrong secret; a key that nobody knows."""
    monkeypatch.setenv("LIVEKIT_URL", LIVEKIT)
    monkeypatch.setenv("DISPATCHER_AGENT", "greeter")
    async with house() as here:
        for key, secret, path in (
            (KEY, DEV_KEYS[KEY], ""),
            (KEY, DEV_KEYS[KEY], "/hooks"),
            (KEY, OTHER, ""),
            ("APIx", OTHER, ""),
        ):
            monkeypatch.setenv("LIVEKIT_API_KEY", key)
            monkeypatch.setenv("LIVEKIT_API_SECRET", secret)
            await asyncio.to_thread(main, ["send-test", "--url", here.service.url + path])
        taken, *refused = capsys.readouterr().out.replace(here.service.url, SERVICE).splitlines()

    assert taken in PAGE
    said = [re.sub(r"^\S+ |, signed with \S+$", "", line) for line in refused]
    assert len(said) == 3
    assert [line for line in said if f"`{line}`" not in PAGE] == []


async def test_what_doctor_says_of_a_wrong_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The line of LiveKit's, with its remedy."""
    async with house() as here:
        monkeypatch.chdir(tmp_path)
        for name, value in {"URL": here.livekit.url, "API_KEY": KEY, "API_SECRET": OTHER}.items():
            monkeypatch.setenv(f"LIVEKIT_{name}", value)
        monkeypatch.setenv("DISPATCHER_AGENT", "greeter")
        assert await asyncio.to_thread(main, ["doctor"]) == 1
        lines = capsys.readouterr().out.replace(here.livekit.url, LIVEKIT).splitlines()

    assert next(line for line in lines if line.startswith("error")) in PAGE


@pytest.mark.parametrize("rule", RULES)
def test_what_rules_explain_says(rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the rooms and people that the page describes."""
    (tmp_path / "rules.yaml").write_text(RULES[rule])
    typed = next(
        line for line in re.findall(r"^\$ dispatcher (rules explain .+)$", PAGE, re.MULTILINE) if ROOMS[rule] in line
    )
    assert main([*typed.split(), "--config", str(tmp_path / "rules.yaml")]) == 0

    assert f"$ dispatcher {typed}\n{capsys.readouterr().out}```" in PAGE


async def test_what_explain_says_where_no_rule_applies(tmp_path: Path) -> None:
    """Everybody against each rule, under the first line."""
    (tmp_path / "rules.yaml").write_text(RULES["sales-line"])
    written: list[str] = []
    async with house(*load_offline(tmp_path / "rules.yaml", {}).rules) as here:
        line = {"sip.trunkPhoneNumber": "442079460000"}
        await here.livekit.rooms.join("call-1", "sip_442079460000", kind="SIP", attributes=line)
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) > 1)
        assert await explain(here.service.url, TOKEN, "call-1", written.append) == 0
    story = re.sub(r"\(RM_\w+, ", "(RM_nhZogPX67nVf, ", "".join(written)).replace(here.service.url, SERVICE)

    assert f"$ dispatcher explain call-1\n{story}```" in PAGE
