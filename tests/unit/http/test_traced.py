"""The span of a request."""

from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from opentelemetry.trace import SpanKind, StatusCode

from dispatcher.http.traced import traced
from tests.unit.telemetry.tracing.spans import Traces


async def asked(traces: Traces, method: str, route: str, status: int) -> None:
    """A request of this method to this route was answered so."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    request = make_mocked_request(method, "/any")
    resource = Mock(canonical=route) if route else None
    request._match_info = Mock(route=Mock(resource=resource))  # noqa: SLF001  as aiohttp's own router would
    await traced(traces.process())(request, handler)


async def test_a_request_says_how_it_was_answered() -> None:
    """By the names of OpenTelemetry's conventions."""
    traces = Traces()
    await asked(traces, "POST", "/webhook", 200)
    span = traces.one("POST /webhook")
    assert (span.kind, span.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/webhook",
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize(("status", "code"), [(401, StatusCode.UNSET), (503, StatusCode.ERROR)])
async def test_what_failed_is_an_error(status: int, code: StatusCode) -> None:
    """5xx is; 4xx is whoever asked."""
    traces = Traces()
    await asked(traces, "POST", "/webhook", status)
    assert [span.status.status_code for span in traces.spans] == [code]


async def test_names_of_spans_are_ours() -> None:
    """Whatever method and path a stranger invents, it makes no name."""
    traces = Traces()
    await asked(traces, "BREW", "", 404)
    assert [span.name for span in traces.spans] == ["_OTHER"]
