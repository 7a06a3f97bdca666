"""What the doctor makes of a Redis: the facts of one server, one of them changed, and the findings that are not ok."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from dispatcher.cli.doctor.findings import Finding, Grade, as_json
from dispatcher.cli.doctor.launchers import of_launchers
from dispatcher.cli.doctor.livekits import judged_clock
from dispatcher.cli.doctor.redis import judged
from dispatcher.cli.doctor.workers import of_workers
from dispatcher.cli.options import base
from dispatcher.config import LauncherSettings
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.workers import Missing, Registered, WorkersSeen, asked
from dispatcher.ledger.redis.checkup import ServerFacts
from tests.integration.house import config, rule
from tests.real.server import free_port

WELL = ServerFacts(
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
LITTLE = ServerFacts(name="db:6379", round_trip=0.4, ahead=3)  # all that a user of few rights may see


def ills(facts: ServerFacts) -> list[tuple[str, str]]:
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


GREETER = Registered(agent="greeter")
PLACES = ("http://a:8081", "dns+http://b:8081")


def told(*answers: Registered | Missing, urls: tuple[str, ...] = PLACES) -> list[tuple[str, str]]:
    """Grade and words of what is found at addresses, where rules ask for `greeter` and `sales`."""
    rules = (rule("greeter"), rule("sales"))
    settings = replace(config("ws://livekit", *rules), workers=urls)
    seen = asked(WorkersSeen(), {f"a{number}": answer for number, answer in enumerate(answers)}, 1)
    return [(finding.grade, finding.says) for finding in of_workers(seen, settings)]


def test_workers_are_told_by_name() -> None:
    """How many of each, and of which rule's agent there is none."""
    sales = Registered(agent="sales")

    assert told(GREETER, GREETER, sales) == [("ok", "registered: `greeter` x2, `sales` x1")]
    assert told(GREETER, Missing.REFUSED) == [
        ("warning", "a1: refused"),
        ("ok", "registered: `greeter` x1"),
        ("warning", "none is registered as `sales`, for which a rule asks"),
    ]


def test_a_worker_without_a_name_takes_every_room() -> None:
    """That is never what who writes rules wants."""
    assert told(Registered(agent=""))[:2] == [
        ("ok", "registered: none with a name"),
        ("warning", "a worker without agent_name takes every room, beside the agents of the rules"),
    ]


def test_what_cannot_be_known_of_workers_is_not_said() -> None:
    """Where none answers, or one leaves it open; and nothing where none is configured."""
    assert told(Missing.TIMEOUT, Missing.REFUSED) == [("warning", "a0: timeout"), ("warning", "a1: refused")]
    assert told(GREETER, Missing.TIMEOUT) == [("warning", "a1: timeout"), ("ok", "registered: `greeter` x1")]
    assert told(replace(GREETER, ready=False))[0] == ("warning", "a0: `greeter` says that it is not ready")
    assert told(GREETER, urls=()) == [
        ("skipped", "not asked: LiveKit lists none, so whether an agent is registered is not known")
    ]


def test_an_agent_that_is_misspelt_is_told_with_what_is_registered() -> None:
    """The nearest name among the workers'."""
    settings = replace(config("ws://livekit", rule("greter")), workers=PLACES)
    (finding,) = [
        one for one in of_workers(asked(WorkersSeen(), {"a": GREETER}, 1), settings) if one.grade is Grade.WARNING
    ]

    assert str(finding).endswith("none is registered as `greter`, for which a rule asks; did you mean 'greeter'?")


@pytest.mark.parametrize(
    ("ahead", "grade", "says"),
    [
        (5_000, "ok", "clock +5 s from ours"),
        (-5_001, "warning", "clock -5 s from ours"),
        (59_999, "warning", "clock +60 s from ours"),
        (-60_000, "error", "clock -60 s from ours"),
    ],
)
def test_a_livekit_with_another_time_is_told(ahead: int, grade: str, says: str) -> None:
    """From a minute on tokens are refused."""
    finding = judged_clock(ahead, "livekit default")

    assert (finding.grade, finding.says) == (grade, says)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://hooks.example:8080", "http://hooks.example:8080"),
        ("https://hooks.example/webhook", "https://hooks.example"),
        ("https://hooks.example/livekit/webhook/", "https://hooks.example/livekit"),
    ],
)
def test_the_address_that_livekit_has_names_the_service(written: str, address: str) -> None:
    """With the webhook's path or without it."""
    assert base(written) == address


def test_findings_are_one_object_for_programs() -> None:
    """Each with all its fields."""
    found = [Finding(Grade.WARNING, "a", "b", "c"), Finding(Grade.OK, "d", "e")]

    assert json.loads(as_json(found)) == {
        "findings": [
            {"grade": "warning", "about": "a", "says": "b", "remedy": "c"},
            {"grade": "ok", "about": "d", "says": "e", "remedy": ""},
        ]
    }


async def launchers_told(*stubs: int | str) -> list[tuple[str, str]]:
    """Grade and words of what is found where a rule names a launcher: by the places of each, or its URL."""
    async with AsyncExitStack() as stack:
        urls = [stub if isinstance(stub, str) else await stack.enter_async_context(places(stub)) for stub in stubs]
        wanted = Rule(name="all", policy=Policy(targets=(Target("", launcher="avatar"), Target("greeter"))))
        asked_at = LauncherSettings(name="avatar", command=(), limit=0, urls=tuple(urls))
        settings = replace(config("ws://livekit", wanted), launchers=(asked_at,))
        return [(finding.grade, finding.says) async for finding in of_launchers(settings)]


@asynccontextmanager
async def places(free: int) -> AsyncIterator[str]:
    """The address of a launcher that has so many."""

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"free": {"avatar": free}})

    app = web.Application()
    app.router.add_get("/readyz", ready)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_launchers_that_rules_name_are_asked_for_their_places() -> None:
    """One that does not answer is a warning, and so is no place; nothing is said where no rule names one."""
    away = f"http://127.0.0.1:{free_port()}"

    assert await launchers_told(1) == [("ok", "avatar: 1 free place")]
    assert await launchers_told(2, 3, away) == [
        ("warning", f"avatar: {away} does not answer"),
        ("ok", "avatar: 5 free places"),
    ]
    assert await launchers_told(0) == [("warning", "avatar: 0 free places")]
    assert [finding async for finding in of_launchers(config("ws://livekit", rule("greeter")))] == []
