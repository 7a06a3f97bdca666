"""Who may do what: each route, by each scope, in a project of the token's and in another one."""

from typing import Any, Final, NamedTuple

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.config import ApiToken, Scope
from dispatcher.http import guard
from dispatcher.http.routes import ROUTES
from tests.integration.test_steering import asking, token, tokens

EVERYBODY: Final = frozenset[Scope]({"read", "dispatch", "admin"})
READERS: Final = frozenset[Scope]({"read", "admin"})
DISPATCHERS: Final = frozenset[Scope]({"dispatch", "admin"})
ADMINS: Final = frozenset[Scope]({"admin"})
AGENT: Final = b'{"room": "lobby", "agent": "greeter"}'
LOBBY: Final = "?room=lobby&assignment=front"


class Row(NamedTuple):
    """A route: who may, what is sent, and what is answered to a token of another project."""

    may: frozenset[Scope]
    path: str = ""  # with names and query; "": the route's own
    body: bytes | None = None
    elsewhere: int = 200


MATRIX: Final = {
    ("GET", "/v1/openapi.json"): Row(READERS),
    ("GET", "/v1/whoami"): Row(EVERYBODY),
    ("GET", "/v1/rooms"): Row(READERS),
    ("GET", "/v1/rooms/{room}"): Row(READERS, "/v1/rooms/lobby", elsewhere=404),
    ("GET", "/v1/room"): Row(READERS, "/v1/room?room=lobby", elsewhere=404),
    ("POST", "/v1/rooms/{room}/look"): Row(DISPATCHERS, "/v1/rooms/lobby/look", elsewhere=404),
    ("POST", "/v1/room/look"): Row(DISPATCHERS, "/v1/room/look?room=lobby", elsewhere=404),
    ("DELETE", "/v1/rooms/{room}/assignments/{assignment}"): Row(
        DISPATCHERS, "/v1/rooms/lobby/assignments/front", elsewhere=404
    ),
    ("DELETE", "/v1/room/assignment"): Row(DISPATCHERS, f"/v1/room/assignment{LOBBY}", elsewhere=404),
    ("POST", "/v1/rooms/{room}/assignments/{assignment}/retry"): Row(
        DISPATCHERS, "/v1/rooms/lobby/assignments/front/retry", elsewhere=404
    ),
    ("POST", "/v1/room/assignment/retry"): Row(DISPATCHERS, f"/v1/room/assignment/retry{LOBBY}", elsewhere=404),
    ("POST", "/v1/dispatches"): Row(DISPATCHERS, body=AGENT, elsewhere=422),
    ("GET", "/v1/agents"): Row(READERS),
    ("POST", "/v1/agents/{agent}/pause"): Row(DISPATCHERS, "/v1/agents/greeter/pause", elsewhere=422),
    ("POST", "/v1/agents/{agent}/resume"): Row(DISPATCHERS, "/v1/agents/greeter/resume", elsewhere=422),
    ("GET", "/v1/workers"): Row(READERS),
    ("GET", "/v1/events"): Row(READERS),
    ("GET", "/v1/stats"): Row(READERS),
    ("GET", "/v1/config"): Row(ADMINS, elsewhere=403),
    ("POST", "/v1/sweep"): Row(ADMINS, elsewhere=202),
    ("POST", "/v1/reload"): Row(ADMINS, elsewhere=202),
}


async def asked(http: aiohttp.ClientSession, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
    """The status and the body; of a stream, which has no end, the status."""
    async with http.request(method, path, data=body) as answer:
        stream = answer.content_type == "text/event-stream"
        return answer.status, {} if stream else await answer.json(content_type=None)


def test_each_route_has_its_row() -> None:
    """A new route is asked who may."""
    assert set(MATRIX) == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("scope", sorted(EVERYBODY))
async def test_a_token_may_what_its_scope_says(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route: it is done, or 403; with another token, or none, it is 401."""
    monkeypatch.setattr(guard, "GUESSED_S", 0.0)  # else the eleventh guess waits
    async with tokens(token(scope)) as here, asking(here) as http, asking(here, token="another") as guesser:
        for (method, route), row in MATRIX.items():
            path = row.path or route
            status, told = await asked(http, method, path, row.body)
            assert (status < 400) is (scope in row.may), (method, path, status, told)
            assert scope in row.may or (status, told["error"]) == (403, "forbidden")
            status, told = await asked(guesser, method, path, row.body)
            assert (status, told["error"]) == (401, "unauthorized")


async def test_a_token_of_another_project_reaches_nothing_of_this_one() -> None:
    """Its rooms are as if they were not there, and its agents cannot be ordered or paused."""
    stranger: ApiToken = replace(token("admin"), projects=frozenset({"other"}))
    async with tokens(stranger) as here, asking(here) as http:
        for (method, route), row in MATRIX.items():
            status, told = await asked(http, method, row.path or route, row.body)
            assert status == row.elsewhere, (method, route, told)
            assert "greeter" not in str(told) or route == "/v1/openapi.json", (method, route, told)
        assert {call.method for call in here.livekit.calls} & {"DeleteDispatch", "RemoveParticipant"} == set()
        assert len(here.livekit.rooms.agents_in("lobby")) == 1
