"""Workers and what becomes of the dispatches they are asked to serve.

LiveKit says nothing of all this: a dispatch that no worker serves looks like one whose worker is about to answer.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypedDict, Unpack, assert_never

from livekit.protocol.agent import (
    JS_CANCELLED,
    JS_FAILED,
    JS_PENDING,
    JS_RUNNING,
    JS_SUCCESS,
    JSR_NO_CAPACITY,
    JT_PUBLISHER,
    JT_ROOM,
    Job,
    JobState,
)
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.models import ParticipantInfo, ParticipantPermission

from dispatcher.testing.release import ServerRelease
from dispatcher.testing.room import LiveRoom, dependent, new_id
from dispatcher.testing.timers import Timers

_RAISES_AFTER = 0.005  # an exception at the start of a job: joined and gone within 10 ms (docs/livekit.md §0)


class JobOutcome(StrEnum):
    """What becomes of one job, each seen on a running server (docs/livekit.md §0)."""

    SERVES = "serves"  # the agent joins and stays
    DROPS = "drops"  # the request is lost: no job, no error, ever
    REJECTS = "rejects"  # JS_SUCCESS, ended, without an identity
    NEVER_SHOWS = "never_shows"  # JS_RUNNING, and no participant
    RAISES = "raises"  # joins, and leaves within 10 ms as CLIENT_INITIATED
    LEAVES = "leaves"  # leaves as CLIENT_INITIATED after its `stay`, without a word: an exception, a deploy, a goodbye
    SAYS_DONE = "says_done"  # the same, having set its attribute `dispatcher.done`
    QUEUES = "queues"  # LiveKit Cloud: JS_PENDING, until the dispatch is deleted
    NO_CAPACITY = "no_capacity"  # LiveKit Cloud: JS_CANCELLED, as no worker has room for it
    FAILS = "fails"  # LiveKit Cloud: JS_FAILED with an error, before the agent joins
    CRASHES = "crashes"  # dies after its `stay`, is ACTIVE for `ghost` more, then leaves as CONNECTION_TIMEOUT


_STATES: Final = {  # of jobs whose agent never comes
    JobOutcome.REJECTS: JobState(status=JS_SUCCESS),
    JobOutcome.QUEUES: JobState(status=JS_PENDING),
    JobOutcome.NO_CAPACITY: JobState(status=JS_CANCELLED, reason=JSR_NO_CAPACITY),
    JobOutcome.FAILS: JobState(status=JS_FAILED, error="no room for a process"),
}


@dataclass(slots=True, kw_only=True)
class Worker:
    """The workers registered under one agent name and deployment, as if they were one. Spans in seconds.

    `drop` loses the first so many requests, `drop_rate` this share of all (the same ones in every run);
    of the others each meets the next of `outcomes`, and the last of these holds from then on.
    """

    agent: str
    deployment: str = ""
    outcomes: tuple[JobOutcome, ...] = (JobOutcome.SERVES,)
    drop: int = 0
    drop_rate: float = 0.0
    accept_after: float = 0.2  # from the dispatch to the job
    list_after: float = 0.0  # from the job to its being listed; up to 5 s on a real server (docs/livekit.md §2.3)
    join_after: float = 0.1  # from the job to the agent's being ACTIVE
    stay: float = 1.0
    ghost: float = 20.0
    identity: str = ""  # the same for every job; "": `agent-<job id>`
    names_itself: bool = True  # `lk.agent.name`: its SDK says it of its agents, as livekit-agents does since 2026
    per_publisher: bool = False  # registered as JT_PUBLISHER: one job for each publisher, none before
    asked: int = field(default=0, init=False)  # requests so far, the lost ones too
    worker_id: str = field(default_factory=lambda: new_id("AW_"), init=False)
    _dice: random.Random = field(default_factory=lambda: random.Random(0), init=False)  # noqa: S311 - a repeatable test

    def next_outcome(self) -> JobOutcome:
        """What becomes of the request that now reaches this worker."""
        self.asked += 1
        if self.asked <= self.drop or self._dice.random() < self.drop_rate:
            return JobOutcome.DROPS
        return self.outcomes[min(self.asked - self.drop, len(self.outcomes)) - 1]


class Behaviour(TypedDict, total=False):
    """The fields of a Worker that may be set; what they mean, and their defaults, is said there."""

    deployment: str
    drop: int
    drop_rate: float
    accept_after: float
    list_after: float
    join_after: float
    stay: float
    ghost: float
    identity: str
    names_itself: bool
    per_publisher: bool


class Workers:
    """Who is registered, and the jobs on their way."""

    def __init__(self, timers: Timers, release: ServerRelease) -> None:
        self.opened: Callable[[str], LiveRoom]  # the live room of a name, which is opened if need be
        self._release = release
        self._timers = timers
        self._registered: dict[tuple[str, str], Worker] = {}
        self._ended: set[str] = set()  # jobs told to end: their agents join no more
        self._crashed: set[str] = set()  # jobs nobody answers for: telling them to end does nothing

    def register(self, agent: str, *outcomes: JobOutcome, **behaviour: Unpack[Behaviour]) -> Worker:
        """A worker is registered. Its jobs meet `outcomes` in turn, the last from then on; without any it serves.

        Dispatches from now on reach it; those made before never do (docs/livekit.md §2.4).
        """
        worker = Worker(agent=agent, outcomes=outcomes or (JobOutcome.SERVES,), **behaviour)
        self._registered[agent, self._release.deployment(worker.deployment)] = worker
        return worker

    def unregister(self, agent: str, deployment: str = "") -> None:
        """No worker of that name is registered any more; its agents stay in their rooms."""
        del self._registered[agent, self._release.deployment(deployment)]

    def launch(self, room: LiveRoom, dispatch: AgentDispatch) -> None:
        """The dispatch's worker, if there is one, is asked: once, or once for each publisher."""
        worker = self._worker_of(dispatch)
        if worker is None:
            return
        if not worker.per_publisher:
            self._request(room, dispatch, worker)
            return
        for publisher in _publishers(room.participants.values()):
            self._request(room, dispatch, worker, publisher)

    def published(self, room: LiveRoom, publisher: ParticipantInfo) -> None:
        """Each dispatch whose worker serves publishers asks for a job for this one; agents and recorders get none."""
        if dependent(publisher):
            return
        for dispatch in room.dispatches.values():
            worker = self._worker_of(dispatch)
            if worker is not None and worker.per_publisher:
                self._request(room, dispatch, worker, publisher)

    def retract(self, room: LiveRoom, dispatch: AgentDispatch) -> None:
        """The agents of its *listed* jobs leave. A launch under way survives, and a crashed job does not hear of it."""
        for job in dispatch.state.jobs:
            if job.id in self._crashed:
                continue
            self._ended.add(job.id)
            if agent := room.find(job.state.participant_identity):
                room.leave(agent.sid, "CLIENT_INITIATED")

    def _worker_of(self, dispatch: AgentDispatch) -> Worker | None:
        return self._registered.get((dispatch.agent_name, dispatch.deployment))

    def _request(
        self, room: LiveRoom, dispatch: AgentDispatch, worker: Worker, publisher: ParticipantInfo | None = None
    ) -> None:
        outcome = worker.next_outcome()
        if outcome is JobOutcome.DROPS or (outcome is JobOutcome.REJECTS and not self._release.lists_rejections):
            return
        self._timers.later(worker.accept_after, lambda: self._answer(room, dispatch, worker, publisher, outcome))

    def _answer(
        self,
        room: LiveRoom,
        dispatch: AgentDispatch,
        worker: Worker,
        publisher: ParticipantInfo | None,
        outcome: JobOutcome,
    ) -> None:
        accepted_at = self._timers.now_ns()
        job = _job(room, dispatch, worker, publisher, accepted_at)
        if (state := _STATES.get(outcome)) is not None:
            job.state.CopyFrom(state)
            job.state.ended_at = 0 if outcome is JobOutcome.QUEUES else accepted_at
        self._timers.later(worker.list_after, lambda: room.list_job(dispatch, job))
        if outcome not in {JobOutcome.NEVER_SHOWS, *_STATES}:
            self._timers.later(worker.join_after, lambda: self._join(room, job, worker, outcome))

    def _join(self, room: LiveRoom, job: Job, worker: Worker, outcome: JobOutcome) -> None:
        if job.id in self._ended:
            return
        if room.over:  # its token names the room, and LiveKit opens it again, with the agent alone in it
            room = self.opened(room.info.name)
        sid = room.join(agent_of(job, worker, self._release)).sid
        match outcome:
            case JobOutcome.RAISES:
                self._timers.later(_RAISES_AFTER, lambda: room.leave(sid, "CLIENT_INITIATED"))
            case JobOutcome.LEAVES:
                self._timers.later(worker.stay, lambda: room.leave(sid, "CLIENT_INITIATED"))
            case JobOutcome.SAYS_DONE:
                self._timers.later(worker.stay, lambda: _says_done(room, sid))
            case JobOutcome.CRASHES:
                self._timers.later(worker.stay, lambda: self._crashed.add(job.id))
                self._timers.later(worker.stay + worker.ghost, lambda: room.leave(sid, "CONNECTION_TIMEOUT"))
            case JobOutcome.SERVES | JobOutcome.DROPS | JobOutcome.REJECTS | JobOutcome.NEVER_SHOWS:
                return
            case JobOutcome.QUEUES | JobOutcome.NO_CAPACITY | JobOutcome.FAILS:
                return
            case _:
                assert_never(outcome)


