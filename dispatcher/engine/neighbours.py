"""Finds out that another process works as this instance, with a ledger of its own: then each asks for agents by itself.

Only a process whose ledger is in its memory asks, as Redis is what replicas share. The sign is a dispatch with our tag
in a room that began after this process, and that this process did not make.
"""

from collections.abc import Sequence
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Entry, Said
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.recorder import SessionRecorder

APART_MS: Final[Ms] = 60_000  # by which LiveKit's clock and ours may differ, as everywhere; a restart is over by then


class Neighbours:
    """Knows since when this process works, and tells of another one beside it."""

    def __init__(self, recorder: SessionRecorder, *, alone: bool) -> None:
        self.recorder = recorder
        self.alone = alone  # no other process may have our ledger
        self.started_at = recorder.health.clock()

    def consider(self, key: Key, seen: RoomSnapshot | None, session: Session, entries: Sequence[Entry]) -> None:
        """Tell of another process if these new entries of the session's show one. `seen`: the look that they follow."""
        if not self.alone or seen is None or seen.room is None or seen.room.created_at <= self.started_at + APART_MS:
            return
        for entry in entries:
            adopted = entry.said is Said.DISPATCH_ADOPTED and entry.reason == "ours"
            if entry.said is Said.DISPATCH_DUPLICATED or (adopted and _is_of_this_life(key, seen, session, entry)):
                self.recorder.another_process(key)
                return


def _is_of_this_life(key: Key, seen: RoomSnapshot, session: Session, entry: Entry) -> bool:
    """Whether it was made for this life of the room: one of the life before may be ours, and new to this one."""
    assignment = session.find(entry.assignment)
    attempt = assignment.find(entry.number) if assignment else None
    tags = {dispatch.id: dispatch.tag for dispatch in seen.dispatches}
    return attempt is not None and f":{key.sid}:" in tags.get(attempt.dispatch, "")
