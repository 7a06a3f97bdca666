"""What `GET /v1/rooms` takes with 20,000 live sessions, in both homes: `python -m bench.rooms`. A minute.

A whole service answers over HTTP; its sessions have records of some 900 B, half of them wait. The pause is the most CPU
time that the loop, which is the client's too, spent between two turns of a task that is always ready: for so long no
webhook is answered.
"""

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import ClientSession
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import LedgerAt
from dispatcher.core.effects import Then
from dispatcher.core.facts import RoomSid
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.timeline import Entry, Said
from dispatcher.ledger import record
from dispatcher.ledger.interface import Key, Ledger, Standing, Telling
from dispatcher.ledger.redis import address
from dispatcher.telemetry.logs import Log
from tests.integration.house import TOKEN, config, rule
from tests.real.valkey import running_valkey

MANY: Final = 20_000
ASKED: Final = 100  # times each
AT_ONCE: Final = 8
NOWHERE: Final = "http://127.0.0.1:9"
QUERIES: Final = (
    "",
    "?state=served",
    "?sort=wait",
    "?limit=1000",
    "?agent=sales-7&limit=20",
    "?q=room-777",
    "?q=no-such-room",
)


def session_of(n: int, now: int) -> Session:
    """A live session: every second one is served, the others wait."""
    served = n % 2 == 0
    target = Target(f"sales-{n % 50}")
    attempt = Attempt(
        number=1, target=target, started_at=now, dispatch=f"AD_{n}", identities=(f"agent-{n}",), agent_sid=f"PA_{n}"
    )
    timeline = [Entry(at=now, said=Said.ASSIGNMENT_CREATED, assignment="line", agent=target.agent)] * 6
    assignment = Assignment(
        rule="line",
        policy=Policy(targets=(target,)),
        attempts=(attempt,) if served else (),
        last_number=1,
        attended=True,
        waiting_since=0 if served else now - n,
    )
    return Session(room=f"room-{n}", sid=RoomSid(f"RM_{n}"), assignments=(assignment,), timeline=tuple(timeline))


async def fill(ledger: Ledger, many: int = MANY) -> int:
    """So many sessions are at rest; returns the size of a record."""
    sizes = []

    async def one(n: int) -> None:
        delivery = await ledger.deliver(Key("default", f"room-{n}", f"RM_{n}"), "", b"{}")
        assert delivery.handover is not None
        session = session_of(n, delivery.handover.now)
        lines = [Standing(one.state, one.next_target.agent, one.waiting_since) for one in session.assignments]
        sizes.append(len(record.dump(session)))
        handover = delivery.handover
        await ledger.save(handover.lease, record.dump(session), handover.upto, Then.REST, telling=Telling(index=lines))

    for begin in range(0, many, AT_ONCE):
        await asyncio.gather(*(one(n) for n in range(begin, min(many, begin + AT_ONCE))))
    return max(sizes)


async def longest_pause(pauses: list[float]) -> None:
    """How much CPU time others took between two turns of a task that is always ready."""
    while True:
        left = time.thread_time()
        await asyncio.sleep(0)
        pauses.append(time.thread_time() - left)


async def measured(http: ClientSession, url: str) -> tuple[list[float], float, int]:
    """Seconds of each answer, the longest pause, and how many rooms the first answer had."""
    took, pauses, rooms = list[float](), [0.0], 0
    for n in range(ASKED):
        watch = asyncio.create_task(longest_pause(pauses))
        began = time.perf_counter()
        async with http.get(url) as answer:
            body = await answer.read()
        took.append(time.perf_counter() - began)
        watch.cancel()
        if not n:
            assert answer.status == 200, body
            rooms = len(json.loads(body)["rooms"])
    return sorted(took), max(pauses), rooms


@asynccontextmanager
async def service(redis: str | None) -> AsyncIterator[tuple[str, Ledger]]:
    """A service whose LiveKit does not answer."""
    ledger = LedgerAt("redis", address.read(redis)) if redis else None
    settings = replace(config(NOWHERE, rule("greeter")), ledger=ledger)
    async with running(settings, Log(lambda _: None, time.time), version="bench") as here:
        await asyncio.sleep(1)
        gc.collect()
        gc.freeze()  # as `dispatcher serve` does
        yield here.url, here.ledger


async def run(home: str, redis: str | None) -> None:
    """Every query, a line each."""
    async with service(redis) as (url, ledger), ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        size = await fill(ledger)
        print(f"{home}: {MANY:,} sessions, records of {size:,} B")
        for query in QUERIES:
            took, pause, rooms = await measured(http, f"{url}/v1/rooms{query}")
            p50, p99 = (took[int(len(took) * share)] * 1_000 for share in (0.5, 0.99))
            shown = f"  {query or '(newest 100)':28}{rooms:5} rooms  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms"
            print(f"{shown}  pause {pause * 1_000:5.1f} ms")


if __name__ == "__main__":
    asyncio.run(run("memory", None))
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as valkey:
        asyncio.run(run("redis", valkey.url))
