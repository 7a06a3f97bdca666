"""What a tape has of tags: which dispatches and launches were ours, and as whom was launched."""

from dispatcher.core.plan import Create
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.tags import Tag


class RecordedTags:
    """Dispatches are ours where they were, and launches join as they did; a tape has no tags, and nobody makes any."""

    def __init__(self) -> None:
        self.known: dict[str, Tag] = {}
        self.launched = ""

    def of(self, _session: Session, _step: Create) -> str:
        """None."""
        return ""

    def identity(self, _session: Session, _step: Create) -> str:
        """That of the launch which is asked for."""
        return self.launched

    def found(self, _session: Session, _seen: RoomSnapshot) -> dict[str, Tag]:
        """Those of the look that is taken in."""
        return self.known
