"""The shell without network or waiting: a real ledger on a clock that tests move, and a LiveKit that is a value."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias, cast

from aiohttp import ClientSession
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from dispatcher.client.launchers import Launchers
from dispatcher.config import ApiRateLimit, Config, CreateRate, SweepSettings
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Ms, Participant, Room, RoomSid
from dispatcher.core.rules import Rule, Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import Arrivals, Dispatch, RoomSnapshot
from dispatcher.engine.reconciler import Reconciler
from dispatcher.ledger import record
from dispatcher.ledger.interface import Handover, Key, LedgerUnavailable, Life
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason
from dispatcher.livekit.join_token import JoinSigner
from dispatcher.runtime.judgements import Judgements
from dispatcher.runtime.sealing import Seals
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot, ProjectRuntime
from dispatcher.targets.board import Board
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.rate import Pacer
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.recorder import SessionRecorder
from dispatcher.telemetry.tracing import Tracing
from tests.unit.core.world import LOBBY, NOW, TAGS, rule

PROJECT = "default"
CONFIG = Config(
    projects=(),
    rules=(),
    instance="test",
    sweep=SweepSettings(),
    create_rate=None,
    host="127.0.0.1",
    port=0,
    ledger=None,
    api_token=None,
    file=None,
    warnings=(),
)
SEALS = Seals(["not-so-secret"])
KEY = Key(PROJECT, LOBBY.name, LOBBY.sid)

NOWHERE = Launchers(cast("ClientSession", None), {})
SIGNER = JoinSigner("devkey", "not-so-secret")

Happening: TypeAlias = Callable[[], Awaitable[object]]


def runtime(livekit: LiveKit, rules: tuple[Rule, ...] = (), **fields: object) -> ProjectRuntime:
    """A project without launchers."""
    plain = ProjectRuntime(livekit=livekit, launchers=NOWHERE, signer=SIGNER, rules=rules, tags=TAGS, seals=SEALS)
    return replace(plain, **fields)


class Watch:
    """A ledger's clock: it stands until a test moves it. While it is `broken`, every operation of the ledger fails."""

    def __init__(self) -> None:
        self.time = NOW
        self.broken = False

    def __call__(self) -> Ms:
        if self.broken:
            raise LedgerUnavailable("as the test wants it")
        return self.time

    def later(self, ms: Ms) -> None:
        """So much time has passed."""
        self.time += ms


