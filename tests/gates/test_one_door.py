"""One door for each library, and a core that reaches for nothing: what the layers of import-linter cannot say.

It knows `livekit` but not `livekit.api`, and the standard library not at all.
"""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.gates.tree import modules

DOORS: Mapping[str, tuple[str, ...]] = {
    "redis": ("ledger.redis",),
    "livekit.api": ("livekit.client", "livekit.tokens"),
    "livekit.protocol": ("livekit", "expressions", "testing"),
    "prometheus_client": ("telemetry.metrics", "telemetry.exposition", "telemetry.launch_metrics"),
    "opentelemetry": ("telemetry.tracing",),
    "rich": ("cli.screen",),
    "jwt": ("livekit.webhook", "livekit.join_token", "testing"),
    "psutil": ("launcher.kin",),
    "cel_expr_python": ("expressions",),
    "yaml": ("config",),
    "pydantic": ("config",),
    "tenacity": ("livekit.client",),
    "dispatcher.ledger.redis": (
        "ledger.redis",
        "config.types",
        "config.environment",
        "runtime.home",
        "cli.doctor.redis",
    ),
    "dispatcher.testing": ("testing", "kit", "cli.demo", "cli.fake_livekit"),
}
WALL_CLOCK: Mapping[str, str] = {
    "app": "webhooks' tokens are judged by it",
    "runtime.home": "the memory ledger's clock begins with it",
    "cli.doctor.livekits": "compares it with LiveKit's own",
    "cli.doctor.way_in": "signs what is sent, and says how long ago a webhook came",
    "cli.demo": "stamps the log",
    "cli.notify_test": "signs what is sent",
    "cli.launcher": "judges tokens by it",
    "cli.logged": "stamps the log",
    "cli.send_test": "signs what is sent",
    "kit": "stamps the log",
    "livekit.tokens": "tokens say from when until when they are good",
    "ledger.redis.checkup": "compares it with Redis's own",
    "telemetry.tracing": "stamps spans",
    "testing": "LiveKit's clock",
}
CORE_MAY = frozenset(
    {"bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq", "itertools", "json", "math"}
    | {"operator", "re", "string", "types", "typing", "zlib", "msgspec"},
)


def imports(source: str) -> Iterator[str]:
    """Dotted names of everything imported, wherever in the file; `from a import b` gives both `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def inside(name: str, packages: tuple[str, ...]) -> bool:
    """The dotted name is one of the packages, or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def wrong_doors(module: str, source: str) -> set[str]:
    """Libraries that the module imports though their door is elsewhere."""
    found = set(imports(source))
    return {
        library
        for library, doors in DOORS.items()
        if not inside(module, doors) and any(inside(name, (library,)) for name in found)
    }


def reads_the_wall_clock(source: str) -> bool:
    """Whether it reads the clock that an operator, or NTP, may set."""
    clocks = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in clocks:
                return True
            case ast.ImportFrom(module="time", names=names) if {"time", "time_ns"} & {alias.name for alias in names}:
                return True
    return False


def impurities(source: str) -> set[str]:
    """What a module of the core reaches for and must not: a clock, IO, logging, async, a library."""
    own = {"dispatcher.core"}
    found = {name for name in imports(source) if not inside(name, (*CORE_MAY, *own)) and name != "dispatcher"}
    asynchronous = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    if any(isinstance(node, asynchronous) for node in ast.walk(ast.parse(source))):
        found.add("async")
    return found


def test_every_library_comes_in_through_its_own_door() -> None:
    """A library is imported by the modules named for it alone."""
    found = {name: wrong for name, path in modules().items() if (wrong := wrong_doors(name, path.read_text()))}

    assert not found


def test_r4_a_clock_that_jumps_moves_no_timer() -> None:
    """The machine's clock is read where nothing is timed by it: timers have the ledger's, or one that never jumps."""
    found = {name for name, path in modules().items() if reads_the_wall_clock(path.read_text())}

    assert {next((door for door in WALL_CLOCK if inside(name, (door,))), name) for name in found} == set(WALL_CLOCK)


@pytest.mark.parametrize("source", ["time.time()", "time.time_ns()", "datetime.now(UTC)", "from time import time"])
def test_the_wall_clock_is_recognised(source: str) -> None:
    """However it is read."""
    assert reads_the_wall_clock(source)
    assert not reads_the_wall_clock("time.monotonic()")


def test_the_core_is_pure() -> None:
    """The core imports nothing that could wait, read a clock, or speak to the world."""
    core = {name: path for name, path in modules().items() if inside(name, ("core",))}

    found = {name: impure for name, path in core.items() if (impure := impurities(path.read_text()))}

    assert core
    assert not found


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("engine.reconciler", "import redis.asyncio", {"redis"}),
        ("ledger.memory", "from redis import Redis", {"redis"}),
        ("ledger.redis.client", "from redis.asyncio import Redis", set()),
        ("engine.sweep", "from livekit import api", {"livekit.api"}),
        ("testing.fake", "from livekit import protocol", set()),
        ("testing.fake", "from livekit.api import LiveKitAPI", {"livekit.api"}),
        ("engine.reconciler", "def f():\n    import jwt", {"jwt"}),
        ("cli.main", "from dispatcher import testing", {"dispatcher.testing"}),
        ("cli.demo", "from dispatcher.testing.fake import FakeLiveKit", set()),
        ("engine.reconciler", "import redistribution", set()),
    ],
)
def test_a_second_door_is_found(module: str, source: str, wrong: set[str]) -> None:
    """However and wherever it is imported, a library outside its door is named."""
    assert wrong_doors(module, source) == wrong


@pytest.mark.parametrize(
    ("source", "impure"),
    [
        ("from msgspec import Struct", set()),
        ("from dispatcher.core.facts import Event", set()),
        ("import time", {"time"}),
        ("from datetime import datetime", {"datetime", "datetime.datetime"}),
        ("import logging", {"logging"}),
        (
            "from dispatcher.telemetry.metrics import Metrics",
            {"dispatcher.telemetry.metrics", "dispatcher.telemetry.metrics.Metrics"},
        ),
        ("async def f(): ...", {"async"}),
    ],
)
def test_an_impurity_is_found(source: str, impure: set[str]) -> None:
    """A clock, a log, another layer or an async function in the core is named."""
    assert impurities(source) == impure
