"""One case played: people come and go, harm is done, and what became of it all is one row."""

import asyncio
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.audit import complaints, emptied
from tests.chaos.faults import Case
from tests.chaos.replicas import all_ready
from tests.chaos.scene import RECOVERY_S, Scene, staged
from tests.real.redis_servers import Make

PER_SECOND: Final = 12.0  # rooms; each is three to six events
LONGEST_S: Final = 600.0
BEFORE_S: Final = 1.0  # people come for so long before each harm, and after the last
HEADER: Final = (
    f"{'fault':38}{'runs':>5}{'rooms':>7}{'events':>8}{'accepted':>10}{'given up':>10}{'lost':>6}{'asked twice':>13}"
    f"{'surplus':>9}{'recovery s':>12}{'slowest s':>11}"
)


class Row(NamedTuple):
    """What became of a case; `complaints` are sentences, none when all is well."""

    name: str
    runs: int
    rooms: int
    events: int  # told to a replica, each once
    accepted: int  # of them answered with 200
    given_up: int  # of them never: LiveKit tried five times
    lost: int  # accepted, and their room is not as it should be
    twice: int  # CreateDispatch calls for an attempt that had been made
    surplus: int  # rooms that ever had two agents
    recovery: float  # seconds from the end of a harm until every room is as it should be; the longest
    slowest: float  # seconds that a replica took to answer a webhook; the longest
    complaints: list[str]

    def __str__(self) -> str:
        return (
            f"{self.name:38}{self.runs:5}{self.rooms:7}{self.events:8}{self.accepted:10}{self.given_up:10}{self.lost:6}"
            f"{self.twice:13}{self.surplus:9}{self.recovery:12.1f}{self.slowest:11.2f}"
        )


async def play(name: str, case: Case, make: Make, directory: Path, *, runs: int = 0, replicas: int = 3) -> Row:
    """The case was played `runs` times (0: as often as it says), in one scene."""
    times = runs or case.runs
    async with staged(directory, case.place, make, replicas=replicas, sweep=case.sweep, copies=case.copies) as scene:
        coming = asyncio.create_task(scene.crowd.come(LONGEST_S, PER_SECOND))
        for _ in range(times):
            await asyncio.sleep(BEFORE_S)
            await case.harm(scene)
            await scene.recovered()
        await asyncio.sleep(BEFORE_S)
        coming.cancel()
        return await judged(name, times, scene)


async def judged(name: str, runs: int, scene: Scene) -> Row:
    """The row, once nothing moves any more."""
    await scene.crowd.gone()
    await all_ready(scene.replicas)
    await _all_well(scene)
    accepted, wrong, surplus = scene.balancer.accepted(), set(scene.wrong()), scene.crowd.surplus()
    row = Row(
        name=name,
        runs=runs,
        rooms=len(scene.crowd.rooms),
        events=len(scene.balancer.heard()),
        accepted=len(accepted),
        given_up=len(scene.given_up()),
        lost=sum(one.room in wrong for one in accepted.values()),
        twice=scene.crowd.asked_twice(),
        surplus=len(scene.crowd.twice),
        recovery=max(scene.recoveries, default=0.0),
        slowest=max((one.seconds for one in scene.balancer.answers), default=0.0),
        complaints=[f"{room} has {scene.crowd.agents(room)} agents" for room in sorted({*wrong, *surplus})],
    )
    return row._replace(complaints=[*row.complaints, *await complaints(scene), *await emptied(scene)])


async def _all_well(scene: Scene) -> None:
    end = time.monotonic() + RECOVERY_S
    while scene.wrong() and time.monotonic() < end:
        await asyncio.sleep(0.05)
