"""`python -m tests.chaos.soak`: three replicas for 20 minutes, people who come and go, and one harm after the other.

A line each minute, a table of the harms at the end, and the audit. Exit code 0: nothing was lost and nothing is untrue.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.chaos import faults, places
from tests.chaos.crowd import Crowd
from tests.chaos.faults import HARM_S, Harm
from tests.chaos.play import HEADER, judged
from tests.chaos.scene import Scene, staged
from tests.gates.monitoring import FOREIGN, asked_for, queries, rules
from tests.real.proxy import BlackHole, Latency, Refuse, ResetAfterSend
from tests.real.redis_servers import valkey

PER_SECOND: Final = 3.0  # rooms
STAY_S: Final = (3.0, 40.0)
BETWEEN_S: Final = (2.0, 8.0)  # from a recovery to the next harm
SWEEP: Final = "10s"
MINUTE_S: Final = 60.0
UNUSED: Final = frozenset(
    {  # series of what these replicas are not configured to do, or of what need not happen
        "livekit_dispatcher_agents_left_total",
        "livekit_dispatcher_notices_total",
        "livekit_dispatcher_notices_waiting",
        "livekit_dispatcher_probe_consecutive_failures",
        "livekit_dispatcher_probe_seconds_bucket",
        "livekit_dispatcher_workers",
    }
)


async def livekit_away(scene: Scene) -> None:
    """LiveKit's API refuses connections; its rooms and webhooks go on."""
    await scene.livekit.stop_api()
    await asyncio.sleep(HARM_S)
    await scene.livekit.start_api()


async def livekit_forgetful(scene: Scene) -> None:
    """Of the next calls some are executed and never answered, some fail, some break."""
    scene.livekit.faults.lose_replies("CreateDispatch", 3)
    scene.livekit.faults.reset("ListParticipants", 3)
    scene.livekit.faults.fail("ListRooms", 503, 3)
    scene.livekit.faults.refuse(429, retry_after=1, times=2)
    await asyncio.sleep(HARM_S)
    scene.livekit.faults.clear()


async def webhooks_lost(scene: Scene) -> None:
    """The next webhooks are lost, repeated or late."""
    scene.livekit.faults.lose_webhooks(5)
    scene.livekit.faults.duplicate_webhooks(3, times=5)
    scene.livekit.faults.delay_webhooks(2.0, times=5)
    await asyncio.sleep(HARM_S)
    scene.livekit.faults.clear()


async def restart_gently(scene: Scene) -> None:
    """A replica is told to stop, as in a deployment, and starts again."""
    replica = random.choice(scene.replicas)  # noqa: S311 - a test
    await asyncio.to_thread(replica.stop)
    replica.start()


HARMS: Final[Mapping[str, Harm]] = {
    "a replica killed": faults.kill_a_replica,
    "every replica killed": faults.kill_every_replica,
    "a replica restarted": restart_gently,
    "redis restarted": faults.restart,
    "redis hangs": faults.hang,
    "FLUSHALL": faults.flush,
    "SCRIPT FLUSH": faults.flush_scripts,
    "READONLY": faults.read_only,
    "OOM": faults.full,
    "network: latency 200 ms": partial(faults.harm_network, Latency(0.2)),
    "network: reset after sending": partial(faults.harm_network, ResetAfterSend()),
    "network: black hole": partial(faults.harm_network, BlackHole()),
    "network: refused": partial(faults.harm_network, Refuse()),
    "livekit away": livekit_away,
    "livekit forgetful": livekit_forgetful,
    "webhooks lost, late, repeated": webhooks_lost,
}


def say(text: str) -> None:
    """A line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def tell(scene: Scene) -> None:
    """How things stand, each minute."""
    say(
        f"{'min':>5}{'rooms':>8}{'live':>6}{'wrong':>7}{'accepted':>10}{'given up':>10}"
        f"{'MiB':>16}{'redis MiB':>11}{'load':>7}"
    )
    began = time.monotonic()
    while True:
        await asyncio.sleep(MINUTE_S)
        sizes = " ".join(f"{replica.memory() // 1024}" for replica in scene.replicas if replica.process.running)
        memory = scene.place.memory() / 2**20 if scene.place.server.answers() else 0.0
        say(
            f"{(time.monotonic() - began) / 60:5.1f}{len(scene.crowd.rooms):8}{len(scene.livekit.rooms.names()):6}"
            f"{len(scene.wrong()):7}{len(scene.balancer.accepted()):10}{len(scene.given_up()):10}{sizes:>16}"
            f"{memory:11.1f}{os.getloadavg()[0]:7.1f}"
        )


async def harmed(scene: Scene, seconds: float) -> Mapping[str, list[float]]:
    """By harm, how long each recovery took; every harm in turn, in an order of its own each time."""
    dice = random.Random(1)  # noqa: S311 - a repeatable test
    recoveries: defaultdict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds
    while True:
        for name in dice.sample(list(HARMS), len(HARMS)):
            if time.monotonic() > end:
                return recoveries
            await asyncio.sleep(dice.uniform(*BETWEEN_S))
            await HARMS[name](scene)
            await scene.recovered()
            recoveries[name].append(scene.recoveries[-1])


async def not_exposed(scene: Scene) -> list[str]:
    """The series that alerts, the dashboard and what scales ask for, and that is in no replica's metrics."""
    exposed = {name.partition("{")[0] for replica in scene.replicas for name in await replica.series()}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return sorted({name for _, query in queries() for name in asked_for(query)} - exposed - recorded - FOREIGN)


async def soak(minutes: float, directory: Path) -> int:
    """The number of things that went wrong, 1 at most."""
    people = partial(Crowd, leaving=1.0, after=STAY_S)
    async with staged(directory, places.behind_a_proxy, valkey(), sweep=SWEEP, people=people) as scene:
        coming = asyncio.create_task(scene.crowd.come(minutes * 60 + 3600, PER_SECOND))
        telling = asyncio.create_task(tell(scene))
        recoveries = await harmed(scene, minutes * 60)
        coming.cancel()
        telling.cancel()
        blind = await not_exposed(scene)
        row = await judged(f"soak, {minutes:g} min", sum(map(len, recoveries.values())), scene)
    say(f"\n{'harm':38}{'runs':>5}{'recovery s: median':>20}{'longest':>9}")
    for name, took in recoveries.items():
        say(f"{name:38}{len(took):5}{statistics.median(took):20.1f}{max(took):9.1f}")
    say(f"\n{HEADER}\n{row}")
    for complaint in row.complaints[:20]:
        say(f"    {complaint[:1000]}")
    say(f"\nseries that alerts and panels ask for, and that no replica has: {', '.join(blind) or 'none'}")
    return int(bool(row.lost or row.complaints or set(blind) - UNUSED))


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return asyncio.run(soak(chosen.minutes, Path(scratch)))


if __name__ == "__main__":
    raise SystemExit(main())
