"""The routes that change something: an agent is ordered, cancelled, tried again; who may; and what is refused."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.client import Dispatcher
from dispatcher.config import ApiToken, Scope, Secret
from dispatcher.core.rules import Aimed, Rule, Target
from dispatcher.engine.orders import OrderRefused
from dispatcher.http import guard
from dispatcher.http.guard import GUESSES
from dispatcher.http.steering import _REFUSED
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, Ears, House, config, house, rule, swept

NOBODY: Final = rule("nobody", name="nobody", kinds=frozenset({"SIP"}))
SECRET: Final = '{"caller": "+15550100"}'


@asynccontextmanager
async def asking(here: House, token: str = TOKEN) -> AsyncIterator[aiohttp.ClientSession]:
    """Who asks the API."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(here.service.url, headers=headers) as http:
        yield http


async def answered(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    *,
    json: object = None,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """The status and the body."""
    async with http.request(method, path, json=json, data=data, headers=headers) as answer:
        assert answer.content_type == ("application/problem+json" if answer.status >= 400 else "application/json")
        return answer.status, await answer.json()


async def ordered(http: aiohttp.ClientSession, key: str = "", wait: str = "10s", **body: object) -> dict[str, Any]:
    """An agent was ordered; the answer's body."""
    headers = {"Idempotency-Key": key} if key else {}
    asked = {"room": "lobby", "agent": "sales", **body}
    status, told = await answered(http, "POST", f"/v1/dispatches?wait={wait}", json=asked, headers=headers)
    assert status == 200, told
    return told


async def test_an_agent_that_is_ordered_is_there_when_it_is_answered() -> None:
    """With its metadata, which is never told; and the timeline says who ordered it."""
    async with house(NOBODY) as here, asking(here) as http:
        here.livekit.workers.register("sales")
        await here.livekit.rooms.open("lobby")
        told = await ordered(http, metadata=SECRET)

        assert (told["state"], told["agent"], told["room"]) == ("served", "sales", "lobby")
        assert told["diagnosis"][0].startswith("Served: `sales` has been in the room")
        assert [one.metadata for one in here.livekit.rooms.dispatches_in("lobby")] == [SECRET]
        _, room = await answered(http, "GET", "/v1/rooms/lobby")
        assert "environment ordered sales over the API" in room["sessions"][0]["narrative"][0]
        assert "5550100" not in repr(here.lines) + repr(room)


async def test_what_is_repeated_with_its_key_is_answered_alike_and_adds_nobody() -> None:
    """At once or later; another request with that key is refused."""
    async with house(NOBODY) as here, asking(here) as http:
        here.livekit.workers.register("sales")
        await here.livekit.rooms.open("lobby")
        first, *others = await asyncio.gather(*(ordered(http, key="k1") for _ in range(10)))
        assert {one["assignment"] for one in others} == {first["assignment"]}
        async with http.post(
            "/v1/dispatches", json={"room": "lobby", "agent": "sales"}, headers={"Idempotency-Key": "k1"}
        ) as again:
            assert again.headers["Idempotent-Replayed"] == "true"
        status, problem = await answered(
            http, "POST", "/v1/dispatches", json={"room": "lobby", "agent": "other"}, headers={"Idempotency-Key": "k1"}
        )
        assert (status, problem["error"]) == (422, "other_request")
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_a_room_that_does_not_live_is_404_or_made() -> None:
    """As the request says."""
    async with house(NOBODY) as here, asking(here) as http:
        here.livekit.workers.register("sales")
        asked = {"room": "elsewhere", "agent": "sales"}
        status, problem = await answered(http, "POST", "/v1/dispatches", json=asked)
        assert (status, problem["error"]) == (404, "unknown_room")
        assert (await ordered(http, room="elsewhere", create_room=True))["state"] == "served"


async def test_an_agent_that_does_not_come_is_explained() -> None:
    """The wait ends when every target has been tried, with the likeliest cause."""
    settings = rule("sales", name="sales", kinds=frozenset({"SIP"}), attempts=1)
    async with house(settings) as here, asking(here) as http:
        await here.livekit.rooms.open("lobby")
        told = await ordered(http, agent="", rule="sales")

        assert told["state"] == "starved"
        assert "sales" in " ".join(told["diagnosis"])
        status, told = await answered(http, "POST", "/v1/dispatches?wait=0s", json={"room": "lobby", "agent": "slow"})
        assert (status, told["state"]) == (202, "waiting")


async def test_an_assignment_is_cancelled_and_tried_again() -> None:
    """A rule's as well as an order's; each answer says how it stands."""
    async with house(rule("greeter", name="front")) as here, asking(here) as http:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        path = "/v1/rooms/lobby/assignments/front"

        status, told = await answered(http, "DELETE", f"{path}?wait=10s")
        assert (status, told["state"], told["assignment"]) == (200, "finished", "front")
        await here.livekit.wait_until(lambda: not here.livekit.rooms.agents_in("lobby"))
        status, told = await answered(http, "POST", f"{path}/retry?wait=10s")
        assert (status, told["state"]) == (200, "served")
        assert await here.told("assignment.cancelled", by="environment")
        assert await here.told("assignment.retried", by="environment")


async def test_what_is_not_there_cannot_be_steered() -> None:
    """A room, an assignment: each by its name."""
    async with house(rule("greeter")) as here, asking(here) as http:
        assert (await answered(http, "DELETE", "/v1/rooms/nowhere/assignments/default"))[1]["error"] == "unknown_room"
        assert (await answered(http, "POST", "/v1/rooms/nowhere/look"))[1]["error"] == "unknown_room"
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        status, problem = await answered(http, "POST", "/v1/rooms/lobby/assignments/other/retry")
        assert (status, problem["error"]) == (404, "unknown_assignment")


async def test_a_room_is_looked_at_and_all_are_swept_when_somebody_says_so() -> None:
    """Without a webhook, and long before the sweep's time."""
    async with house(rule("greeter")) as here, asking(here) as http:
        here.livekit.workers.register("greeter")
        here.livekit.faults.lose_webhooks(times=9)
        await here.livekit.rooms.join("lobby", "alice")
        assert (await answered(http, "POST", "/v1/sweep"))[0] == 202
        await here.told("agent.joined", room="lobby")
        before = len([call for call in here.livekit.calls if call.method == "ListParticipants"])
        assert (await answered(http, "POST", "/v1/rooms/lobby/look"))[0] == 202
        await here.livekit.wait_until(
            lambda: len([call for call in here.livekit.calls if call.method == "ListParticipants"]) > before
        )


@pytest.mark.parametrize(
    ("body", "field", "status"),
    [
        (b"", "body", 400),
        (b"{", "body", 400),
        (b"\xff", "body", 400),
        (b"[]", "body", 422),
        (b'{"agent": "a"}', "room", 422),
        (b'{"room": 1, "agent": "a"}', "room", 422),
        (b'{"room": "", "agent": "a"}', "room", 422),
        (b'{"room": "r"}', "agent", 422),
        (b'{"room": "r", "agent": "launch:avatar"}', "agent", 422),
        (b'{"room": "r", "agent": "a", "rule": "default"}', "agent", 422),
        (b'{"room": "r", "agent": " a"}', "agent", 422),
        (b'{"room": "r", "agent": "' + b"a" * 257 + b'"}', "agent", 422),
        (b'{"room": "r", "agent": "a", "deployment": "' + b"d" * 257 + b'"}', "deployment", 422),
        (b'{"room": "r", "rule": "other"}', "rule", 422),
        (b'{"room": "r", "rule": "default", "deployment": "blue"}', "deployment", 422),
        (b'{"room": "r", "agent": "a", "project": "other"}', "project", 422),
        (b'{"room": "r", "agent": "a", "metadata": {"a": 1}}', "metadata", 422),
        (b'{"room": "r", "agent": "a", "metadata": "' + b"x" * 16_385 + b'"}', "metadata", 422),
        (b'{"room": "r", "agent": "a", "agnet": "a"}', "agnet", 422),
    ],
)
async def test_a_request_that_makes_no_sense_names_the_field(body: bytes, field: str, status: int) -> None:
    """And nothing of it is done."""
    async with house(rule("greeter")) as here, asking(here) as http:
        answer, problem = await answered(http, "POST", "/v1/dispatches", data=body)
        assert (answer, problem["field"]) == (status, field), problem
        assert "CreateRoom" not in {call.method for call in here.livekit.calls}


async def test_a_body_without_end_and_odd_parameters_are_refused() -> None:
    """Before anything of them is read further."""
    async with house(rule("greeter")) as here, asking(here) as http:
        asked = {"room": "r", "agent": "a"}
        assert (await answered(http, "POST", "/v1/dispatches", data=b" " * 65_537))[0] == 413
        for query in ("10", "61s", "", "soon"):
            status, problem = await answered(http, "POST", f"/v1/dispatches?wait={query}", json=asked)
            assert (status, problem["field"]) == (400, "wait")
        status, problem = await answered(
            http, "POST", "/v1/dispatches", json=asked, headers={"Idempotency-Key": "k" * 256}
        )
        assert (status, problem["field"]) == (400, "Idempotency-Key")
        assert (await answered(http, "POST", "/v1/sweep?project=other"))[1]["field"] == "project"


async def test_while_livekit_does_not_answer_an_order_says_so() -> None:
    """503: the same may be tried again."""
    async with house(rule("greeter")) as here, asking(here) as http:
        here.livekit.faults.fail("ListRooms", 503, times=9)
        status, problem = await answered(http, "POST", "/v1/dispatches", json={"room": "r", "agent": "a"})
        assert (status, problem["error"]) == (503, "livekit_failing")


@asynccontextmanager
async def tokens(*given: ApiToken, rules: tuple[Rule, ...] = (rule("greeter", name="front"),)) -> AsyncIterator[House]:
    """A service with these tokens, and none of the environment's; somebody is in the room `lobby`, and served."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        settings = replace(config(livekit.url, *rules, token=None), api_tokens=given)
        ears = Ears()
        async with running(settings, Log(ears.hear, lambda: 0.0), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            await swept(livekit)
            here = House(livekit, service, ears)
            livekit.workers.register("greeter")
            await livekit.rooms.join("lobby", "alice")
            await here.told("agent.joined")
            yield here


def token(*scopes: Scope, **bounds: frozenset[str]) -> ApiToken:
    """A token with these scopes, within these bounds."""
    return replace(ApiToken(name="one", token=Secret(TOKEN), scopes=frozenset(scopes)), **bounds)


@pytest.mark.parametrize("room", [".", "..", "a/../b", "a%2Fb", "?"])
async def test_a_room_of_any_name_is_steered(room: str) -> None:
    """By its name as a parameter: in a path most clients resolve `..` before they send."""
    async with house(rule("greeter", name="front")) as here, Dispatcher(here.service.admin_url, TOKEN) as dispatcher:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join(room, "alice")
        await here.told("agent.joined", room=room)
        assert [one.project for one in await dispatcher.look(room)] == ["default"]
        assert (await dispatcher.cancel(room, "front", wait=5.0)).state == "finished"
        assert here.livekit.rooms.agents_in(room) == []
        assert (await dispatcher.retry(room, "front", wait=5.0)).state == "served"


async def test_a_token_asks_for_its_agents_alone() -> None:
    """Nor does it cancel another's."""
    async with tokens(token("dispatch", agents=frozenset({"sales"}))) as here, asking(here) as http:
        for method, path in (
            ("POST", "/v1/dispatches"),
            ("DELETE", "/v1/rooms/lobby/assignments/front"),
            ("POST", "/v1/rooms/lobby/assignments/front/retry"),
            ("POST", "/v1/agents/greeter/pause"),
            ("POST", "/v1/agents/greeter/resume"),
        ):
            body = {"room": "lobby", "agent": "greeter"} if path == "/v1/dispatches" else None
            status, told = await answered(http, method, path, json=body)
            assert (status, told["detail"]) == (403, "the token one is not for agent greeter")
        status, _ = await answered(http, "POST", "/v1/dispatches", json={"room": "lobby", "agent": "sales"})
        assert status == 202
        assert (await answered(http, "POST", "/v1/agents/sales/pause"))[0] == 200


async def test_a_token_for_some_agents_orders_no_rule_that_computes_its_own() -> None:
    """Nobody knows beforehand whom its expression names."""
    computed = replace(
        rule("sales", name="computed", kinds=frozenset({"SIP"})), aim=lambda *_: Aimed((Target("greeter"),))
    )
    for agents, status in ((frozenset({"sales"}), 403), (None, 202)):
        given = replace(token("dispatch"), agents=agents)
        async with tokens(given, rules=(rule("greeter", name="front"), computed)) as here, asking(here) as http:
            asked = {"room": "lobby", "rule": "computed"}
            assert (await answered(http, "POST", "/v1/dispatches", json=asked))[0] == status


def test_each_way_an_order_is_refused_has_its_answer() -> None:
    """And a name of its own."""
    assert set(_REFUSED) == set(OrderRefused.__subclasses__())
    assert len({name for _, name in _REFUSED.values()}) == len(_REFUSED)


async def test_too_many_guesses_at_once_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """429, with the time to wait; whoever waits already is answered 401."""
    monkeypatch.setattr(guard, "SLOWED_MAX", 1)
    async with house() as here, asking(here, "wrong") as guessing:
        for _ in range(GUESSES):
            assert (await guessing.get("/v1/rooms")).status == 401
        answers = await asyncio.gather(*(guessing.get("/v1/rooms") for _ in range(2)))
        assert sorted(one.status for one in answers) == [401, 429]
        assert [one.headers["Retry-After"] for one in answers if one.status == 429] == ["60"]


async def test_whoever_guesses_is_slowed_and_nobody_else() -> None:
    """The right token never waits."""
    async with house() as here, asking(here, "wrong") as guessing, asking(here) as http:
        for _ in range(GUESSES):
            assert (await guessing.get("/v1/rooms")).status == 401
        slowed = asyncio.create_task(guessing.get("/v1/rooms"))
        await asyncio.sleep(0.1)
        assert (await http.get("/v1/rooms")).status == 200
        assert not slowed.done()
        assert (await slowed).status == 401
