"""The service records what its drives were given, asked for and were answered: nothing secret, and it replays."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher import offline
from dispatcher.app import RecordTo, running
from dispatcher.config import Config
from dispatcher.telemetry.tape import Files, Recorded, read
from dispatcher.telemetry.tape.files import tapes
from dispatcher.testing import DEV_KEYS, FakeLiveKit, JobOutcome, Timings
from tests.integration import house as houses
from tests.integration import test_main_job, test_trouble
from tests.integration.house import SPEED, TOKEN, House, house, rule

PHONE = "+441632960961"
SECRETS = (
    *DEV_KEYS.values(),
    TOKEN,
    "room-metadata-text",
    "person-metadata-text",
    "sent-metadata-text",
    "token-metadata-text",
    "attribute-value",
    "Alice Liddell",
    "turn_password",
    "turnPassword",
)


def to(folder: Path, *, plain: bool = False) -> RecordTo:
    """A tape in this folder."""
    files = Files(folder)
    files.open()
    return RecordTo(files=files, plain=plain)


def replayed(folder: Path) -> tuple[int, str]:
    """The exit code of a replay, and what it says."""
    said: list[str] = []
    return offline.replay([folder], said.append), "".join(said)


UNFIT = {  # nothing is driven; thirty rooms are many to hurry through a second time
    "test_a_forged_webhook_is_refused_by_name",
    "test_thirty_rooms_at_once_are_paced",
}
STORIES = {
    name: story
    for module in (test_main_job, test_trouble)
    for name, story in vars(module).items()
    if name.startswith("test_") and not inspect.signature(story).parameters and name not in UNFIT
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_a_story_that_was_recorded_replays_identically(
    story: Callable[[], Awaitable[None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is played in its own test, by the whole service; also through a restart."""
    record = to(tmp_path)
    monkeypatch.setattr(houses, "running", lambda *given, **more: running(*given, **{**more, "record": record}))
    await story()

    code, said = replayed(tmp_path)
    assert code == 0, said


async def visited(here: House) -> None:
    """People with everything that is nobody's business, in rooms that have it, too; an agent that fails, and others."""
    here.livekit.workers.register("greeter", JobOutcome.REJECTS, JobOutcome.SERVES)
    here.livekit.workers.register("scribe")
    attributes = {"sip.phoneNumber": PHONE, "note": "attribute-value", "lk.agent_name": "attribute-value"}
    await here.livekit.rooms.open("lobby", metadata="room-metadata-text")
    await here.livekit.rooms.join(
        "lobby", "alice", name="Alice Liddell", metadata="person-metadata-text", attributes=attributes
    )
    await here.livekit.rooms.join("lobby", f"sip_{PHONE}", kind="SIP", attributes=attributes)
    await here.told("agent.joined", room="lobby", agent="greeter", number=2)
    await here.told("agent.joined", room="lobby", agent="scribe")
    await here.livekit.rooms.leave("lobby", "alice")
    await here.idle()


def telling(*_: object) -> str:
    """What an agent is told."""
    return "sent-metadata-text"


RULES = (
    replace(rule("greeter", name="talks", go_on=True), metadata=telling, when=lambda room, _: bool(room.metadata)),
    replace(rule("scribe", name="writes", per="participant"), metadata=telling),
)


async def test_law_11_a_tape_holds_no_secret_no_metadata_and_no_value_of_an_attribute(tmp_path: Path) -> None:
    """Whatever comes by webhook, is looked at, or is sent; and it replays."""
    async with house(*RULES, record=to(tmp_path)) as here:
        await visited(here)
    written = b"".join(path.read_bytes() for path in tapes(tmp_path))

    assert b'"alice"' in written
    assert [secret for secret in SECRETS if secret.encode() in written] == []
    assert written.count(PHONE.encode()) == written.count(f"sip_{PHONE}".encode()), "in the identity alone"
    assert replayed(tmp_path)[0] == 0
    assert {path.stat().st_mode & 0o777 for path in tapes(tmp_path)} == {0o600}


