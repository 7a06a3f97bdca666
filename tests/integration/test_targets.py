"""What is known of targets, at work: silence that is known sooner, targets that are not there. Spans are a tenth."""

import asyncio
import time

import aiohttp
import pytest

from dispatcher.config import CreateRate
from dispatcher.core import timing
from dispatcher.core.rules import Rule
from dispatcher.core.targets import JOINS_MAX
from dispatcher.testing import JobOutcome
from tests.integration.house import TOKEN, House, house, rule

TENTH = {
    "ATTEMPT_LOOKS_MS": (200, 600, 900),
    "SILENT_FAST_MS": 600,
    "SILENT_FEW_MS": 900,
    "PROBE_MS": 150,
    "PROBE_EVERY_MS": 3_000,
}
BUSY_S = 10.0  # what a busy machine may add: who was asked, and why, shows what was waited for


@pytest.fixture(autouse=True)
def _tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, span in TENTH.items():
        monkeypatch.setattr(timing, name, span)


def line(*agents: str) -> Rule:
    """A rule with these targets and a tenth of the default limits."""
    return rule(*agents, confirm_within=1_200, join_within=3_000, retry_every=3_000)


async def waited(here: House, room: str) -> float:
    """How long a caller of this room, who joins now, waits for the agent."""
    began = time.monotonic()
    await here.livekit.rooms.join(room, "alice")
    await here.told("agent.joined", room=room)
    return time.monotonic() - began


def asked(here: House, room: str) -> list[str]:
    """Which agents were asked for in the room, in order."""
    return [line["agent"] for line in here.lines if line["action"] == "dispatch.requested" and line["room"] == room]


async def targets(here: House) -> dict[str, str]:
    """How each target's circuit stands, as the API says it."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as http, http.get(f"{here.service.url}/v1/agents", headers=headers) as answer:
        agents = (await answer.json())["agents"]
        return {one["agent"]: target["circuit"] for one in agents for target in one["targets"]}


@pytest.mark.parametrize("rate", [None, CreateRate()], ids=["all-at-once", "paced"])
async def test_d1_only_the_last_fallback_is_there(rate: CreateRate | None) -> None:
    """README's telephone rule: the first caller waits for two silent targets, once each, and those after for none."""
    async with house(line("sales", "overflow", "voicemail"), pace=rate) as here:
        here.livekit.workers.register("voicemail")
        assert 1.8 <= await waited(here, "first") <= 2.0 + BUSY_S
        assert asked(here, "first") == ["sales", "overflow", "voicemail"]
        for room in ("second", "third"):
            assert await waited(here, room) <= 0.2 + BUSY_S
            assert asked(here, room) == ["voicemail"]

        assert (await here.told("target.bypassed", room="second"))["agent"] == "sales"
        assert await targets(here) == {"sales": "open", "overflow": "open", "voicemail": "closed"}
        assert (await here.told("circuit.opened", agent="overflow"))["level"] == "warning"


async def test_d1_who_waits_when_a_circuit_opens_goes_on_at_the_next_look() -> None:
    """A second caller does not wait out what the first has found out meanwhile."""
    async with house(line("sales", "voicemail")) as here:
        here.livekit.workers.register("voicemail")
        await here.livekit.rooms.join("first", "alice")
        await here.told("dispatch.requested", room="first")
        await asyncio.sleep(0.5)  # so much later
        assert await waited(here, "second") <= 0.6 + 0.2 + BUSY_S

        assert asked(here, "second") == ["sales", "voicemail"]
        assert (await here.told("attempt.ended", room="second"))["reason"] == "circuit_open"


async def test_d5_a_target_that_is_back_is_found_by_a_probe() -> None:
    """The one who asks half a minute later; and then it is everybody's again."""
    async with house(line("sales", "voicemail")) as here:
        here.livekit.workers.register("voicemail")
        await waited(here, "first")
        await waited(here, "second")
        here.livekit.workers.register("sales")
        await here.told("circuit.opened", agent="sales")
        while (await targets(here))["sales"] != "half_open":
            await here.idle()
        assert await waited(here, "third") <= 0.2 + BUSY_S
        await here.told("circuit.closed", agent="sales")

        assert asked(here, "third") == ["sales"]
        assert await targets(here) == {"sales": "closed", "voicemail": "closed"}


async def test_a_probe_of_a_target_that_is_not_back_costs_little() -> None:
    """The one who makes it waits 1.5 s (here a tenth), and nobody else."""
    async with house(line("sales", "voicemail")) as here:
        here.livekit.workers.register("voicemail")
        await waited(here, "first")
        while (await targets(here))["sales"] != "half_open":
            await here.idle()
        assert 0.15 <= await waited(here, "second") <= 0.35 + BUSY_S
        await waited(here, "third")

        assert (asked(here, "second"), asked(here, "third")) == (["sales", "voicemail"], ["voicemail"])
        ended = await here.told("attempt.ended", room="second")
        assert (ended["verdict"], ended["reason"]) == ("silent", "circuit_open")


async def test_d4_silence_is_known_by_what_is_known_of_the_target() -> None:
    """After 9 s as a rule, and after 6 once twenty agents have come fast (here a tenth); `explain` says so."""
    async with house(line("greeter")) as here:
        here.livekit.workers.register("greeter", drop=1)
        assert 0.9 <= await waited(here, "lost") <= 1.5 + BUSY_S
        assert (await here.told("attempt.ended", room="lost"))["reason"] == "few_at_once"
        for n in range(JOINS_MAX):
            await waited(here, f"room-{n}")
        here.livekit.workers.register("greeter", JobOutcome.DROPS, JobOutcome.SERVES)
        assert 0.6 <= await waited(here, "lost-again") <= 1.2 + BUSY_S

        ended = await here.told("attempt.ended", room="lost-again")
        assert (ended["reason"], 0 < ended["usual_ms"] < 2_000) == ("fast_target", True)
