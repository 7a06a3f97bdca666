"""What must be true of ledger, metrics and rooms when the harm is over: each claim that is not is a sentence.

Nothing is asserted of what is still moving: a claim has time to become true, and is told if it does not.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.plan import Rest, plan
from dispatcher.core.session import Session, State
from dispatcher.ledger import record
from dispatcher.ledger.interface import LIVE_TTL_MS, Ledger, LedgerUnavailable, Life, Standing
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from tests.chaos.replicas import Series
from tests.chaos.scene import Scene

SETTLED_S: Final = 20.0  # gauges are 5 s old at most, a lease 10 s
LATE_MS: Final[Ms] = 3_000  # a due session is claimed within a second; the machine is busy
PROJECT: Final = "default"
ANSWERED_200: Final = ("recorded", "duplicate", "room_finished", "ignored")


@asynccontextmanager
async def opened(url: str, clock: Callable[[], Ms] | None = None) -> AsyncIterator[Ledger]:
    """The replicas' ledger."""
    ledger = RedisLedger(address.read(url), clock=clock)
    try:
        yield ledger
    finally:
        await ledger.aclose()


async def complaints(scene: Scene, within: float = SETTLED_S) -> list[str]:
    """What is not true of the scene, though it had `within` seconds to become so."""
    end = time.monotonic() + within
    async with opened(scene.place.url) as ledger:
        while (found := await _now(scene, ledger)) and time.monotonic() < end:
            await asyncio.sleep(0.5)
    return found


async def _now(scene: Scene, ledger: Ledger) -> list[str]:
    try:
        return await _complaints(scene, ledger)
    except LedgerUnavailable as error:
        return [str(error)]


async def _complaints(scene: Scene, ledger: Ledger) -> list[str]:
    counts = await ledger.counts()
    lives = await ledger.list(PROJECT, limit=1_000_000)
    standings = await ledger.standings()
    now = await ledger.now()
    told = [f"{scene.place.server.url} has {key} without an end" for key in scene.place.without_end()]
    told += [f"{counts.held} sessions are held"] * (counts.held > 0)
    if (listed := len(lives)) != (counted := counts.due + counts.held + counts.rest):
        told.append(f"{listed} sessions are listed, {counted} counted")
    if standings != (of_records := _standings(lives)):
        told.append(f"the index says {standings}, the records {of_records}")
    told += [words for life in lives if (words := _forgotten(life, now))]
    told += _strangers(scene, lives)
    told += await _metrics(scene, standings)
    return told


def _session(life: Life) -> Session:
    return record.load(life.record, life.key.room, RoomSid(life.key.sid))


def _standings(lives: list[Life]) -> Mapping[tuple[str, Standing], int]:
    sessions = [session for life in lives if not (session := _session(life)).finished]
    return Counter(
        (PROJECT, Standing(assignment.state, assignment.next_target.agent))
        for session in sessions
        for assignment in session.assignments
    )


def _forgotten(life: Life, now: Ms) -> str:
    """Law 7: what is at rest owes nothing, what is due is taken up."""
    if life.due_at is not None:
        return f"{life.key} is due for {now - life.due_at} ms" if now - life.due_at > LATE_MS else ""
    step = plan(_session(life), now, fresh=False)
    return "" if isinstance(step, Rest) else f"{life.key} is at rest and owes {step}"


def _strangers(scene: Scene, lives: list[Life]) -> list[str]:
    """Rooms without a session and, where the sweep makes up for lost ends, sessions without a room."""
    known = {life.key.room for life in lives if not _session(life).finished}  # over by looks alone: at rest for a day
    live = {room for room in scene.livekit.rooms.names() if scene.livekit.rooms.people_in(room)}
    told = {one.room for one in scene.balancer.accepted().values()}
    missing = live - known if scene.sweeps else live & told - known
    ended = known - set(scene.livekit.rooms.names()) if scene.sweeps else set[str]()
    return [f"{room} has no session" for room in sorted(missing)] + [f"{room} is no more" for room in sorted(ended)]


async def _metrics(scene: Scene, standings: Mapping[tuple[str, Standing], int]) -> list[str]:
    """The gauges of each replica say what the index says; what was never killed has counted everything."""
    wanted = dict.fromkeys(State, 0)
    for (_, standing), number in standings.items():
        wanted[State(standing.state)] += number
    every = [await replica.series() for replica in scene.replicas]
    told = []
    for replica, series in zip(scene.replicas, every, strict=True):
        shown = {state: int(series[f'livekit_dispatcher_assignments{{state="{state}"}}']) for state in State}
        told += [f"{replica.name} shows {shown}, the index {wanted}"] * (shown != wanted)
    if not any(replica.kills for replica in scene.replicas):
        told += _counters(scene, every)
    return told


def _counters(scene: Scene, every: list[Series]) -> list[str]:
    def total(name: str, *labels: str) -> int:
        return sum(
            int(value)
            for series in every
            for key, value in series.items()
            if key.partition("{")[0] == f"livekit_dispatcher_{name}"
            and (not labels or any(f'"{one}"' in key for one in labels))
        )

    pairs = {
        "webhooks answered with 200": (
            total("webhooks_total", *ANSWERED_200),
            sum(one.status == 200 for one in scene.balancer.answers),
        ),
        "dispatches created": (total("create_seconds_count"), len(scene.livekit.create_calls)),
    }
    return [f"{what}: counted {mine}, in truth {true}" for what, (mine, true) in pairs.items() if mine != true]


async def emptied(scene: Scene, within: float = SETTLED_S) -> list[str]:
    """Every room closed, and a day later by the ledger's clock: what is left that should not be."""
    await scene.crowd.close()
    async with opened(scene.place.url) as ledger:
        end = time.monotonic() + within
        while (standings := await ledger.standings()) and time.monotonic() < end:
            await asyncio.sleep(0.2)
        later = await ledger.now() + LIVE_TTL_MS + 60_000
    left = [f"{standings} when every room is closed"] * bool(standings)
    for replica in scene.replicas:
        replica.stop()  # else a late webhook would open a session that is forgotten already
    async with opened(scene.place.url, lambda: later) as ledger:
        for _ in range(50):  # each forgets 100 in each partition: of those that ended, and of those that were left
            await ledger.list(PROJECT, limit=1)
            await ledger.counts()
    sessions = [key for key, _ in scene.place.lives() if key.split(":")[2][:1] in {"s", "i", "n"}]
    return left + [f"{len(sessions)} keys of sessions are left, such as {sessions[:3]}"] * bool(sessions)
