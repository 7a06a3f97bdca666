"""docs/starved-room.md shows the alert as a real Prometheus tells it."""

from pathlib import Path

import pytest

from tests.e2e.starved_room import fired
from tests.integration.starved_room import documented, stable, starved_room
from tests.real.prometheus import need_prometheus, scraping

pytestmark = pytest.mark.real


async def test_the_document_shows_the_alert(tmp_path: Path) -> None:
    """With its labels, its words, and the way to the runbook."""
    need_prometheus()
    async with starved_room() as (here, _):
        with scraping(here, tmp_path) as url:
            told = await fired(url)

    assert stable(told) == stable(documented()["The alert"])
