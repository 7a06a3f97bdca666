"""How long a person waits for the agent: `python -m bench.joins`, on a real livekit-server. About four minutes.

Our service beside LiveKit's own dispatch by token and a handler that creates a dispatch at each join, join by join in
turns, so that a busy machine slows all alike. Each has a LiveKit and a worker of its own: none is seen, or paid for, by
another.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import ClientSession
from livekit.api import DeleteRoomRequest, LiveKitAPI

from bench.field.contenders import HANDLERS
from bench.ledger import percentile
from bench.witness import AGENT, PERSON, Witness, witnessing
from dispatcher.telemetry.metrics import PREFIX
from tests.e2e.house import Service, serving
from tests.real.child import Child
from tests.real.people import present
from tests.real.server import Server, free_port, listens, running_server
from tests.real.workers import start_worker, wait_registered

GREETER: Final = "greeter"
DISPATCHER: Final = "dispatcher"
HANDLER: Final = "handler"
OWN: Final = "token"  # LiveKit's own way
SCRIPT: Final = HANDLERS / "aiohttp_handler.py"
WARM_UP: Final = 2  # a worker that has newly registered has its jobs listed 5 s late
SETTLE_S: Final = 0.5  # what the service still does once the agent is there
BACKGROUND: Final = frozenset({"claim", "turn", "standings", "list", "now", "touch"})  # not for any one join
COUNTED: Final = re.compile(
    rf'^{PREFIX}(?:livekit_request|ledger)_seconds_count\{{(?:method|op)="(\w+)".*\}} (.+)$', re.MULTILINE
)


class Join(NamedTuple):
    """From the person to the agent, in ms."""

    active: float  # from the one's participant_joined webhook to the other's
    joined: float  # LiveKit's clock, from joinedAtMs to joinedAtMs: with the person's own connecting


class Side(NamedTuple):
    """One of those that are compared."""

    name: str
    server: Server
    witness: Witness
    agents: Sequence[str]  # that the person's token brings
    service: Service | None


async def join(side: Side, number: int) -> tuple[Join, Counter[str]]:
    """One person joins a new room and gets the agent; and what that cost the service."""
    room = f"{side.name}-{number}"
    before = await counted(side.service)
    async with present(side.server, room, agents=side.agents):
        person, agent = await side.witness.joined(room, PERSON), await side.witness.joined(room, AGENT)
        if side.service:
            await side.service.told("agent.joined", room=room)
        await asyncio.sleep(SETTLE_S)
        cost = await counted(side.service) - before
    async with LiveKitAPI(side.server.url, side.server.key, side.server.secret) as api:
        await api.room.delete_room(DeleteRoomRequest(room=room))
    await side.witness.all_finished({room}, within=10)
    return Join((agent.at - person.at) * 1000, agent.joined_at - person.joined_at), cost


async def counted(service: Service | None) -> Counter[str]:
    """How many LiveKit calls and ledger operations the service has made, by name."""
    if service is None:
        return Counter()
    async with ClientSession() as http, http.get(f"{service.url}/metrics") as answer:
        text = await answer.text()
    counts: Counter[str] = Counter()
    for name, count in COUNTED.findall(text):
        counts[name] += int(float(count))
    return counts


async def measure(sides: Sequence[Side], joins: int) -> None:
    """The sides' joins, in turns; prints the tables."""
    times: dict[str, list[Join]] = {side.name: [] for side in sides}
    cost: Counter[str] = Counter()
    for number in range(WARM_UP + joins):
        for side in sides:
            took, spent = await join(side, number)
            if number >= WARM_UP:
                times[side.name].append(took)
                cost += spent
    report(times, cost, joins)


def report(times: dict[str, list[Join]], cost: Counter[str], joins: int) -> None:
    """A line for each side and clock, the ratios, and what a join cost."""
    print(f"load {os.getloadavg()[0]:.1f}\n{'':30} {'n':>4} {'min':>6} {'median':>6} {'p90':>6} {'max':>6}  ms")
    for what in Join._fields:
        medians = {}
        for name, taken in times.items():
            every = sorted(float(getattr(one, what)) for one in taken)
            medians[name] = statistics.median(every)
            values = (every[0], medians[name], percentile(every, 0.9), every[-1])
            print(f"{name + ', ' + what + ' to ' + what:30} {len(every):4} " + " ".join(f"{ms:6.0f}" for ms in values))
        for name, median in medians.items():
            print(f"{name + ' to ' + OWN:30} {median / medians[OWN]:11.2f}  ratio of medians")
    each = {name: count / joins for name, count in sorted(cost.items()) if name not in BACKGROUND}
    calls = sum(count for name, count in each.items() if name[0].isupper())
    print(f"a join: {calls:.1f} LiveKit calls, {sum(each.values()) - calls:.1f} ledger operations: ", end="")
    print(", ".join(f"{name} {count:.2f}" for name, count in each.items()))


def configured(directory: Path) -> Path:
    """A configuration with one rule, and no sweep that would be counted with the joins."""
    file = directory / "dispatcher.yaml"
    rules = [{"name": "everyone", "agent": GREETER}]
    file.write_text(json.dumps({"rules": rules, "sweep": {"every": "1h"}}))  # JSON is YAML
    return file


async def main(joins: int) -> None:
    """A house for each side, and the joins."""
    async with AsyncExitStack() as stack:
        sides, workers = [], []
        for name in (DISPATCHER, HANDLER, OWN):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            witness, port = await stack.enter_async_context(witnessing()), free_port()
            hooks = [f"http://127.0.0.1:{port}/webhook"] * (name != OWN)
            server = stack.enter_context(running_server(directory, webhooks=[*hooks, witness.url]))
            service = None
            if name == DISPATCHER:
                service = stack.enter_context(serving(server, directory, port, "--config", str(configured(directory))))
            if name == HANDLER:
                command = [sys.executable, str(SCRIPT), str(port), server.url, server.key, server.secret]
                handler = stack.enter_context(Child(command, directory / "handler.log"))
                handler.wait_until(partial(listens, port), "the handler listens", within=60)
            workers.append(stack.enter_context(start_worker(server, directory, GREETER)))
            sides.append(Side(name, server, witness, (GREETER,) if name == OWN else (), service))
        wait_registered(*workers)
        await measure(sides, joins)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--joins", type=int, default=30)
    asyncio.run(main(parser.parse_args().joins))
