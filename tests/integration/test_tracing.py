"""The running service, traced: a person joins, and the trace leads from the webhook into the agent's own spans."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from opentelemetry.propagate import extract
from opentelemetry.trace import get_current_span

from dispatcher import app
from dispatcher.telemetry.masks import Mask
from tests.integration.house import TOKEN, House, house
from tests.unit.telemetry.tracing.spans import Traces, id_of, trace_of

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """Of the service, as if somebody had set a provider before it was started."""
    made = Traces()

    def in_force(mask: Mask) -> object:
        made.mask = mask
        return made.process()

    monkeypatch.setattr(app, "in_force", in_force)
    return made


@asynccontextmanager
async def with_greeter() -> AsyncIterator[House]:
    """A house, and a worker that serves."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        yield here


def handed_on(here: House) -> Mapping[str, str]:
    """What the agent's job says, as its worker has it."""
    (dispatch,) = here.livekit.rooms.dispatches_in("lobby")
    return dict(dispatch.state.jobs[0].attributes)


async def test_a_join_is_one_trace_into_the_agent(traces: Traces) -> None:
    """Webhook, look, create, served; and what the agent reads of its job's attributes is the place of its request."""
    async with with_greeter() as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.idle()
        attributes = handed_on(here)
    request = traces.one("agent.request")
    agents = get_current_span(extract(attributes)).get_span_context()
    assert (agents.trace_id, agents.span_id) == (trace_of(request), id_of(request))
    one = [f"{traces.parent(span)} > {span.name}" for span in traces.spans if trace_of(span) == trace_of(request)]
    assert {
        " > POST /webhook",
        "POST /webhook > ledger deliver",
        "POST /webhook > drive",
        "drive > room.look",
        "room.look > LiveKit ListRooms",
        "drive > agent.request",
        "agent.request > LiveKit CreateDispatch",
        "POST /webhook > agent.wait",
    } <= set(one)


async def test_an_agent_that_an_application_asks_for_is_part_of_its_trace(traces: Traces) -> None:
    """From the application's own span through the API to the agent."""
    async with with_greeter() as here, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {TOKEN}", "traceparent": CALLER}
        asked = {"room": "lobby", "agent": "greeter", "create_room": True}
        async with http.post(f"{here.service.admin_url}/v1/dispatches", json=asked, headers=headers) as answer:
            assert answer.status == 202
        await here.told("dispatch.requested")
        await here.idle()
    assert {f"{trace_of(span):x}" for span in traces.named("agent.request")} == {CALLER.split("-")[1]}


async def test_what_nobody_has_signed_joins_no_trace_and_makes_no_names(traces: Traces) -> None:
    """A webhook's headers are not signed; probes and metrics, which come all the time, are not traced."""
    async with house() as here, aiohttp.ClientSession() as http:
        headers = {"traceparent": CALLER}
        for method, path in (
            ("POST", "/webhook"),
            ("POST", "//webhook/"),
            ("GET", "/wp-login.php"),
            ("GET", "/healthz"),
            ("GET", "/metrics"),
        ):
            async with http.request(method, f"{here.service.url}{path}", headers=headers):
                pass
    assert [span.name for span in traces.spans] == ["POST /webhook", "POST /webhook", "GET"]
    assert {span.parent for span in traces.spans} == {None}
