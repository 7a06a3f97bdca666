"""`python -m bench.field`: all of them, in one run. `--all` takes a quarter of an hour.

The server has one core, whoever measures (a LiveKit that answers in 0.3 ms, the sender of webhooks, Valkey) the other.
Each rate is offered to each in turn, every room with a name of its own. A span counts from when a webhook was due.
Below the figures of a rate: how many times as much each takes as a handler on aiohttp with livekit-api.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from bench.field import contenders
from bench.field.contenders import Contender
from bench.field.load import Load
from bench.field.rows import HEADER, Row, line, times
from bench.field.saturation import Saturation, saturate
from bench.results import keep
from tests.real.server import free_port

RATES: Final = (20, 50, 100, 150, 200, 300)
SECONDS: Final = 10.0
PROBED_S: Final = 5.0  # each rate on the way to saturation
BUSY: Final = (100, 1_000)  # rooms, and other webhooks, a second
LIVES: Final = 100  # rooms a second that end, too
WARM_UP: Final = 100  # rooms


class Stand(NamedTuple):
    """One contender, and the load that it gets."""

    contender: Contender
    load: Load


async def measure(stand: Stand, rate: float, seconds: float, background: float = 0, *, ends: bool = False) -> Row:
    """One contender at one rate."""
    rooms, before, began = int(rate * seconds), stand.contender.cpu(), time.monotonic()
    figures = await stand.load.run(rate, rooms, background, ends=ends)
    used = stand.contender.cpu() - before
    figures.pause = stand.contender.longest_pause(began)
    row = Row.of(stand.contender.name, rate, used, stand.contender.memory(), figures)
    await stand.load.clear()
    return row


@asynccontextmanager
async def standing(name: str, directory: Path) -> AsyncIterator[Stand]:
    """The contender is warm."""
    port, loop = free_port(), asyncio.get_running_loop()
    load = Load(port)
    server = await loop.create_server(load.livekit.connected, "127.0.0.1", 0)
    livekit = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with AsyncExitStack() as stack:
        stack.callback(server.close)
        contender = stack.enter_context(contenders.running(name, directory, port, livekit))
        await listening(contender)
        await load.run(WARM_UP / 2, WARM_UP)
        yield Stand(contender, load)


async def listening(contender: Contender) -> None:
    """It takes connections. Raises TimeoutError with what it has written."""
    try:
        async with asyncio.timeout(contenders.START_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", contender.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError:
        raise TimeoutError(f"{contender.name}:\n{contender.process.output()[-2000:]}") from None


@asynccontextmanager
async def all_standing(names: Sequence[str]) -> AsyncIterator[list[Stand]]:
    """Those that can run here."""
    async with AsyncExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {contenders.LOAD_CORE})
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stands = []
        for number, name in enumerate(names):
            if why := contenders.unavailable(name):
                print(f"{name:30} skipped: {why}")
                continue
            stands.append(await stack.enter_async_context(standing(name, scratch / str(number))))
        yield stands


async def compared(measured: Iterable[Awaitable[Row]]) -> list[Row]:
    """A line for each contender, and below how many times as much."""
    rows = []
    for row in measured:
        rows.append(await row)
        print(line(rows[-1]), flush=True)
    for base in (row for row in rows if row.name == contenders.AIOHTTP):
        print(*(times(row, base) for row in rows if row is not base), sep="\n", flush=True)
    return rows


async def saturated(stands: Sequence[Stand]) -> list[Saturation]:
    """The highest rate that each holds."""
    print(f"\n{'':30} rooms/s held  create p99  beyond")
    found = []
    for stand in stands:
        one = await saturate(stand.contender.name, partial(measure, stand, seconds=PROBED_S))
        print(f"{one.name:30} {one.held:12.0f} {one.create_p99 or float('nan'):11.1f}  {one.gave_way}", flush=True)
        found.append(one)
    return found


async def main(chosen: argparse.Namespace) -> None:
    """A table of the rates, and what else was asked for; each is kept as soon as it is there."""
    span = chosen.seconds

    def found(part: str, figures: Sequence[Row | Saturation]) -> None:
        if chosen.write:
            keep(lambda results: results.with_part(part, figures))

    async with all_standing(chosen.only) as stands:
        if chosen.rates:
            print(HEADER)
            tables = [await compared(measure(stand, rate, span) for stand in stands) for rate in chosen.rates]
            found("rates", list(chain.from_iterable(tables)))
        if chosen.lives or chosen.all:
            print(f"\n{LIVES} rooms/s that end 3 s later")
            found("lives", await compared(measure(stand, LIVES, span, ends=True) for stand in stands))
        if chosen.busy or chosen.all:
            print("\n{} rooms/s, and {:,} webhooks/s of which one in four is of a room with an agent".format(*BUSY))
            found("busy", await compared(measure(stand, BUSY[0], span, BUSY[1]) for stand in stands))
        if chosen.saturate or chosen.all:
            found("saturation", await saturated(stands))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=contenders.ALL, default=contenders.ALL)
    parser.add_argument("--rates", nargs="*", type=float, default=RATES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--busy", action="store_true", help="also beside a thousand webhooks that ask for no agent")
    parser.add_argument("--saturate", action="store_true", help="also the highest rate that each holds")
    parser.add_argument("--lives", action="store_true", help="also rooms that end")
    parser.add_argument("--all", action="store_true", help="all of these")
    parser.add_argument("--write", action="store_true", help="keep the figures in results.json, and make the page anew")
    asyncio.run(main(parser.parse_args()))
