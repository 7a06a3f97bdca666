"""What is known of one launch: who asked for which room, which process runs for it, and how it ended.

A launch is one accepted request. Its record on disk is this struct. Instants called `_boot` are milliseconds since the
machine started: they never jump, and are the same before and after the launcher itself starts anew.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms

TRIES: Final = 2  # processes that are started for a launch, one after the other, until one has joined


class LaunchState(StrEnum):
    """How a launch stands."""

    WAITING = "waiting"  # for the end of the one it replaces
    STARTING = "starting"  # its process runs, and has not been seen in the room
    JOINED = "joined"
    ENDING = "ending"  # its process is asked to end, or killed
    ENDED = "ended"  # nothing of it runs


class LaunchEnd(StrEnum):
    """Why a launch has ended. Bounded: a metric's label, a log's reason."""

    NOT_STARTED = "not_started"  # the command could not be run
    NO_SHOW = "no_show"  # was not in the room in time
    EXITED = "exited"  # ended by itself, with exit code 0
    CRASHED = "crashed"  # ended by itself with another code, or by a signal that was not ours
    ROOM_FINISHED = "room_finished"
    LEFT = "left"  # is no longer in the room, which goes on; or was removed from it
    OWNER_LEFT = "owner_left"  # the agent that it speaks for is gone
    MAX_LIFE = "max_life"
    MEMORY = "memory"
    STOPPED = "stopped"  # somebody ordered it
    REPLACED = "replaced"  # another token came for the same room and identity
    SHUTDOWN = "shutdown"  # the launcher stopped
    LOST = "lost"  # ended while no launcher was there to see it


class Start(StrEnum):
    """How a launch got its process."""

    COLD = "cold"  # it was started for the launch
    WARM = "warm"  # it had been started ahead


class Launch(Struct, kw_only=True):
    """One launch, as it is on disk. No token is in it."""

    id: str
    launcher: str
    project: str = ""
    room: str = ""
    identity: str = ""
    behalf: str = ""  # the identity that it speaks for
    fingerprint: str = ""  # of the token
    expires_at: Ms = 0  # epoch, of the token
    accepted_at: Ms = 0  # epoch
    boot_id: str = ""  # of the machine's start that `_boot` counts from
    accepted_boot: Ms = 0
    state: LaunchState = LaunchState.WAITING
    start: Start = Start.COLD
    tries: int = 0
    pid: int = 0  # of the process that leads its session; 0: none has been started
    pid_started: int = 0  # when the kernel says that it was, in clock ticks since the machine's start
    started_boot: Ms = 0  # when the process that runs now was given the launch
    joined_boot: Ms = 0
    participant: str = ""  # the SID that it was seen in the room with
    room_sid: str = ""  # of the life of the room that it was asked for, or has joined
    end: LaunchEnd | None = None
    exit_code: int | None = None
    exit_signal: str = ""  # SIGKILL, …
    ended_at: Ms = 0  # epoch
    has_log: bool = True  # what the process wrote may still be on disk

    @property
    def ended(self) -> bool:
        return self.state is LaunchState.ENDED

    @property
    def joined_after(self) -> Ms | None:
        """From the request to the first sight of it in the room; None: it has not joined."""
        return self.joined_boot - self.accepted_boot if self.joined_boot else None

    def is_for(self, project: str, room: str, identity: str) -> bool:
        return (self.project, self.room, self.identity) == (project, room, identity)
