"""Stories of rules in the real service, on a fake LiveKit: what a file says is what people get."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from dispatcher.app import running
from dispatcher.cli.explain import explain
from dispatcher.config import load
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from dispatcher.testing.release import SEEN, Version
from tests.integration.house import SPEED, TOKEN, Ears, House, swept

HASTE = "defaults: {confirm_within: 400ms, join_within: 900ms, min_stay: 0s, retry_every: 300ms}\ncreate_rate: null\n"


@asynccontextmanager
async def ruled(folder: Path, rules: str, *, version: Version = SEEN) -> AsyncIterator[House]:
    """The service runs with these rules, from a file."""
    file = folder / "dispatcher.yaml"
    file.write_text(HASTE + rules)
    async with AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(FakeLiveKit(timings=Timings(speed=SPEED), version=version))
        environ = {
            "DISPATCHER_API_TOKEN": TOKEN,
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": livekit.api_key,
            "LIVEKIT_API_SECRET": livekit.api_secret,
            "DISPATCHER_HOST": "127.0.0.1",
            "DISPATCHER_PORT": "0",
        }
        ears = Ears()
        service = await stack.enter_async_context(
            running(load(file, environ), Log(ears.hear, time.time), version="test")
        )
        livekit.webhook_url = f"{service.url}/webhook"
        await swept(livekit)
        yield House(livekit, service, ears)


def asked(here: House, room: str) -> list[tuple[str, str]]:
    """Which agents, and deployments, were asked for in a room."""
    return [(one.agent_name, one.deployment) for one in here.livekit.create_calls if one.room == room]


async def test_t2_callers_get_the_agent_of_their_line_however_it_is_written(tmp_path: Path) -> None:
    """The rule goes by the number, not by the trunk's notation; the agent is told who calls."""
    rules = """
rules:
  - name: sales-line
    kinds: [SIP]
    when: phone(participant.attributes['sip.trunkPhoneNumber'], 'GB') == '+442079460000'
    agent: sales
    metadata: '{"caller": phone(participant.attributes["sip.phoneNumber"])}'
  - {name: everyone-else, agent: greeter}
"""
    async with ruled(tmp_path, rules) as here:
        for name in ("sales", "greeter"):
            here.livekit.workers.register(name)
        lines = {"plus": "+44 20 7946 0000", "zeros": "00442079460000", "bare": "442079460000", "other": "+33155443322"}
        for room, line in lines.items():
            attributes = {"sip.trunkPhoneNumber": line, "sip.phoneNumber": "0044 1632 960961"}
            await here.livekit.rooms.join(room, "caller", kind="SIP", attributes=attributes)
        await here.livekit.wait_until(lambda: all(here.livekit.rooms.agents_in(room) for room in lines))

        assert {room: asked(here, room)[0][0] for room in lines} == {
            "plus": "sales", "zeros": "sales", "bare": "sales", "other": "greeter"
        }  # fmt: skip
        sent = {one.room: one.metadata for one in here.livekit.create_calls}
        assert json.loads(sent["bare"]) == {"caller": "+441632960961"}
        assert sent["other"] == ""


async def test_w13_an_attribute_that_is_set_after_the_join_decides(tmp_path: Path) -> None:
    """As `sip.callStatus` when a call is answered: no webhook tells of it, and no sweep comes so soon."""
    rules = """
rules:
  - name: answered
    agent: greeter
    when: participant.attributes['sip.callStatus'] == 'active'
"""
    async with ruled(tmp_path, rules) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("call", "caller", attributes={"sip.callStatus": "ringing"})
        await here.livekit.wait_until(lambda: any(call.method == "ListParticipants" for call in here.livekit.calls))
        await here.livekit.rooms.update("call", "caller", attributes={"sip.callStatus": "active"})
        await here.told("agent.joined", room="call", within=10)
        assert asked(here, "call") == [("greeter", "")]
        assert 1 <= (await here.metrics())["livekit_dispatcher_late_looks_total"] <= 4


async def test_w8_metadata_set_after_the_join_decides(tmp_path: Path) -> None:
    """Nobody could be named when she joined; the metadata came without a webhook, and the room heals by itself."""
    async with ruled(tmp_path, "rules: [{name: as-asked, agent: {cel: metadata.agent}}]") as here:
        here.livekit.workers.register("tutor")
        await here.livekit.rooms.join("lobby", "alice")
        unnamed = await here.told("agent.unnamed", room="lobby")
        assert (unnamed["reason"], unnamed["level"]) == ("missing_key", "warning")
        await here.told("assignment.starved", room="lobby")
        await here.livekit.rooms.set_metadata("lobby", '{"agent": "tutor"}')
        await here.told("agent.joined", room="lobby", agent="tutor")

        assert asked(here, "lobby") == [("tutor", "")]
        errors = 'livekit_dispatcher_rule_errors_total{field="agent",reason="missing_key",rule="as-asked"}'
        assert (await here.metrics())[errors] >= 1


