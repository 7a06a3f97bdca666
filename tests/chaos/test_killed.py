"""Law 9 with Redis: wherever a replica dies, the next one brings the room to its one agent."""

from pathlib import Path

import pytest

from tests.chaos.deaths import around_every_call
from tests.real.redis_servers import valkey


@pytest.mark.long
async def test_law_9_killed_around_every_call_of_a_join_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Killed before and after each call of a join, without a sweep: one agent, asked for once by each attempt."""
    deaths = await around_every_call(tmp_path, valkey())

    assert [death.call for death in deaths].count("CreateDispatch") == 2
    assert [death for death in deaths if death.wrong] == []