async def test_law_11_where_identities_are_masked_the_tape_masks_them_as_the_log_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same mark for the same person: what the log says of somebody can be found on the tape; and it replays."""
    settings = houses.config

    def masked(*arguments: object, **more: object) -> Config:
        return replace(settings(*arguments, **more), redact_identities=True)  # type: ignore[arg-type]

    monkeypatch.setattr(houses, "config", masked)
    async with house(*RULES, record=to(tmp_path)) as here:
        await visited(here)
    written = b"".join(path.read_bytes() for path in tapes(tmp_path))

    assert [secret for secret in (*SECRETS, PHONE, "alice", "agent-AJ") if secret.encode() in written] == []
    marks = {
        line["assignment"].partition("/")[2] for line in here.lines if line.get("assignment", "").startswith("writes/")
    }
    assert len(marks) == 2
    assert all(mark.encode() in written for mark in marks)
    assert replayed(tmp_path)[0] == 0


async def test_a_tape_in_plain_text_has_the_facts_and_says_so_at_the_start(tmp_path: Path) -> None:
    """As a warning. What agents are told is not on it either, nor any secret of ours."""
    async with house(*RULES, record=to(tmp_path, plain=True)) as here:
        await visited(here)
    written = b"".join(path.read_bytes() for path in tapes(tmp_path))

    warning = next(line for line in here.lines if line["action"] == "tape.started")
    assert (warning["level"], warning["folder"], warning["plain"]) == ("warning", str(tmp_path), True)
    for fact in ("room-metadata-text", "person-metadata-text", "attribute-value", "Alice Liddell"):
        assert fact.encode() in written
    for secret in (*DEV_KEYS.values(), TOKEN, "sent-metadata-text"):
        assert secret.encode() not in written
    assert replayed(tmp_path)[0] == 0


async def test_a_disk_that_fails_delays_nobody_and_is_told_once(tmp_path: Path) -> None:
    """The agent comes as always; what was lost is counted, and what comes after is recorded again."""
    folder = tmp_path / "tape"
    record = to(folder)
    async with house(record=record) as here:
        here.livekit.workers.register("greeter")
        for path in tapes(folder):
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
        for number in range(3):
            await here.livekit.rooms.join(f"room-{number}", "alice")
            await here.told("agent.joined", room=f"room-{number}")
        await here.quiet()
        lost = (await here.metrics())["livekit_dispatcher_tape_claims_dropped_total"]
        folder.unlink()
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await here.livekit.rooms.join("later", "alice")
        await here.told("agent.joined", room="later")
        await here.told("tape.recovered")
        after = (await here.metrics())["livekit_dispatcher_tape_claims_dropped_total"]

    assert lost >= 6
    assert after <= lost + 1
    assert [line["why"] for line in here.lines if line["action"] == "tape.failed"] == ["File exists"]
    assert {one.claim.session.room for one in read(folder) if isinstance(one, Recorded)} >= {"later"}


async def test_recording_is_off_unless_it_is_asked_for() -> None:
    """And the metric is there all the same."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        assert (await here.metrics())["livekit_dispatcher_tape_claims_dropped_total"] == 0
    assert "tape.started" not in [line["action"] for line in here.lines]


async def test_replicas_record_each_its_own_and_replay_together(tmp_path: Path) -> None:
    """What one process began another goes on with: the tapes of both are read as one."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter", accept_after=6.0)
        async with house(livekit=livekit, record=to(tmp_path / "one")):
            await livekit.rooms.join("lobby", "alice")
            await livekit.wait_until(lambda: livekit.create_calls)
        async with house(livekit=livekit, record=to(tmp_path / "two")) as here:
            await here.told("agent.joined", room="lobby")
            await here.quiet()
    said: list[str] = []
    assert offline.replay([tmp_path / "one", tmp_path / "two"], said.append) == 0
    assert " of 1 rooms: " in said[-1]
