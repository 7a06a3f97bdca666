"""How the service stands, over the API: what the ledger says for all replicas, and what the one that answers knows."""

from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.config import LedgerAt, Secret
from dispatcher.core.session import State
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.redis import address
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, House, config, house, rule
from tests.integration.test_agents import order, service_of
from tests.integration.test_reload import BAD, following, reload
from tests.integration.test_steering import answered, asking, token, tokens
from tests.real.valkey import running_valkey

NONE: Final = {str(state): 0 for state in State}


async def stats(http: aiohttp.ClientSession) -> dict[str, Any]:
    """The answer's body."""
    status, told = await answered(http, "GET", "/v1/stats")
    assert status == 200, told
    return told


async def test_a_service_that_works_is_told_in_numbers() -> None:
    """Who is served, who has waited for longest, which webhooks came, and that everybody answers."""
    async with house(rule("greeter")) as here, asking(here) as http:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await order(http, "greeter", "pause")
        for room in ("queue", "later"):
            await here.livekit.rooms.join(room, "bob")
            await here.told("assignment.paused", room=room)
        async with http.post("/webhook", data=b"{}") as refused:  # with a token that is none of LiveKit's
            assert refused.status == 401
        await here.quiet()
        told = await stats(http)
        _, waiting = await answered(http, "GET", "/v1/rooms?sort=wait")

    ledger, replica = told["ledger"], told["this_replica"]
    assert (told["instance"], told["dry_run"], replica["version"]) == ("default", False, "test")
    assert ledger["assignments"] == NONE | {"served": 1, "paused": 2}
    longest = waiting["rooms"][0]
    expected = {name: longest[name] for name in ("project", "room", "sid")} | {"since": longest["waiting_since"]}
    assert (ledger["oldest_wait"], longest["room"]) == (expected, "queue")
    assert longest["waiting_since"] <= ledger["now"]
    assert (replica["webhooks"]["malformed_token"], replica["webhooks"]["no_token"]) == (1, 0)
    assert replica["webhooks"]["recorded"] >= 3
    [project] = replica["projects"]
    assert (project["project"], project["livekit"], replica["ledger"]) == ("default", "answers", "answers")
    assert replica["config_loaded_at"] <= project["last_sweep_at"] <= project["last_webhook_at"]
    assert replica["config_refused_at"] is None
    assert [one["kind"] for one in replica["troubles"]] == ["webhooks_rejected"]


async def test_a_token_of_some_projects_sees_these_alone() -> None:
    """Numbers of all projects together are not told to it."""
    mine = replace(token("read"), projects=frozenset({"default"}))
    stranger = replace(mine, name="two", token=Secret("a-strangers-token"), projects=frozenset({"other"}))
    async with tokens(mine, stranger) as here, asking(here) as http, asking(here, "a-strangers-token") as other:
        seen, nothing = await stats(http), await stats(other)

    assert seen["ledger"]["assignments"] == NONE | {"served": 1}
    assert [one["project"] for one in seen["this_replica"]["projects"]] == ["default"]
    assert (nothing["ledger"]["assignments"], nothing["ledger"]["oldest_wait"]) == (NONE, None)
    assert nothing["this_replica"]["projects"] == []
    assert (seen["this_replica"]["webhooks"], nothing["this_replica"]["webhooks"]) == (None, None)


async def test_without_the_ledger_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """200: whoever watches the service learns that the ledger fails."""

    async def unavailable(_: MemoryLedger) -> None:
        raise LedgerUnavailable("Redis: ConnectionError")

    async with house() as here, asking(here) as http:
        monkeypatch.setattr(MemoryLedger, "standings", unavailable)
        told = await stats(http)
        monkeypatch.undo()
        after = await stats(http)

    assert (told["ledger"], told["this_replica"]["ledger"]) == (None, "failing")
    assert [one["kind"] for one in told["this_replica"]["troubles"]] == ["ledger_failing"]
    assert (after["ledger"]["assignments"], after["this_replica"]["ledger"]) == (NONE, "answers")


async def test_a_livekit_that_does_not_answer_is_told() -> None:
    """By project; the last sweep that came to its end stays."""
    async with house() as here, asking(here) as http:
        await here.livekit.stop_api()
        assert (await answered(http, "POST", "/v1/sweep"))[0] == 202
        await here.told("sweep.postponed")
        told = await stats(http)
        await here.livekit.start_api()

    [project] = told["this_replica"]["projects"]
    assert (project["livekit"], project["last_sweep_at"] > 0, project["last_webhook_at"]) == ("failing", True, None)
    assert [one["kind"] for one in told["this_replica"]["troubles"]] == ["livekit_failing"]


async def test_a_refused_reload_is_told(tmp_path: Path) -> None:
    """With when the configuration in force was loaded."""
    async with following(tmp_path) as (here, written), asking(here) as http:
        first = (await stats(http))["this_replica"]
        await reload(here, written, BAD, "config.rejected")
        told = (await stats(http))["this_replica"]

    assert (first["config_refused_at"], told["config_loaded_at"]) == (None, first["config_loaded_at"])
    assert told["config_refused_at"] >= told["config_loaded_at"]


async def test_replicas_agree_on_the_ledger_and_on_nothing_else(tmp_path: Path) -> None:
    """One has taken all webhooks; both say who is served."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        with running_valkey(tmp_path) as valkey:
            settings = replace(config(livekit.url, rule("greeter")), ledger=LedgerAt("redis", address.read(valkey.url)))
            async with service_of(settings) as (one, ears), service_of(settings) as (other, others):
                livekit.webhook_url = f"{one.url}/webhook"
                here, there = House(livekit, one, ears), House(livekit, other, others)
                await livekit.rooms.join("lobby", "alice")
                await livekit.wait_until(lambda: len(livekit.rooms.agents_in("lobby")) == 1)
                await here.quiet()
                async with asking(here) as http, asking(there, TOKEN) as elsewhere:
                    told, told_there = await stats(http), await stats(elsewhere)

    assert told["ledger"]["assignments"] == told_there["ledger"]["assignments"] == NONE | {"served": 1}
    assert told["this_replica"]["webhooks"]["recorded"] > 0
    assert told_there["this_replica"]["webhooks"]["recorded"] == 0
