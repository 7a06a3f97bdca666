"""Names that command a terminal, forge a line or turn it round: wherever people look, they are written out."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace

from dispatcher import offline
from dispatcher.cli.explain import explain
from dispatcher.cli.send_test import send_test
from dispatcher.config import Secret, load_offline
from dispatcher.core.rules import Target
from dispatcher.core.session import with_entry
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.explain import diagnosis, narrative
from dispatcher.livekit.webhook import sign
from dispatcher.offline import Unusable, rehearse
from dispatcher.telemetry.logs import Log
from tests.integration.house import TOKEN, house, rule
from tests.unit.core.test_text import INVISIBLE
from tests.unit.core.world import assignment, attempt, policy, session

FORGED = "x\n12:00:00.000  greeter is in the room (attempt 1)\x1b[1A\x1b[2K"
NAMES = [FORGED, *(f"a{one}b" for one in INVISIBLE)]
WIRED = [name for name in NAMES if name.isascii() or name.encode(errors="ignore").decode() == name]  # no surrogates


def safe(*texts: str) -> bool:
    """Each is a line or several, and nothing in them is more than what it looks like."""
    return all(line.isprintable() for text in texts for line in text.removesuffix("\n").split("\n"))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize(
    "said",
    [Said.ASSIGNMENT_CREATED, Said.ATTEMPT_ENDED, Said.AGENT_UNREQUESTED, Said.ROOM_FINISHED, Said.ATTEMPT_RETRACTED],
)
def test_a_story_is_told_line_by_line(said: Said, name: str) -> None:
    """`/v1/rooms/{room}` and `explain` tell it: of identities, agents' names and reasons as they are written out."""
    waiting = replace(assignment(attempt(1, verdict=Verdict.SILENT), name="each", identity=name), rounds=1)
    waiting = replace(waiting, policy=replace(policy(), targets=(Target(name, name),)))
    waiting = replace(waiting, attempts=(replace(waiting.attempts[0], target=Target(name, name)),))
    told = with_entry(session(waiting), Entry(at=0, said=said, assignment=waiting.key, agent=name, reason=name))

    [line] = narrative(told, 0)
    [stands] = diagnosis(told)
    assert safe(line, stands)
    assert "\n" not in line + stands


@pytest.mark.parametrize("name", WIRED, ids=ascii)
async def test_explain_shows_a_room_and_its_people_written_out(name: str) -> None:
    """Room, identity and computed story go through the webhook, the ledger, the API and the command."""
    written: list[str] = []
    async with house(rule("greeter", per="participant")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join(f"room {name}", f"alice {name}")
        await here.told("agent.joined")
        code = await explain(here.service.url, TOKEN, f"room {name}", written.append)
        address = f"{here.service.url}/v1/rooms/{quote(f'room {name}', safe='')}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
            [life] = (await (await http.get(address)).json())["sessions"]

    assert code == 0
    assert safe(*written, *life["diagnosis"], *life["narrative"])
    assert "".join(written).count("\n") == 3 + len(life["narrative"])  # the diagnosis, the room, the page


@asynccontextmanager
async def stranger(answer: object) -> AsyncIterator[str]:
    """A server that answers everything with this, as JSON."""

    async def say(_: web.Request) -> web.Response:
        return web.json_response(answer, status=500 if "error" in str(answer) else 200)

    app = web.Application()
    app.router.add_route("*", r"/{any:[\s\S]*}", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_what_another_service_answers_is_written_out(name: str) -> None:
    """Whoever sits at that address; and a room that the shell handed over in bytes that are no text."""
    told, sent = list[str](), list[str]()
    says = name if name in WIRED else "x"
    life = {"room": says, "sid": says, "project": says, "narrative": [says], "diagnosis": [says]}
    trouble = {"sentence": says}
    for answer in ({"sessions": [life], "troubles": [trouble]}, {"error": says, "troubles": [trouble]}):
        async with stranger(answer) as url:
            await explain(url, "", name, told.append)
    async with stranger({"result": says}) as url:
        await send_test(url, {"key": Secret("secret")}, None, _signed, sent.append)

    assert safe(*told, *sent)
    assert "".join(told).count("\n") == 6
    assert "".join(sent).count("\n") == 1


def _signed(body: bytes, *, key: str, secret: str) -> str:
    return sign(body, key=key, secret=secret, now=0)


RULES = """
rules:
  - {name: named, when: has(participant_metadata.agent), agent: {cel: participant_metadata.agent}, continue: true}
  - {name: rest, kinds: [SIP], agent: greeter}
  - {name: all, agent: greeter, metadata: participant.metadata}
"""


def recorded(folder: Path, name: str) -> Path:
    """A webhook in which everything that can be a name is this one."""
    who = {"sid": "PA_1", "identity": name, "state": "ACTIVE", "metadata": name}
    body = {"event": "participant_joined", "id": "EV_1", "room": {"sid": "RM_1", "name": name}, "participant": who}
    file = folder / "event.json"
    file.write_text(json.dumps(body))
    return file


@pytest.mark.parametrize("name", WIRED, ids=ascii)
def test_rules_explain_and_rules_test_show_a_webhook_written_out(tmp_path: Path, name: str) -> None:
    """Room, identity, and the metadata that a rule would send."""
    (tmp_path / "dispatcher.yaml").write_text(RULES)
    rules = load_offline(tmp_path / "dispatcher.yaml", {}).rules
    event = recorded(tmp_path, name)
    (tmp_path / "cases.yaml").write_text(
        "cases: [{case: one, event: event.json, expect: [{rule: all, metadata: other}]}]\n"
    )

    explained = list(offline.explain(rules, event))
    failed, report = rehearse(rules, [tmp_path / "cases.yaml"])
    assert safe(*explained, *report)
    assert (len(explained), failed) == (2 + len(rules), 1)  # one says that the metadata is no object


def test_an_event_of_an_odd_name_is_written_out(tmp_path: Path) -> None:
    """Where it cannot be used, and that is said."""
    (tmp_path / "event.json").write_text(json.dumps({"event": FORGED, "id": "EV_1"}))

    with pytest.raises(Unusable) as unusable:
        list(offline.explain((), tmp_path / "event.json"))
    assert safe(str(unusable.value))
    assert "\n" not in str(unusable.value)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("style", ["text", "json"])
def test_a_line_of_the_log_is_a_line(style: str, name: str) -> None:
    """As a value of its own and inside a list."""
    lines: list[str] = []
    log = Log(lines.append, lambda: 0.0, style="text" if style == "text" else "json")
    log.warning("agent.joined", room=name, agents=[name])

    [line] = lines
    assert safe(line.replace("\x7f", "") if style == "json" else line)
    assert line.count("\n") == 1
