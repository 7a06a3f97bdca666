"""What the doctor makes of a Redis: the facts of one server, one of them changed, and the findings that are not ok."""

import pytest
from msgspec.structs import replace

from dispatcher.cli.doctor import Finding, Grade, judged
from dispatcher.ledger.redis.checkup import Facts

WELL = Facts(
    name="db:6379",
    round_trip=0.4,
    ahead=3,
    make="redis",
    version="7.0.15",
    replica=False,
    replicas=0,
    appends=True,
    eviction="noeviction",
    memory=10_000_000,
    memory_max=0,
)
LITTLE = Facts(name="db:6379", round_trip=0.4, ahead=3)  # all that a user of few rights may see


def ills(facts: Facts) -> list[tuple[str, str]]:
    """Grade and words of every finding that is not ok."""
    return [(finding.grade, finding.says) for finding in judged(facts) if finding.grade is not Grade.OK]


def test_a_redis_as_it_should_be_has_no_ills() -> None:
    """All that is checked is said to be well."""
    assert ills(WELL) == []
    assert [finding.says for finding in judged(WELL)] == [
        "round trip 0.4 ms",
        "clock +0.0 s from ours",
        "redis 7.0.15",
        "maxmemory-policy noeviction",
        "appendonly yes",
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"round_trip": 10.0}, []),
        ({"round_trip": 10.1}, [("warning", "round trip 10.1 ms")]),
        ({"round_trip": 200.1}, [("error", "round trip 200.1 ms")]),
        ({"ahead": -2_000}, []),
        ({"ahead": -2_001}, [("warning", "clock -2.0 s from ours")]),
        ({"ahead": 60_000}, [("error", "clock +60.0 s from ours")]),
        ({"version": "6.2.14"}, [("warning", "redis 6.2.14")]),
        ({"make": "valkey", "version": "7.2.0"}, []),
        ({"make": "valkey", "version": "7.1.9"}, [("warning", "valkey 7.1.9")]),
        ({"make": "dragonfly", "version": "1.0"}, [("warning", "dragonfly 1.0")]),
        ({"eviction": "allkeys-lru"}, [("error", "maxmemory-policy allkeys-lru")]),
        ({"appends": False}, [("warning", "neither an append-only file nor a replica")]),
        ({"appends": False, "replicas": 1}, []),
        ({"replica": True}, [("error", "a replica: it refuses every write")]),
        ({"memory": 80, "memory_max": 100}, []),
        ({"memory": 81, "memory_max": 100}, [("warning", "memory 81% full")]),
    ],
)
def test_an_ill_is_found(changes: dict[str, object], found: list[tuple[str, str]]) -> None:
    """Each limit, on both sides of it."""
    assert ills(replace(WELL, **changes)) == found


def test_what_may_not_be_seen_is_a_warning() -> None:
    """Latency and clock are judged, and the rest is said to be unknown."""
    assert ills(LITTLE) == [("warning", "version, eviction and persistence are not for this user to see")]


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding(Grade.OK, "redis db", "well"), "ok       redis db: well"),
        (Finding(Grade.WARNING, "redis db", "far", "bring it nearer"), "warning  redis db: far; bring it nearer"),
    ],
)
def test_a_finding_is_one_line(finding: Finding, line: str) -> None:
    """Its grade, what it is about, what was found, and what to do where something is."""
    assert str(finding) == line
