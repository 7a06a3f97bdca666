"""How long a person waits for the agent: `python -m bench.joins`, on a real livekit-server. About two minutes.

Our service beside LiveKit's own dispatch by token, join by join in turns, so that a busy machine slows both alike. Each
has a LiveKit and a worker of its own: neither is seen, or paid for, by the other.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import ClientSession
from livekit.api import DeleteRoomRequest, LiveKitAPI

from bench.ledger import percentile
from bench.witness import AGENT, PERSON, Witness, witnessing
from tests.e2e.house import Service, serving
from tests.real.people import present
from tests.real.server import Server, free_port, running_server
from tests.real.workers import start_worker, wait_registered

GREETER: Final = "greeter"
WARM_UP: Final = 2  # a worker that has newly registered has its jobs listed 5 s late
SETTLE_S: Final = 0.5  # what the service still does once the agent is there
BACKGROUND: Final = frozenset({"claim", "turn", "standings", "list", "now", "touch"})  # not for any one join
COUNTED: Final = re.compile(
    r'^dispatcher_(?:livekit_request|ledger)_seconds_count\{(?:method|op)="(\w+)".*\} (.+)$', re.MULTILINE
)


class Join(NamedTuple):
    """From the person to the agent, in ms."""

    active: float  # from the one's participant_joined webhook to the other's
    joined: float  # LiveKit's clock, from joinedAtMs to joinedAtMs: with the person's own connecting


class Side(NamedTuple):
    """One of the two that are compared."""

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
        medians = []
        for name, taken in times.items():
            every = sorted(float(getattr(one, what)) for one in taken)
            medians.append(statistics.median(every))
            values = (every[0], medians[-1], percentile(every, 0.9), every[-1])
            print(f"{name + ', ' + what + ' to ' + what:30} {len(every):4} " + " ".join(f"{ms:6.0f}" for ms in values))
        print(f"{'ratio of medians':30} {medians[0] / medians[1]:11.2f}")
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
    """Two houses, one with the service; and the joins."""
    with ExitStack() as stack:
        ours, theirs = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        port = free_port()
        async with witnessing() as here, witnessing() as there:
            hooks = [f"http://127.0.0.1:{port}/webhook", here.url]
            our_server = stack.enter_context(running_server(ours, webhooks=hooks))
            their_server = stack.enter_context(running_server(theirs, webhooks=[there.url]))
            service = stack.enter_context(serving(our_server, ours, port, "--config", str(configured(ours))))
            workers = [
                stack.enter_context(start_worker(server, directory, GREETER))
                for server, directory in ((our_server, ours), (their_server, theirs))
            ]
            wait_registered(*workers)
            sides = (
                Side("dispatcher", our_server, here, (), service),
                Side("token", their_server, there, (GREETER,), None),
            )
            await measure(sides, joins)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--joins", type=int, default=20)
    asyncio.run(main(parser.parse_args().joins))
