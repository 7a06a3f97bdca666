"""One life of a room: who is in it, what was dispatched to it, and what LiveKit says of each change.

LiveKit's own messages are the state, so that nothing stands between it and what the API and the webhooks show.
"""

import secrets
from collections.abc import Callable
from typing import Final

from livekit.protocol.agent import Job
from livekit.protocol.agent_dispatch import AgentDispatch, AgentDispatchState, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, Room, TrackInfo
from livekit.protocol.room import CreateRoomRequest
from livekit.protocol.webhook import WebhookEvent

from dispatcher.core.facts import ABORTED, JOINED, LEFT, ROOM_FINISHED, ROOM_STARTED, Ms
from dispatcher.testing.timers import Timers, Timings

Tell = Callable[[WebhookEvent], None]

_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CODECS: Final = ("audio/opus", "audio/red", "video/VP8", "video/H264", "video/VP9", "video/AV1")
_ENDED: Final = {"ROOM_DELETED": "ROOM_END_API_DELETE", "ROOM_CLOSED": "ROOM_END_IDLE_TIMEOUT"}
_DEPENDENT: Final = frozenset({ParticipantInfo.Kind.AGENT, ParticipantInfo.Kind.EGRESS})


def new_id(prefix: str) -> str:
    """An id as LiveKit makes them, such as `RM_cf9JyWVAKj9d`."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(12))


def room_info(asked: CreateRoomRequest, timings: Timings, opened_at: Ms) -> Room:
    """What LiveKit says of a room it has just opened. The TURN password is a secret, as the real one is."""
    return Room(
        sid=new_id("RM_"),
        name=asked.name,
        metadata=asked.metadata,
        empty_timeout=asked.empty_timeout or timings.empty_timeout,
        departure_timeout=asked.departure_timeout or timings.departure_timeout,
        max_participants=asked.max_participants,
        creation_time=opened_at // 1000,
        creation_time_ms=opened_at,
        turn_password=secrets.token_urlsafe(32),
        enabled_codecs=[{"mime": mime} for mime in _CODECS],
    )


def dependent(one: ParticipantInfo) -> bool:
    """Whether it keeps no room open and no worker takes it for somebody: by its kind, or by its token's grant."""
    return one.kind in _DEPENDENT or one.permission.agent or one.permission.recorder


