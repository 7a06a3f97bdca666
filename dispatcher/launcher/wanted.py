"""A request for a launch whose token has been verified, and what it came to."""

from collections.abc import Mapping

from msgspec import Struct

from dispatcher.launcher.launch import Launch
from dispatcher.launcher.recorder import LaunchResult
from dispatcher.livekit.join_token import JoinToken


class LaunchWanted(Struct, frozen=True, kw_only=True):
    """A request for a launch, whose token has been verified."""

    launcher: str
    url: str  # the project's
    token: str
    grants: JoinToken
    room_sid: str = ""  # of the life of the room that it is for; "": whichever it finds
    fields: Mapping[str, object] = {}
    files: Mapping[str, bytes] = {}


class LaunchAnswer(Struct, frozen=True):
    """What a request came to; `launch` None: nothing was started."""

    result: LaunchResult
    launch: Launch | None = None