def _says_done(room: LiveRoom, sid: str) -> None:
    if agent := room.participants.get(sid):
        agent.attributes["dispatcher.done"] = "bye"
    room.leave(sid, "CLIENT_INITIATED")


def agent_of(job: Job, worker: Worker, release: ServerRelease) -> ParticipantInfo:
    """The agent of a job as LiveKit lets it in: its names are stamped by the server, and said by the SDK."""
    stamped = {"lk.agent_name": job.agent_name} if release.stamps_agent_name else {}
    said = {"lk.agent.name": worker.agent} if worker.names_itself else {}
    return ParticipantInfo(
        identity=job.state.participant_identity,
        kind=ParticipantInfo.Kind.AGENT,
        attributes=stamped | said,
        permission=ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, can_update_metadata=True, agent=True
        ),
    )


def _job(
    room: LiveRoom, dispatch: AgentDispatch, worker: Worker, publisher: ParticipantInfo | None, accepted_at: int
) -> Job:
    job_id = new_id("AJ_")
    return Job(
        id=job_id,
        dispatch_id=dispatch.id,
        type=JT_PUBLISHER if worker.per_publisher else JT_ROOM,
        room=room.info,
        participant=publisher,
        metadata=dispatch.metadata,
        agent_name=dispatch.agent_name,
        deployment=dispatch.deployment,
        attributes=dict(dispatch.attributes),
        state=JobState(
            status=JS_RUNNING,
            started_at=accepted_at,
            updated_at=accepted_at,
            participant_identity=worker.identity or f"agent-{job_id}",
            worker_id=worker.worker_id,
        ),
    )


def _publishers(present: Iterable[ParticipantInfo]) -> list[ParticipantInfo]:
    return [one for one in present if one.is_publisher and not dependent(one)]
