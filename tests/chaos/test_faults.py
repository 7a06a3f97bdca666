"""Every fault once, on real replicas: nothing accepted is lost, nobody has two agents, the audit has no complaint."""

from pathlib import Path

import pytest

from tests.chaos.faults import CASES, NEEDS_TLS
from tests.chaos.play import play
from tests.real.redis_servers import debian_redis, valkey

QUICK = ("every event to two replicas", "redis restarted, data kept", "FLUSHALL")
ANSWERED_WITHIN_S = 1.5


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.real if name in QUICK else pytest.mark.long) for name in CASES]
)
async def test_w11_r1_r2_whatever_fails_no_accepted_event_is_lost(name: str, tmp_path: Path) -> None:
    """Two replicas, one harm: every room ends with its one agent, and each webhook was answered in time."""
    make = debian_redis() if name == NEEDS_TLS else valkey()
    row = await play(name, CASES[name], make, tmp_path, runs=1, replicas=2)

    assert row.complaints == []
    assert (row.lost, row.twice, row.surplus) == (0, 0, 0)
    assert row.accepted > 0
    assert row.slowest < ANSWERED_WITHIN_S