async def test_an_agent_that_cannot_be_named_leaves_the_fallback(tmp_path: Path) -> None:
    """A person never pays for somebody's metadata."""
    async with ruled(tmp_path, "rules: [{name: a, agent: {cel: metadata.agent}, fallback: [greeter]}]") as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")

        assert asked(here, "lobby") == [("greeter", "")]


async def test_metadata_that_fails_is_empty_and_told(tmp_path: Path) -> None:
    """The agent comes all the same; the log says which rule, which room and why, and nothing of the metadata."""
    async with ruled(tmp_path, "rules: [{name: all, agent: greeter, metadata: metadata.tenant.name}]") as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.open("lobby", metadata='{"tenant": "hush-hush"}')
        await here.livekit.rooms.join("lobby", "alice")
        failed = await here.told("rule.failed", room="lobby")
        await here.told("agent.joined", room="lobby")

        assert (failed["project"], failed["rule"], failed["field"], failed["why"]) == (
            "default", "all", "metadata", "invalid_argument"
        )  # fmt: skip
        assert "hush-hush" not in str(here.lines)
        assert here.livekit.create_calls[0].metadata == ""


async def test_a_caller_who_hides_the_number_costs_the_agent_nothing_else(tmp_path: Path) -> None:
    """What can be computed of a map is sent; what could not be is told by its name."""
    rules = """
rules:
  - name: line
    agent: sales
    metadata: '{"caller": phone(participant.attributes["sip.phoneNumber"], "GB"), "line": "sales"}'
"""
    async with ruled(tmp_path, rules) as here:
        here.livekit.workers.register("sales")
        await here.livekit.rooms.join("lobby", "caller", kind="SIP", attributes={"sip.trunkID": "ST_1"})
        failed = await here.told("rule.failed", room="lobby")
        await here.told("agent.joined", room="lobby")

        assert (failed["field"], failed["why"]) == ("metadata.caller", "missing_key")
        assert here.livekit.create_calls[0].metadata == '{"line":"sales"}'


async def test_metadata_that_is_no_object_is_told_once(tmp_path: Path) -> None:
    """However often the room is looked at; with the reason, and nothing of what it says."""
    async with ruled(tmp_path, "rules: [{name: all, agent: greeter, when: metadata.plan != 'none'}]") as here:
        await here.livekit.rooms.open("lobby", metadata='"{\\"plan\\": \\"hush-hush\\"}"')
        for identity in ("alice", "bob"):
            await here.livekit.rooms.join("lobby", identity)
        unread = await here.told("metadata.unread", room="lobby")
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) >= 3)
        await here.idle()

        assert (unread["whose"], unread["why"]) == ("room", "encoded_twice")
        assert len([line for line in here.lines if line["action"] == "metadata.unread"]) == 1
        assert "hush-hush" not in str(here.lines)
        series = 'livekit_dispatcher_metadata_unread_total{reason="encoded_twice",whose="room"}'
        assert (await here.metrics())[series] == 1


async def test_explain_says_that_metadata_is_no_object(tmp_path: Path) -> None:
    """Where no rule applies for that reason, and whose metadata it is."""
    rules = "rules: [{name: gold, agent: greeter, when: participant_metadata.tier == 'gold'}]"
    async with ruled(tmp_path, rules) as here:
        await here.livekit.rooms.join("lobby", "alice", metadata='["tier", "gold"]')
        await here.told("metadata.unread", room="lobby", whose="participant")
        written: list[str] = []
        await explain(here.service.url, TOKEN, "lobby", written.append)

        assert "the metadata of the participant is not read: no_object" in "".join(written)


async def test_t1_kinds_and_conditions_choose_whom_an_agent_is_for(tmp_path: Path) -> None:
    """A recorder or an ingest asks for nobody, whatever a condition says."""
    async with ruled(tmp_path, "rules: [{name: all, agent: greeter, when: 'true'}]") as here:
        here.livekit.workers.register("greeter")
        for kind in ("EGRESS", "INGRESS", "AGENT"):
            await here.livekit.rooms.join("lobby", kind.lower(), kind=kind)
        await here.livekit.rooms.join("lobby", "recorder", hidden=True)
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) >= 5)
        await here.idle()
        assert here.livekit.create_calls == []


