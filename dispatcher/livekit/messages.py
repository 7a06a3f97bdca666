"""Makes values of the core from LiveKit's messages: the fields that we use, under the names they have there.

What outsiders may have written is cut to the size that the core allows (`core.text`).
"""

from typing import Final

from livekit.protocol import agent, agent_dispatch, models

from dispatcher.core.facts import KIND_DETAILS_MAX, TAG, Ms, Participant, Room, RoomSid
from dispatcher.core.snapshot import Dispatch, Job, JobCondition
from dispatcher.core.text import ID_MAX, NAME_MAX, brief

TRACE: Final = "traceparent"  # the attribute by which an agent may go on with the trace of its request

_KINDS: Final = {number: name for name, number in models.ParticipantInfo.Kind.items()}
_KIND_DETAILS: Final = {number: name for name, number in models.ParticipantInfo.KindDetail.items()}
_DEPARTURES: Final = {number: name for name, number in models.DisconnectReason.items()} | {0: ""}
PRODUCTION: Final = "production"  # what LiveKit Cloud calls the deployment that has no name
_CANCELLED: Final = {
    agent.JSR_NO_CAPACITY: JobCondition.NO_CAPACITY,
    agent.JSR_ROOM_CLOSED: JobCondition.ROOM_CLOSED,
    agent.JSR_DISPATCH_DELETED: JobCondition.DISPATCH_DELETED,
}
_FINISHED: Final = frozenset({agent.JS_SUCCESS, agent.JS_FAILED, agent.JS_CANCELLED})


def room_of(room: models.Room) -> Room:
    """The room."""
    return Room(
        sid=RoomSid(brief(room.sid, ID_MAX)),
        name=brief(room.name, NAME_MAX),
        metadata=room.metadata,
        created_at=_ms(room.creation_time_ms, room.creation_time),
    )


def bare_room_of(room: models.Room) -> Room:
    """The room without its metadata."""
    return Room(sid=RoomSid(room.sid), name=room.name, created_at=_ms(room.creation_time_ms, room.creation_time))


def participant_of(one: models.ParticipantInfo) -> Participant:
    """The participant; a kind, detail or reason that we do not know keeps its number."""
    return Participant(
        sid=brief(one.sid, ID_MAX),
        identity=brief(one.identity, NAME_MAX),
        kind=_KINDS.get(one.kind, str(one.kind)),
        kind_details=tuple(_KIND_DETAILS.get(value, str(value)) for value in one.kind_details[:KIND_DETAILS_MAX]),
        region=brief(one.region, NAME_MAX),
        name=one.name,
        active=one.state == models.ParticipantInfo.ACTIVE,
        hidden=one.permission.hidden,
        publisher=one.is_publisher,
        granted=one.permission.agent,
        recorder=one.permission.recorder,
        joined_at=_ms(one.joined_at_ms, one.joined_at),
        metadata=one.metadata,
        attributes=dict(one.attributes),
        disconnect_reason=_DEPARTURES.get(one.disconnect_reason, str(one.disconnect_reason)),
    )


def dispatch_of(one: agent_dispatch.AgentDispatch) -> Dispatch:
    """The dispatch with its jobs."""
    return Dispatch(
        id=brief(one.id, ID_MAX),
        agent=brief(one.agent_name, NAME_MAX),
        deployment="" if one.deployment == PRODUCTION else brief(one.deployment, NAME_MAX),
        tag=one.attributes.get(TAG, ""),
        jobs=tuple(_job(job) for job in one.state.jobs),
    )


def live_dispatch_of(one: agent_dispatch.AgentDispatch) -> Dispatch | None:
    """The dispatch with its jobs; None: it has been deleted."""
    return None if one.state.deleted_at else dispatch_of(one)


def _job(job: agent.Job) -> Job:
    return Job(
        id=brief(job.id, ID_MAX),
        identity=brief(job.state.participant_identity, NAME_MAX),
        ended=bool(job.state.ended_at) or job.state.status in _FINISHED,
        succeeded=bool(job.state.ended_at and job.state.participant_identity) and job.state.status == agent.JS_SUCCESS,
        outcome=_outcome(job.state),
        error=brief(job.state.error, ID_MAX) if job.state.status == agent.JS_FAILED else "",
    )


def _outcome(state: agent.JobState) -> JobCondition | None:
    """What the state says beside that it runs or has ended; JS_PENDING is also what a server says that says nothing."""
    if state.status == agent.JS_CANCELLED:
        return _CANCELLED.get(state.reason, JobCondition.CANCELLED)
    if state.status == agent.JS_FAILED:
        return JobCondition.FAILED
    waits = state.status == agent.JS_PENDING and not state.participant_identity
    return JobCondition.QUEUED if not state.ended_at and (waits or state.reason == agent.JSR_RETRYING) else None


def _ms(milliseconds: Ms, seconds: int) -> Ms:
    """Servers of before the millisecond fields send seconds alone."""
    return milliseconds or seconds * 1000
