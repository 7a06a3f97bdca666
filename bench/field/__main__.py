"""`python -m bench.field`: all of them, in one run.

The server has one core, whoever measures (a LiveKit that answers in 0.3 ms, the sender of webhooks, Valkey) the other.
Each rate is offered to each in turn, every room with a name of its own. A span counts from when a webhook was due.
Below the figures of a rate: how many times as much each takes as a handler on aiohttp with livekit-api.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.field import contenders
from bench.field.contenders import Contender
from bench.field.load import Figures, Load
from tests.real.server import free_port

RATES: Final = (50, 100, 200, 300)
SECONDS: Final = 10
WARM_UP: Final = 100  # rooms
HEADER: Final = (
    f"{'':30} rooms/s  CPU ms/room  busy  calls  ack p50   p99  create p50    p99  missing twice failed   MB"
)


class Stand(NamedTuple):
    """One contender, and the load that it gets."""

    contender: Contender
    load: Load


class Row(NamedTuple):
    """One contender at one rate."""

    name: str
    rate: int
    cpu_ms: float  # a room
    memory: int
    figures: Figures

    def __str__(self) -> str:
        figures = self.figures
        return (
            f"{self.name:30} {self.rate:7}  {self.cpu_ms:11.2f} {self.cpu_ms * self.rate / 10:4.0f}%"
            f" {figures.calls / figures.rooms:6.1f} {at(figures.acknowledged, 0.5):8.1f}"
            f" {at(figures.acknowledged, 0.99):5.1f} {at(figures.created, 0.5):11.1f} {at(figures.created, 0.99):6.1f}"
            f" {figures.missing:8} {figures.twice:5} {figures.failed:6} {self.memory:4}"
        )


def times(row: Row, base: Row) -> str:
    """How many times as much the one takes as the other, below the columns of their figures."""
    one, other = row.figures, base.figures
    pairs = [
        (11, row.cpu_ms, base.cpu_ms),
        (12, one.calls / one.rooms, other.calls / other.rooms),
        *(
            (width, at(one.acknowledged, share), at(other.acknowledged, share))
            for width, share in ((8, 0.5), (5, 0.99))
        ),
        *((width, at(one.created, share), at(other.created, share)) for width, share in ((11, 0.5), (6, 0.99))),
        (26, row.memory, base.memory),
    ]
    shown = " ".join(f"{mine / its if its else float('nan'):{width - 1}.2f}x" for width, mine, its in pairs)
    return f"  {row.name:28} {row.rate:7}  {shown}"


def at(spans: Sequence[float], share: float) -> float:
    """The span that so many of them do not exceed; nan: there are none."""
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def measure(stand: Stand, rate: int, seconds: float) -> Row:
    """One contender at one rate."""
    rooms, before = int(rate * seconds), stand.contender.cpu()
    figures = await stand.load.run(rate, rooms)
    used = stand.contender.cpu() - before
    return Row(stand.contender.name, rate, 1000 * used / rooms, stand.contender.memory(), figures)


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


async def main(names: Sequence[str], rates: Sequence[int], seconds: float) -> None:
    """A line for each contender at each rate."""
    print(HEADER)
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
        for rate in rates:
            rows = []
            for stand in stands:
                rows.append(await measure(stand, rate, seconds))
                print(rows[-1], flush=True)
            for base in (row for row in rows if row.name == contenders.AIOHTTP):
                print(*(times(row, base) for row in rows if row is not base), sep="\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=contenders.ALL, default=contenders.ALL)
    parser.add_argument("--rates", nargs="+", type=int, default=RATES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.only, chosen.rates, chosen.seconds))