async def test_g1_rooms_are_split_by_their_names(tmp_path: Path) -> None:
    """The same room name gets the same side again in its next life."""
    split = "{split: [{name: greeter, weight: 1}, {name: greeter, deployment: canary, weight: 1}]}"
    async with ruled(tmp_path, f"rules: [{{name: all, agent: {split}}}]") as here:
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("greeter", deployment="canary")
        rooms = [f"room-{number}" for number in range(8)]
        for _ in range(2):
            for room in rooms:
                await here.livekit.rooms.join(room, "alice")
            await here.livekit.wait_until(lambda: all(here.livekit.rooms.agents_in(room) for room in rooms))
            for room in rooms:
                await here.livekit.rooms.close(room)
        sides = {room: asked(here, room) for room in rooms}

        assert all(len(set(side)) == 1 and len(side) == 2 for side in sides.values()), sides
        assert {side[0][1] for side in sides.values()} == {"", "canary"}


async def test_g2_a_canary_that_fails_is_seen_and_nobody_pays_for_it(tmp_path: Path) -> None:
    """Half of the canary's people are refused: they get production's agent at once, and the metrics tell the sides."""
    split = "{split: [{name: greeter, weight: 1}, {name: greeter, deployment: canary, weight: 1}]}"
    async with ruled(tmp_path, f"rules: [{{name: all, agent: {split}, fallback: [greeter]}}]") as here:
        here.livekit.workers.register("greeter")
        canary = here.livekit.workers.register(
            "greeter", *[JobOutcome.REJECTS, JobOutcome.SERVES] * 20, deployment="canary"
        )
        rooms = [f"room-{number}" for number in range(20)]
        for room in rooms:
            await here.livekit.rooms.join(room, "alice")
        for room in rooms:
            await here.told("agent.joined", room=room)
        ended, joined = await here.counted("dispatches_total"), await here.counted("agents_joined_total")

        refused = (canary.asked + 1) // 2
        assert refused > 1
        assert ended == {'livekit_dispatcher_dispatches_total{agent="greeter@canary",result="rejected"}': refused}
        assert joined == {
            'livekit_dispatcher_agents_joined_total{agent="greeter@canary"}': canary.asked - refused,
            'livekit_dispatcher_agents_joined_total{agent="greeter"}': len(rooms) - canary.asked + refused,
        }
        assert all(len(here.livekit.rooms.agents_in(room)) == 1 for room in rooms)
        assert here.said("room-0")[:2] == ["assignment.created", "dispatch.requested"]
        assert {line["agent"] for line in here.lines if line["action"] == "dispatch.requested"} == {
            "greeter",
            "greeter@canary",
        }


async def test_d9_a_server_that_ignores_deployments_is_found_out(tmp_path: Path) -> None:
    """The canary's people would have got production: refused, told, counted, and the fallback there instead."""
    rules = "rules: [{name: all, agent: {name: greeter, deployment: canary}, fallback: [safe]}]"
    async with ruled(tmp_path, rules, version=(1, 11)) as here:
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("safe")
        await here.livekit.rooms.join("lobby", "alice")
        told = await here.told("deployment.ignored", room="lobby")
        assert (told["agent"], told["number"], told["level"]) == ("greeter@canary", 1, "warning")
        await here.told("attempt.ended", number=1, verdict="refused", reason="deployment.ignored")
        await here.told("agent.joined", room="lobby", agent="safe")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1)
        await here.idle()

        assert here.livekit.rooms.agents_in("lobby")[0].attributes["lk.agent_name"] == "safe"
        metrics = await here.metrics()
        assert metrics['livekit_dispatcher_deployments_ignored_total{agent="greeter@canary"}'] == 1
        assert metrics['livekit_dispatcher_dispatches_total{agent="greeter@canary",result="refused"}'] == 1


async def test_a_server_that_knows_deployments_is_believed(tmp_path: Path) -> None:
    """What it echoes is what was asked for."""
    rules = "rules: [{name: all, agent: {name: greeter, deployment: canary}}]"
    async with ruled(tmp_path, rules) as here:
        here.livekit.workers.register("greeter", deployment="canary")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")

        assert asked(here, "lobby") == [("greeter", "canary")]
        assert "deployment.ignored" not in here.said("lobby")