class Staged(LiveKit):
    """LiveKit as values: what each life of a room shows, and what happens before and after calls, once each."""

    def __init__(self, *present: Participant) -> None:
        self.lives = {LOBBY.sid: RoomSnapshot(room=LOBBY, participants=present)}
        self.calls: list[str] = []
        self.metadata: list[str] = []
        self.traces: list[str] = []
        self._happenings: dict[str, deque[Happening]] = {}

    def before(self, call: str, *happenings: Happening) -> None:
        """They happen at the next calls of this name, one at each, before it has an effect; they may raise."""
        self._happenings.setdefault(f"before {call}", deque()).extend(happenings)

    def after(self, call: str, *happenings: Happening) -> None:
        """They happen when the next calls of this name have had their effect and are not answered yet."""
        self._happenings.setdefault(f"after {call}", deque()).extend(happenings)

    def show(self, sid: RoomSid = LOBBY.sid, **changes: object) -> None:
        """This is what a look shows of the room now."""
        self.lives[sid] = replace(self.lives[sid], **changes)

    def dispatches(self, sid: RoomSid = LOBBY.sid) -> tuple[str, ...]:
        """For which assignment, and as which attempt, each of the room's dispatches was made."""
        return tuple(one.tag.split(":")[2] for one in self.lives[sid].dispatches)

    async def look(self, room: str, sid: RoomSid, arrivals: Arrivals | None = None) -> RoomSnapshot:  # noqa: ARG002
        await self._begin("look")
        snapshot = self.lives.get(sid, RoomSnapshot(room=None))
        assert snapshot.room is None or snapshot.room.name == room
        await self._happen("after look")
        return snapshot

    async def room(self, name: str) -> Room | None:
        await self._begin("room")
        return next((one.room for one in self.lives.values() if one.room and one.room.name == name), None)

    async def open(self, room: str, empty_timeout: int = 0) -> Room:  # noqa: ARG002
        await self._begin("open")
        made = Room(sid=RoomSid(f"RM_{room}"), name=room)
        self.lives[made.sid] = RoomSnapshot(room=made)
        return made

    async def rooms(self) -> tuple[Room, ...]:
        await self._begin("rooms")
        return tuple(snapshot.room for snapshot in self.lives.values() if snapshot.room)

    async def create(self, room: str, target: Target, *, metadata: str, tag: str, trace: str = "") -> Dispatch:
        await self._begin("create")
        self.traces.append(trace)
        self.metadata.append(metadata)
        made = Dispatch(id=f"AD_{len(self.metadata)}", agent=target.agent, deployment=target.deployment, tag=tag)
        sid = next(sid for sid, snapshot in self.lives.items() if snapshot.room and snapshot.room.name == room)
        self.show(sid, dispatches=(*self.lives[sid].dispatches, made))
        await self._happen("after create")
        return made

    async def end(self, room: str) -> None:
        await self._begin("end")
        gone = [sid for sid, snapshot in self.lives.items() if snapshot.room and snapshot.room.name == room]
        for sid in gone:
            del self.lives[sid]

    async def remove(self, room: str, identity: str) -> None:
        await self._begin("remove")
        assert room == LOBBY.name
        for sid, snapshot in self.lives.items():
            self.show(sid, participants=tuple(one for one in snapshot.participants if one.identity != identity))

    async def delete(self, room: str, dispatch: str) -> None:
        await self._begin("delete")
        assert room == LOBBY.name
        here = self.lives[LOBBY.sid].dispatches
        self.show(dispatches=tuple(one for one in here if one.id != dispatch))

    async def _begin(self, call: str) -> None:
        self.calls.append(call)
        await self._happen(f"before {call}")

    async def _happen(self, when: str) -> None:
        waiting = self._happenings.get(when)
        if waiting:
            await waiting.popleft()()


def fails(error: type[LiveKitError], reason: Reason, *, retry_after: float | None = None) -> Happening:
    """The call ends with this error."""

    async def fail() -> NoReturn:
        raise error("SomeMethod", reason, retry_after=retry_after)

    return fail


async def nothing() -> None:
    """It goes well."""


async def for_ever() -> None:
    """It hangs."""
    await asyncio.get_running_loop().create_future()


