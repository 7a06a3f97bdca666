"""What livekit-server does only since some release. Each was read in the source of both sides (docs/livekit.md §6)."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from livekit.protocol.agent_dispatch import RoomAgentDispatch

Version: TypeAlias = tuple[int, ...]  # (1, 12) is 1.12.0

SEEN: Final[Version] = (1, 13, 5)  # the one that all the fake does was seen on


@dataclass(frozen=True, slots=True)
class ServerRelease:
    """A release, by what it does that older ones do not."""

    version: Version

    @property
    def signs_iat(self) -> bool:
        """Webhooks' tokens say when they were made; older ones have `nbf` alone."""
        return self._since(1, 13, 0)

    @property
    def takes_attributes(self) -> bool:
        """A dispatch has `attributes`, and its jobs; and what CreateDispatch brings may not have any size."""
        return self._since(1, 13, 2)

    @property
    def knows_deployments(self) -> bool:
        """Of dispatches and of workers; older ones take every worker of the name for the same."""
        return self._since(1, 12, 0)

    @property
    def stamps_agent_name(self) -> bool:
        """`lk.agent_name` of an agent is set by the server."""
        return self._since(1, 9, 2)

    @property
    def lists_rejections(self) -> bool:
        """A worker's no ends the job, and it is listed; to older ones it is a worker less to ask: no job, no word."""
        return self._since(1, 9, 2)

    @property
    def tells_aborted(self) -> bool:
        """participant_connection_aborted; older ones say nothing of who was never ACTIVE."""
        return self._since(1, 9, 1)

    @property
    def tells_room_end_reason(self) -> bool:
        """room_finished says why."""
        return self._since(1, 13, 7)

    def deployment(self, name: str) -> str:
        """The deployment that is understood by that name."""
        return name if self.knows_deployments else ""

    def understood(self, asked: RoomAgentDispatch) -> RoomAgentDispatch:
        """What is left of a dispatch that is asked for."""
        left = RoomAgentDispatch()
        left.CopyFrom(asked)
        left.deployment = self.deployment(asked.deployment)
        if not self.takes_attributes:
            left.ClearField("attributes")
        return left

    def _since(self, *version: int) -> bool:
        return (*self.version, 0, 0)[:3] >= version
