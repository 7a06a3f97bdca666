"""What a message says, in one sentence, and what each happening says beside it."""

from collections.abc import Mapping
from typing import Final

from dispatcher.core.notices import Happening, Message, NoticeKind
from dispatcher.core.text import visible
from dispatcher.explain import page_of
from dispatcher.telemetry.masks import MARK

_ONE: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.ROOM_STARVED: "A room has no agent: every target has been tried, the last was {agent}",
    NoticeKind.ROOM_RECOVERED: "A room that had no agent has one now: {agent}",
    NoticeKind.ROOM_RELEASED: "A room that had no agent needs none any more, or is tried anew: {agent}",
    NoticeKind.CIRCUIT_OPENED: "No agent of {agent} is seen in any room: where another can be asked, it is not asked",
    NoticeKind.CIRCUIT_CLOSED: "{agent} shows signs of life: it is asked again",
    NoticeKind.AGENT_REMOVED: "An agent beyond the one wanted was removed: {agent}",
    NoticeKind.AGENT_UNREQUESTED: "An agent is in a room that no rule asked for: {agent}",
    NoticeKind.SPLIT_STOPPED: "Far more rooms go badly with {agent} than beside it in its split: nobody is given it",
    NoticeKind.SPLIT_RESUMED: "Its split gives {agent} again: somebody has resumed it",
    NoticeKind.PROBE_FAILING: "Probes ask for {agent}, and it does not come",
    NoticeKind.PROBE_RECOVERED: "Probes get {agent} again",
    NoticeKind.KEY_REFUSED: "LiveKit refuses our API key",
    NoticeKind.LIVEKIT_FAILING: "LiveKit does not answer",
    NoticeKind.LIVEKIT_RECOVERED: "LiveKit answers again",
    NoticeKind.CONFIG_REFUSED: "The changed configuration has mistakes; the last good one stays in force",
    NoticeKind.CONFIG_ACCEPTED: "The configuration is right again, and in force",
    NoticeKind.TEST: "A test of this receiver: notices arrive",
}
_SEVERAL: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.ROOM_STARVED: "{total} rooms have no agent: every target has been tried, the last was {agent}",
    NoticeKind.ROOM_RECOVERED: "{total} rooms that had no agent have one now: {agent}",
    NoticeKind.ROOM_RELEASED: "{total} rooms that had no agent need none any more, or are tried anew: {agent}",
    NoticeKind.AGENT_REMOVED: "{total} agents beyond those wanted were removed: {agent}",
    NoticeKind.AGENT_UNREQUESTED: "Agents that no rule asked for are in {total} rooms: {agent}",
}


def summary(message: Message) -> str:
    """What has happened, in a sentence without a full stop; where several projects are, the project is named."""
    pattern = _SEVERAL.get(message.kind, _ONE[message.kind]) if message.total > 1 else _ONE[message.kind]
    return visible(pattern.format(total=message.total, agent=message.agent or "agents of several names"))


def link(public_url: str, happening: Happening) -> str:
    """Where a person sees the room; "" where nobody knows, or the room's name is hidden."""
    if not public_url or not happening.room or MARK.search(happening.room):
        return ""
    return f"{public_url}{page_of(happening.room)}"
