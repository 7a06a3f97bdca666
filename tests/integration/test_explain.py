"""Or you know why not: the API and `explain` tell what happened in a room, and what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from dispatcher.cli.explain import explain, explain_rules
from dispatcher.testing import JobOutcome
from tests.integration.house import TOKEN, House, house, rule

UNKNOWN = "No room of that name is known (ended ones are kept for 24 h at most)"


@asynccontextmanager
async def _asking(here: House, token: str = TOKEN) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(here.service.url, headers=headers) as http:
        yield http


async def _told(here: House, room: str, token: str = TOKEN) -> tuple[int, list[str]]:
    written: list[str] = []
    code = await explain(here.service.url, token, room, written.append)
    return code, "".join(written).splitlines()


async def test_a_healed_silent_drop_explained() -> None:
    """Asked, given up, asked again, served: a line each, and that all is well."""
    async with house() as here:
        here.livekit.workers.register("greeter", drop=1)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        code, lines = await _told(here, "lobby")
    assert code == 0
    assert lines[0].startswith("Served: `greeter` has been in the room for 0.")
    assert lines[1].startswith("lobby (RM_")
    assert [line[32:].split(",")[0] for line in lines[2:-1]] == [
        "default needs an agent: greeter",
        "asked for greeter (attempt 1)",
        "attempt 1 at greeter ended after 0.4 s: no worker took the job: that is its `confirm_within` (silent)",
        "asked for greeter (attempt 2)",
        "greeter is in the room (attempt 2)",
    ]
    assert lines[-1] == f"The page: {here.service.admin_url}/ui/rooms/lobby"


async def test_a_starved_room_explained() -> None:
    """No worker of that name: the first line says so, how often, and what to look at."""
    async with house(rule("greeter", attempts=2)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved")
        _, lines = await _told(here, "lobby")
    assert lines[0].startswith("No agent: alice (STANDARD) has waited for ")
    assert "No worker took the job within 0.4 s, 2 times: is one registered as `greeter`" in lines[0]


async def test_a_replaced_crash_explained() -> None:
    """The departure stands in the story with LiveKit's reason."""
    async with house() as here:
        here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.SERVES, stay=2.0, ghost=2.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", number=2)
        _, lines = await _told(here, "lobby")
    assert any("was lost: LiveKit noticed 20 s later (crashed, connection_timeout)" in line for line in lines)
    assert lines[0].startswith("Served: `greeter` has been in the room for ")


async def test_rooms_are_listed_by_state() -> None:
    """Served and starved rooms apart."""
    async with house(rule("greeter", attempts=1)) as here:
        await here.livekit.rooms.join("empty", "alice")
        await here.told("assignment.starved", room="empty")
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "bob")
        await here.told("agent.joined", room="lobby")
        async with _asking(here) as http:
            served = await (await http.get("/v1/rooms?state=served&project=default&limit=10")).json()
            everything = await (await http.get("/v1/rooms")).json()
    assert "lobby" in [room["room"] for room in served["rooms"]]
    assert {room["room"] for room in everything["rooms"]} == {"empty", "lobby"}


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v1/rooms?state=odd", "state: one of finished, idle, paused, requested, served, starved, waiting"),
        ("/v1/rooms?project=other", "project: one of default"),
        ("/v1/rooms?limit=0", "limit: 1 to 1000"),
        ("/v1/rooms?limit=many", "limit: 1 to 1000"),
    ],
)
async def test_a_question_that_makes_no_sense(path: str, error: str) -> None:
    """400, naming the field."""
    async with house() as here, _asking(here) as http:
        answer = await http.get(path)
        assert (answer.status, (await answer.json())["detail"]) == (400, error)


@pytest.mark.parametrize("token", ["", "wrong", "ünïcode"])
async def test_without_the_token_nothing_is_told(token: str) -> None:
    """401, and `explain` says what to set."""
    async with house() as here, _asking(here, token) as http:
        assert (await http.get("/v1/rooms")).status == 401
        code, lines = await _told(here, "lobby", token)
    assert code == 1
    assert "DISPATCHER_API_TOKEN" in lines[0]


async def test_an_unknown_room() -> None:
    """LiveKit knows none either; whatever the name holds."""
    async with house() as here:
        assert await _told(here, "nowhere/at all") == (
            1,
            [f"nowhere/at all: {UNKNOWN}, and LiveKit shows none."],
        )


async def test_a_room_that_no_webhook_has_told_of() -> None:
    """LiveKit shows it: who is in it, when it is found, and what the rules say of them; or that nobody has joined."""
    async with house() as here:
        here.livekit.webhook_url = None
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.rooms.open("hall")
        code, lines = await _told(here, "lobby")
        _, empty = await _told(here, "hall")
    assert (code, lines) == (
        1,
        [
            (
                "lobby: LiveKit shows the room, with alice (STANDARD) in it, and no webhook has told this service "
                "of it: the sweep finds it within 60 s."
            ),
            "  alice, STANDARD:",
            "    default  yes: greeter",
        ],
    )
    assert empty == [
        "hall: LiveKit shows the room, and nobody has joined yet: an agent is asked for when somebody has."
    ]


async def test_the_rules_of_a_live_room() -> None:
    """`rules explain --live`: also where an agent is there; of one that is over, no more than that."""
    async with house(rule("greeter"), rule("scribe", name="notes", trigger="room_started")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        written: list[str] = []
        assert await explain_rules(here.service.url, TOKEN, "lobby", written.append) == 0
        await here.livekit.rooms.close("lobby")
        await here.told("room.finished")
        over: list[str] = []
        assert await explain_rules(here.service.url, TOKEN, "lobby", over.append) == 0
        unknown: list[str] = []
        assert await explain_rules(here.service.url, TOKEN, "attic", unknown.append) == 1
    title, *lines = "".join(written).splitlines()
    assert title.startswith("lobby (RM_")
    assert lines[:3] == ["  alice, STANDARD:", "    default  yes: greeter", "    notes    not asked: default matched"]
    assert lines[-3:] == [
        "  the room itself:",
        "    default  no: it is `trigger: participant_joined`",
        "    notes    yes: scribe",
    ]
    assert "".join(over).splitlines()[1:] == ["  The room has ended."]
    assert "".join(unknown).startswith("attic: No room of that name")


async def test_an_api_that_is_off() -> None:
    """Without a token in its configuration the service has no API, and `explain` says how to have one."""
    async with house(token=None) as here:
        code, lines = await _told(here, "lobby")
    assert (code, lines) == (1, ["lobby: the service has its API off: start it with DISPATCHER_API_TOKEN"])


async def test_a_service_that_is_not_there() -> None:
    """Said in one line."""
    written: list[str] = []
    assert await explain("http://127.0.0.1:9", "", "lobby", written.append) == 1
    assert "is the service running there?" in written[0]