class Desk:
    """One project's shell at work: what it drives with, and what it has said."""

    def __init__(
        self,
        *rules: Rule,
        livekit: Staged | None = None,
        create_rate: CreateRate | None = None,
        api_rate_limit: ApiRateLimit | None = None,
        dry_run: bool = False,
        tracing: Tracing | None = None,
    ) -> None:
        self.rules = rules or (rule(),)
        self.watch = Watch()
        self.woken = asyncio.Event()
        self.ledger = MemoryLedger(self.watch, wake=self.woken.set)
        self.livekit = livekit or Staged()
        self.registry = CollectorRegistry()
        agents = [target.agent for one in self.rules for target in one.policy.targets]
        self.metrics = Metrics(self.registry, agents=agents, rules=[one.name for one in self.rules])
        self.lines: list[dict[str, Any]] = []
        self.log = Log(lambda line: self.lines.append(json.loads(line)), lambda: self.watch.time / 1000)
        self.health = Health(lambda: self.watch.time)  # the machine's: it answers when the ledger does not
        self.create_rate = create_rate
        self.api_rate_limit = api_rate_limit
        self.dry_run = dry_run
        self.tracing = tracing
        self.reconciler = self.started()

    def started(self, **sites: LiveKit) -> Reconciler:
        """The reconciler of a process that starts now; `sites` are further projects."""
        self.health.dry_run = self.dry_run
        holder = self.current(**sites)
        return Reconciler(
            ledger=self.ledger,
            holder=holder,
            breaker=Breaker(Board(self.ledger, self.log), Pacer(self.ledger)),
            recorder=SessionRecorder(self.log, self.metrics, self.health, self.tracing),
            pauses=PauseBoard(self.ledger, holder, self.log, self.metrics),
        )

    def current(self, **sites: LiveKit) -> ConfigHolder:
        """This project is in force, and these."""
        livekits: dict[str, LiveKit] = {PROJECT: self.livekit, **sites}
        projects = {name: self.site(one) for name, one in livekits.items()}
        return ConfigHolder(ConfigSnapshot(config=CONFIG, projects=projects))

    def site(self, livekit: LiveKit) -> ProjectRuntime:
        """A project as this desk has it."""
        return runtime(
            livekit=livekit,
            rules=self.rules,
            recollection=Judgements(),
            create_rate=self.create_rate,
            api_rate_limit=self.api_rate_limit,
        )

    def reload(self, **changes: object) -> None:
        """This project is another one from now on."""
        snapshot = self.reconciler.holder.snapshot
        runtime = replace(snapshot.projects[PROJECT], **changes)
        self.reconciler.holder.snapshot = replace(snapshot, projects={**snapshot.projects, PROJECT: runtime})

    async def hear(self, name: str = JOINED, who: Participant | None = None, key: Key = KEY) -> None:
        """The ledger has such an event, which is no repeat; nobody drives."""
        room = Room(sid=RoomSid(key.sid), name=key.room)
        event = Event(id="", name=name, created_at=self.watch.time, room=room, participant=who)
        await self.ledger.deliver(key, "", record.dump_event(event), take=False)

    async def claim(self) -> Handover:
        """The session that is due longest, in our hands."""
        claimed, _ = await self.ledger.claim(1)
        assert claimed, f"nothing is due; {self.livekit.calls} {self.lines}"
        return claimed[0]

    async def drive(self) -> Ms | None:
        """The session that is due longest was driven; in how many ms it is due again."""
        return await self.reconciler.drive(await self.claim())

    async def drive_on(self, ms: Ms) -> None:
        """So much time has passed, and whatever came due in it was driven."""
        end = self.watch.time + ms
        while True:
            claimed, wait = await self.ledger.claim(1)
            for handover in claimed:
                await self.reconciler.drive(handover)
            if claimed:
                continue
            if wait is None or self.watch.time + wait > end:
                break
            self.watch.later(max(1, wait))
        self.watch.time = end

    async def life(self, key: Key = KEY) -> Life:
        """The session as the ledger has it."""
        return next(life for life in await self.ledger.find(key.project, key.room) if life.key == key)

    async def due_in(self, key: Key = KEY) -> Ms | None:
        """In how many ms the session is due; None: it is not."""
        due_at = (await self.life(key)).due_at
        return None if due_at is None else due_at - self.watch.time

    async def session(self, key: Key = KEY) -> Session:
        """The session as the ledger has it, read."""
        return record.load((await self.life(key)).record, key.room, RoomSid(key.sid))

    def said(self, action: str) -> list[dict[str, Any]]:
        """The log lines of this action."""
        return [line for line in self.lines if line["action"] == action]

    def value(self, name: str, **labels: str) -> float:
        """A sample of the metrics; 0 where there is none."""
        return self.registry.get_sample_value(f"livekit_dispatcher_{name}", labels) or 0.0


async def until(claim: Callable[[], object], within: float = 3.0) -> None:
    """It is true, soon."""
    async with asyncio.timeout(within):
        while not claim():
            await asyncio.sleep(0.001)
