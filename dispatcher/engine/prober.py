"""Asks for agents before callers do: a room of our own, an order like anybody's, the time to its agent, and its end.

One replica probes each target once per `every`: the ledger gives out the turns. A probe ends before the next may begin,
so a target has one such room at a time. A room that a crash has left ends by itself, as nobody is in it, and by the
sweep.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from dispatcher.core.facts import Ms, Room
from dispatcher.core.orders import request_for
from dispatcher.core.probes import ProbeEnd, ProbeMade, ProbeResult, ended, probe_rooms
from dispatcher.core.session import Session
from dispatcher.core.text import visible
from dispatcher.core.workers import WorkersSeen
from dispatcher.engine.orders import AgentRequest, OrderRefused, Orders, Placed
from dispatcher.engine.supervise import Supervisor
from dispatcher.explain import Known, causes
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Key, LedgerUnavailable
from dispatcher.livekit.failures import LiveKitError
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.probes import ProbeBoard, ProbedTarget
from dispatcher.targets.rate import Pacer
from dispatcher.telemetry.health import Health

TURN_S: Final = 1.0  # how often a replica asks whether it is its turn
POLL_S: Final = 0.25  # how often the ledger is asked how it went
MARGIN_MS: Final = 10_000  # of `every`, for opening the room and ending it: two calls
LONGEST_MS: Final = 60_000  # a probe; longer than a silent attempt's, or a late agent's, by default
STAY_MAX_MS: Final = 10_000  # that an agent has to stay
EMPTY_S: Final = 120  # LiveKit ends a room so long after it began, as nobody but an agent is in it
END_S: Final = 2.0  # that ending the room may take, also while the service stops; what is left, EMPTY_S ends
BY: Final = "probe"  # who has ordered it
NOTHING_KNOWN: Final = "No attempt had ended by then, and no agent was there."
METADATA: Final = '{"probe": true}'  # of the dispatch, for the agent


class Prober:
    """Probes what the configuration in force names; without a `probe` it does nothing."""

    def __init__(
        self,
        board: ProbeBoard,
        orders: Orders,
        pauses: PauseBoard,
        pacer: Pacer,
        workers: Callable[[], WorkersSeen],
        health: Health,
    ) -> None:
        self.board = board
        self.orders = orders
        self.pauses = pauses
        self.pacer = pacer
        self.workers = workers
        self.health = health
        self.ledger = board.ledger
        self.holder = board.holder

    def start(self, supervisor: Supervisor) -> None:
        """Probe what is configured at the time, each in a loop of its own; in a dry run nobody."""
        if self.health.dry_run:
            return
        supervisor.start("probes", self.board.run)
        supervisor.start_for_each(self.names, "probe", self.run)

    def names(self) -> list[str]:
        """Of all that is probed now."""
        return [*self.board.probed]

    async def run(self, name: str) -> None:
        """Probe the target of this name when it is our turn, for ever."""
        while True:
            with suppress(LedgerUnavailable):  # whoever watches the ledger tells of it
                await self.turn(name)
            await asyncio.sleep(TURN_S)

    async def turn(self, name: str) -> None:
        """Probe the target if nobody has within its time, and nobody has paused it. Raises LedgerUnavailable."""
        one = self.board.probed.get(name)
        runtime = self.holder.snapshot.projects.get(one.project) if one else None
        if one is None or runtime is None or runtime.probe is None:
            return
        if one.target.agent in await self.pauses.paused(one.project, await self.ledger.now()):
            return
        every = runtime.probe.every
        if await self.ledger.turn(name, every):
            await self.board.tell(one, await self._probed(one, runtime, min(LONGEST_MS, every - MARGIN_MS)))

    async def _probed(self, one: ProbedTarget, runtime: ProjectRuntime, within: Ms) -> ProbeMade:
        """Probe it, for so many ms at most. Raises LedgerUnavailable."""
        name = f"{probe_rooms(self.health.instance)}{uuid4().hex[:12]}"
        try:
            async with self._room(one, runtime, name):
                placed = await self.orders.request(one.project, _request(name, one, runtime), by=BY, key=None)
                end, why = await self._end(placed, min(runtime.limits.min_stay, STAY_MAX_MS), within)
        except (LiveKitError, OrderRefused) as error:
            end, why = ProbeEnd(ProbeResult.LIVEKIT_FAILING), f"There was no room to be had in LiveKit ({error})."
            name = ""
        return ProbeMade(at=await self.ledger.now(), result=end.result, room=name, took=end.took, why=why)

    @asynccontextmanager
    async def _room(self, one: ProbedTarget, runtime: ProjectRuntime, name: str) -> AsyncIterator[None]:
        """The room lives meanwhile; then it has ended, and its session is on its way to its end."""
        await asyncio.sleep(await self.pacer.to_look(one.project, runtime.api_rate_limit) / 1000)
        room: Room | None = None
        try:
            room = await runtime.livekit.open(name, EMPTY_S)
            yield
        finally:
            await self._gone(one, runtime, name, room)

    async def _gone(self, one: ProbedTarget, runtime: ProjectRuntime, name: str, room: Room | None) -> None:
        """The room has ended, also one of which we do not know whether it was opened; else EMPTY_S ends it."""
        with suppress(LiveKitError, TimeoutError):
            async with asyncio.timeout(END_S):
                await self.pacer.taking_back(one.project, runtime.api_rate_limit)
                await runtime.livekit.end(name)
        if room is not None:
            await sessions.remind(self.ledger, Key(one.project, name, room.sid), BY)

    async def _end(self, placed: Placed, stay: Ms, within: Ms) -> tuple[ProbeEnd, str]:
        """How the probe ended, as soon as that is known, and why it failed. Raises LedgerUnavailable."""
        until = await self.ledger.now() + within
        while True:
            now = await self.ledger.now()
            session = await self._session(placed.key)
            end = ended(session, placed.assignment, stay if now < until else 0, now) if session else None
            if end is None and now >= until:
                end = ProbeEnd(ProbeResult.TIMED_OUT)
            if end is not None:
                failed = end.result not in {ProbeResult.SERVED, ProbeResult.INTERRUPTED}
                return end, await self._why(placed, session, now) if failed and session else ""
            await asyncio.sleep(POLL_S)

    async def _session(self, key: Key) -> Session | None:
        known = await sessions.find(self.ledger, key.project, key.room)
        return next((one.session for one in known if one.key == key), None)

    async def _why(self, placed: Placed, session: Session, now: Ms) -> str:
        """As a diagnosis says it; what would come next no longer does."""
        assignment = session.find(placed.assignment)
        told = causes(session, assignment, Known(now=now, workers=self.workers())) if assignment else []
        return visible(" ".join(told)) or NOTHING_KNOWN


def _request(room: str, one: ProbedTarget, runtime: ProjectRuntime) -> AgentRequest:
    """One attempt at this target alone: what is probed is the agent, not how well we make up for it."""
    policy = replace(runtime.limits, attempts=1, retry_every=3_600_000, on_finish="done")
    return AgentRequest(room=room, order=request_for((one.target,), policy), metadata=METADATA)