class LiveRoom:
    """A room that is live until it is `over`; it closes by itself when nobody uses it."""

    def __init__(self, info: Room, timers: Timers, tell: Tell, changed: Callable[[], None]) -> None:
        self.info = info
        self.participants: dict[str, ParticipantInfo] = {}  # by SID, in the order they came
        self.dispatches: dict[str, AgentDispatch] = {}  # by id
        self.over = False
        self.counted: int | None = None  # the people that LiveKit says are here, whoever is
        self._arrivals = 0
        self._timers = timers
        self._tell = tell
        self._changed = changed

    def start(self) -> None:
        """room_started is told, and the room closes at its empty timeout if nobody joins."""
        self._say(ROOM_STARTED)
        self._close_if_deserted(self.info.empty_timeout)

    def find(self, identity: str) -> ParticipantInfo | None:
        """Who is in the room under that identity."""
        return next((one for one in self.participants.values() if one.identity == identity), None)

    def join(self, asked: ParticipantInfo) -> ParticipantInfo:
        """`asked` is ACTIVE in the room under a new SID; whoever had that identity has left (DUPLICATE_IDENTITY)."""
        if old := self.find(asked.identity):
            self.leave(old.sid, "DUPLICATE_IDENTITY")
        joined = self._enter(asked)
        self._say(JOINED, joined)
        return joined

    def leave(self, sid: str, reason: str) -> None:
        """That connection is gone, for LiveKit's `reason` (its enum's name); nothing happens if it is gone already."""
        self._exit(sid, reason, LEFT)

    def abort(self, asked: ParticipantInfo) -> None:
        """participant_connection_aborted is told: of who is here under that identity, else of one never ACTIVE."""
        here = self.find(asked.identity) or self._enter(asked)
        self._exit(here.sid, "SIGNAL_CLOSE", ABORTED)

    def set_participant_count(self, people: int) -> None:
        """From now on LiveKit says that so many are here: its counts are stale, and at times wrong."""
        self.counted = people
        self._count()

    def publish(self, publisher: ParticipantInfo) -> None:
        """They publish a track. As LiveKit's, the webhook names room and participant and says nothing else of them."""
        publisher.is_publisher = True
        self._count()
        self._tell(
            WebhookEvent(
                event="track_published",
                room=Room(sid=self.info.sid, name=self.info.name),
                participant=ParticipantInfo(sid=publisher.sid, identity=publisher.identity),
                track=TrackInfo(sid=new_id("TR_"), name="mic", mime_type="audio/red"),
                id=new_id("EV_"),
                created_at=self._timers.now_ms() // 1000,
            )
        )

    def add_dispatch(self, asked: RoomAgentDispatch) -> AgentDispatch:
        """A new dispatch, whatever dispatches there are: LiveKit's Create is not idempotent (docs/livekit.md §2.1)."""
        dispatch = AgentDispatch(
            id=new_id("AD_"),
            agent_name=asked.agent_name,
            room=self.info.name,
            metadata=asked.metadata,
            restart_policy=asked.restart_policy,
            deployment=asked.deployment,
            attributes=dict(asked.attributes),
            state=AgentDispatchState(created_at=self._timers.now_ns()),
        )
        self.dispatches[dispatch.id] = dispatch
        self._changed()
        return dispatch

    def list_job(self, dispatch: AgentDispatch, job: Job) -> None:
        """From now on the dispatch shows this job, for ever as it is now (docs/livekit.md §2.3)."""
        dispatch.state.jobs.append(job)
        self._changed()

    def close(self, reason: str) -> None:
        """Everybody has left for `reason`, room_finished is told, and the room is over."""
        if self.over:
            return
        self.over = True
        for sid in tuple(self.participants):
            self.leave(sid, reason)
        self._say(ROOM_FINISHED, why=_ENDED.get(reason))

    def _enter(self, asked: ParticipantInfo) -> ParticipantInfo:
        came_at = self._timers.now_ms()
        entered = ParticipantInfo(
            sid=new_id("PA_"),
            state=ParticipantInfo.State.ACTIVE,
            joined_at=came_at // 1000,
            joined_at_ms=came_at,
            version=2,
            client_protocol=2,
        )
        entered.MergeFrom(asked)
        self.participants[entered.sid] = entered
        self._arrivals += not dependent(entered)
        self._count()
        return entered

    def _exit(self, sid: str, reason: str, event: str) -> None:
        gone = self.participants.pop(sid, None)
        if gone is None:
            return
        gone.MergeFrom(ParticipantInfo(state="DISCONNECTED", disconnect_reason=reason, version=gone.version + 1))
        self._count()
        self._say(event, gone)
        if not dependent(gone):
            self._close_if_deserted(self.info.departure_timeout)

    def _close_if_deserted(self, span: float) -> None:
        arrivals = self._arrivals

        def close() -> None:
            if arrivals == self._arrivals and not self._independent():
                self.close("ROOM_CLOSED")

        self._timers.later(span, close)

    def _independent(self) -> list[ParticipantInfo]:
        return [one for one in self.participants.values() if not dependent(one)]

    def _count(self) -> None:
        counted = len(self._independent()) if self.counted is None else self.counted
        self.info.num_participants = counted
        self.info.num_publishers = sum(one.is_publisher for one in self.participants.values())

    def _say(self, event: str, participant: ParticipantInfo | None = None, why: str | None = None) -> None:
        self._tell(
            WebhookEvent(
                event=event,
                room=self.info,
                participant=participant,
                id=new_id("EV_"),
                created_at=self._timers.now_ms() // 1000,
                room_end_reason=why,
            )
        )
