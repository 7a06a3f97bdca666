"""The OpenAPI document: valid, complete, and true of the running service."""

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from dispatcher.http.routes import ROUTES
from dispatcher.http.server import Applications, applications
from tests.integration.documented import DOCUMENT
from tests.integration.house import house
from tests.integration.test_steering import answered, asking


async def test_the_document_is_served_and_valid() -> None:
    """As OpenAPI 3.1, by a validator that others keep; whoever reads it has a token."""
    async with house() as here:
        async with asking(here) as http:
            status, served = await answered(http, "GET", "/v1/openapi.json")
        async with asking(here, token="another") as http:
            assert (await answered(http, "GET", "/v1/openapi.json"))[0] == 401
    assert (status, served) == (200, DOCUMENT)
    assert list(OpenAPIV31SpecValidator(served).iter_errors()) == []
    assert served["openapi"].startswith("3.1")


async def test_each_route_is_in_the_document_and_the_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is served below /v1 that is not documented, and nothing is documented that is not served."""
    served: set[tuple[str, str]] = set()

    def watched(*args: Any, **parts: Any) -> Applications:  # noqa: ANN401 whatever the service makes of it
        made = applications(*args, **parts)
        for route in made.webhook.router.routes():
            assert route.resource is not None
            served.add((route.method, route.resource.canonical))
        return made

    monkeypatch.setattr("dispatcher.app.applications", watched)
    async with house():
        pass
    below = {(method, path) for method, path in served if path.startswith("/v1") and method != "HEAD"}
    assert below == {(route.method, route.path) for route in ROUTES} == set(documented())


def documented() -> Iterator[tuple[str, str]]:
    """Every method and path of the document."""
    for path, item in DOCUMENT["paths"].items():
        yield from ((method.upper(), path) for method in item)
