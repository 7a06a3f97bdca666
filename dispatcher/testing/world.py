"""All live rooms, and what is done to them: by the API, by a story, by workers and by time."""

from livekit.protocol.agent_dispatch import AgentDispatch, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import CreateRoomRequest
from livekit.protocol.webhook import WebhookEvent

from dispatcher.core.facts import ROOM_FINISHED
from dispatcher.testing.changes import Changes
from dispatcher.testing.release import ServerRelease
from dispatcher.testing.room import LiveRoom, Tell, room_info
from dispatcher.testing.timers import Timers, Timings
from dispatcher.testing.workers import Workers


class World:
    """The live rooms by name. Whatever happens is told (`tell`) and announced (`changes`)."""

    def __init__(
        self, timers: Timers, timings: Timings, release: ServerRelease, workers: Workers, changes: Changes, tell: Tell
    ) -> None:
        self.rooms: dict[str, LiveRoom] = {}
        self._timers = timers
        self._timings = timings
        self._release = release
        self._workers = workers
        self._changes = changes
        self._tell = tell
        workers.opened = lambda name: self.open(CreateRoomRequest(name=name))

    def open(self, asked: CreateRoomRequest) -> LiveRoom:
        """The room is live: as it was, or opened as asked, under a new SID.

        A room opened without agents has one implicit dispatch, with the agent name "" (docs/livekit.md §2.2).
        """
        if room := self.rooms.get(asked.name):
            return room
        info = room_info(asked, self._timings, self._timers.now_ms())
        room = LiveRoom(info, self._timers, self._heard, self._changes.announce)
        self.rooms[asked.name] = room
        room.start()
        for agent in asked.agents or [RoomAgentDispatch()]:
            self.dispatch(room, agent)
        return room

    def dispatch(self, room: LiveRoom, asked: RoomAgentDispatch) -> AgentDispatch:
        """The room has one more dispatch, and its worker, if there is one, is asked."""
        dispatch = room.add_dispatch(self._release.understood(asked))
        self._workers.launch(room, dispatch)
        return dispatch

    def retract(self, room: LiveRoom, dispatch_id: str) -> AgentDispatch | None:
        """The dispatch is listed no more and its agents are told to leave; None: the room has no such dispatch."""
        dispatch = room.dispatches.pop(dispatch_id, None)
        if dispatch is None:
            return None
        self._timers.later(self._timings.removal, lambda: self._workers.retract(room, dispatch))
        self._changes.announce()
        return dispatch

    def remove(self, room: LiveRoom, identity: str) -> bool:
        """They will be gone in a moment (PARTICIPANT_REMOVED); False: nobody has that identity."""
        here = room.find(identity)
        if here is None:
            return False
        self._timers.later(self._timings.removal, lambda: room.leave(here.sid, "PARTICIPANT_REMOVED"))
        return True

    def publish(self, room: LiveRoom, publisher: ParticipantInfo) -> None:
        """They publish a track, and workers that serve publishers are asked."""
        room.publish(publisher)
        self._workers.published(room, publisher)

    def set_metadata(self, room: LiveRoom, metadata: str) -> None:
        """The room's metadata are these; no webhook says so."""
        room.info.metadata = metadata
        self._changes.announce()

    def describe(self) -> str:
        """The world in a few lines, for a test that failed."""
        return "\n".join(_describe(room) for room in self.rooms.values()) or "no rooms"

    def _heard(self, event: WebhookEvent) -> None:
        if event.event == ROOM_FINISHED:
            del self.rooms[event.room.name]
        self._tell(event)
        self._changes.announce()


def _describe(room: LiveRoom) -> str:
    people = ", ".join(one.identity for one in room.participants.values()) or "nobody"
    lines = [f"room {room.info.name} ({room.info.sid}): {people}"]
    for dispatch in room.dispatches.values():
        jobs = ", ".join(job.state.participant_identity or "rejected" for job in dispatch.state.jobs) or "no jobs"
        lines.append(f"  dispatch {dispatch.id} of {dispatch.agent_name or 'the unnamed agent'}: {jobs}")
    return "\n".join(lines)
