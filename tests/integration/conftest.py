"""Every answer of the API that a test of this folder gets is held to the OpenAPI document."""

from collections.abc import Iterator

import pytest
from aiohttp import web

from dispatcher.config import Scope
from dispatcher.http.guard import Guard, Guarded
from tests.integration.documented import disagreement


@pytest.fixture(autouse=True)
def every_answer_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Status, content type, headers and body."""
    answered, found = Guard._answer, list[str]()  # noqa: SLF001 where every answer of the API comes by

    async def watched(self: Guard, request: web.Request, scope: Scope, handler: Guarded) -> web.StreamResponse:
        answer = await answered(self, request, scope, handler)
        if (wrong := disagreement(request, answer)) is not None:
            found.append(wrong)
        return answer

    monkeypatch.setattr(Guard, "_answer", watched)
    yield
    assert found == []
