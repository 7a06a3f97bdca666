"""`python -m bench.growth`: a table for each dimension in which cost may grow. Eight minutes on two idle cores."""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import ClientSession, TCPConnector

from bench.crowd import CROWD, SETTLE_S, Person, churn, cpu, send, side
from bench.growth.inside import Asked, Found
from bench.growth.outside import RATE, House, Shape, running
from bench.results import Growth, Results, Table, keep, machine
from bench.rules import ENVIRON, NUMBERS, file, person, timed
from dispatcher.config import load
from tests.real.redis_servers import alone

SESSIONS: Final = (1_000, 10_000, 100_000)
PEOPLE: Final = (10, 1_000, 5_000)
RULES: Final = (1, 100, 1_000)
METADATA_KB: Final = (1, 256)
IDLE_S: Final = 20.0
CHURN: Final = 50  # joins a second, and as many leave
CHURN_S: Final = 8.0


async def sessions(folder: Path) -> Table:
    """Live ones, in both homes."""
    said = (
        "Live sessions, at rest. Bytes each: once filled. MB: of the process after sweeps and reloads, "
        "benchmark included. A sweep's seconds are those before its looks (which come 50 a second); pause, in "
        "ms: the longest of the event loop meanwhile."
    )
    head = ["sessions", "home", "MB", "bytes each", "in Valkey", "record", "sweep s", "pause", "reload s", "pause"]
    table = Table("Sessions", said, head, [])
    for many in SESSIONS:
        for home in ("memory", "Valkey"):
            with ExitStack() as stack:
                where = folder / f"{home}-{many}"
                redis = stack.enter_context(alone(where)).url if home == "Valkey" else ""
                seen = await inside(Asked(sessions=many, redis=redis))
            each = [f"{seen.rss_mb:.0f}", f"{seen.rss_each:,.0f}", f"{seen.redis_each:,.0f}", str(seen.record)]
            spans = [f"{seen.sweep:.2f}", f"{seen.sweep_pause:.1f}", f"{seen.reload:.2f}", f"{seen.reload_pause:.1f}"]
            table.lines.append([f"{many:,}", home, *each, *spans])
    return table


async def audience(folder: Path) -> Table:
    """People in one room, for whom no agent is wanted."""
    said = f"Of one room. {CHURN} come and {CHURN} go each second, and 20 rules want an agent for none of them."
    table = Table("Audience", said, ["people", "CPU ms/webhook", "MB"], [])
    for people in PEOPLE:
        where = folder / f"crowd-{people}"
        where.mkdir()
        async with side(where, "crowd", people) as crowd, ClientSession(connector=TCPConnector(limit=0)) as http:
            await send(http, crowd, "participant_joined", Person(CROWD, 0))
            await asyncio.sleep(SETTLE_S)
            before = cpu(crowd.service.process.pid)
            await churn(http, crowd, people=people, rate=CHURN, seconds=CHURN_S)
            spent = (cpu(crowd.service.process.pid) - before) / (2 * CHURN * CHURN_S)
            table.lines.append([f"{people:,}", f"{1000 * spent:.2f}", f"{crowd.service.memory() // 1024}"])
    return table


async def rules(folder: Path) -> Table:
    """Of which nobody matches any."""
    said = "None matches. To judge one person by all of them; to load them; and the event loop's pause in a reload."
    table = Table("Rules", said, ["rules", "µs a person", "load ms", "reload s", "pause ms"], [])
    for many in RULES:
        path = file(folder, f"rules-{many}", NUMBERS, many)
        took = statistics.median(timed(partial(load, path, ENVIRON)) for _ in range(3)) / 1000
        seen = await inside(Asked(rules=many))
        judged = person(load(path, ENVIRON).rules)
        table.lines.append(
            [f"{many:,}", f"{judged:.0f}", f"{took:.0f}", f"{seen.reload:.2f}", f"{seen.reload_pause:.1f}"]
        )
    return table


async def start(folder: Path) -> Table:
    """Nothing happens."""
    said = f"From the start of the process to its being ready; then {IDLE_S:.0f} s in which nothing comes."
    table = Table("Start and idling", said, ["home", "ready s", "MB", "CPU"], [])
    for home in ("memory", "Valkey"):
        async with running(folder / home, Shape(valkey=home == "Valkey")) as house:
            idle = await house.idle(IDLE_S)
            table.lines.append([home, f"{house.ready:.1f}", str(house.memory()), f"{idle:.2%}"])
    return table


async def replicas(folder: Path) -> Table:
    """That share a Valkey, and take webhooks in turn."""
    table = Table("Replicas", f"{_given()} CPU: of all together.", ["replicas", *ROOMS], [])
    for many in (1, 2):
        async with running(folder / f"replicas-{many}", Shape(replicas=many, valkey=True)) as house:
            table.lines.append([str(many), *await given(house)])
    return table


async def projects(folder: Path) -> Table:
    """Each with a LiveKit of its own."""
    said = f"Each has a LiveKit; one has rooms. {_given()}"
    table = Table("Projects", said, ["projects", "ready s", "idle MB", "idle CPU", *ROOMS], [])
    for many in (1, 100):
        async with running(folder / f"projects-{many}", Shape(projects=many)) as house:
            memory, idle = house.memory(), await house.idle(IDLE_S / 2)
            first = [str(many), f"{house.ready:.1f}", str(memory), f"{idle:.2%}"]
            table.lines.append([*first, *await given(house)])
    return table


async def metadata(folder: Path) -> Table:
    """Of each room."""
    table = Table("Metadata", f"Of each room, which every webhook has. {_given()}", ["kB", *ROOMS], [])
    for size in METADATA_KB:
        async with running(folder / f"metadata-{size}", Shape(metadata="m" * 1024 * size)) as house:
            table.lines.append([str(size), *await given(house)])
    return table


ROOMS: Final = ("CPU ms/room", "calls", "ack p99", "create p99", "missing", "MB")
DIMENSIONS: Final[dict[str, Callable[[Path], Awaitable[Table]]]] = {
    one.__name__: one for one in (start, sessions, audience, rules, replicas, projects, metadata)
}


async def given(house: House) -> list[str]:
    """What rooms cost there."""
    row = await house.rooms()
    spans = [f"{span or float('nan'):.1f}" for span in (row.ack_p99, row.create_p99)]
    return [f"{row.cpu_ms:.2f}", f"{row.calls:.1f}", *spans, str(row.missing), str(row.memory)]


async def inside(asked: Asked) -> Found:
    """What a process of its own has found."""
    arguments = (sys.executable, "-m", "bench.growth.inside", msgspec.json.encode(asked).decode())
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0, asked
    return msgspec.json.decode(told, type=Found)


def _given() -> str:
    return f"{RATE:.0f} rooms/s, whole lives, as in the comparison above."


async def main(names: list[str], *, write: bool) -> None:
    """A table for each."""
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            folder = Path(scratch) / name
            folder.mkdir()
            tables.append(await DIMENSIONS[name](folder))
            print(f"\n{tables[-1]}", flush=True)
    if write:
        keep(partial(kept, tables))


def kept(tables: list[Table], results: Results) -> None:
    """These are among the results, in the place of those of their titles."""
    before = results.growth.tables if results.growth else []
    by_title = {one.title: one for one in (*before, *tables)}
    results.growth = Growth(machine(), list(by_title.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=DIMENSIONS, default=list(DIMENSIONS))
    parser.add_argument("--write", action="store_true", help="keep the figures in results.json, and make the page anew")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.only, write=chosen.write))
