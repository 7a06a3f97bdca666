"""What LiveKit tells us, reduced to what we use: a room, a participant; and the names of its events.

Names and meanings are LiveKit's. Times are epoch milliseconds of LiveKit's clock unless a name says otherwise.
Metadata and attributes live here only while something is judged; they are never stored (law 11).
"""

from collections.abc import Mapping
from typing import Final, NewType, TypeAlias

from msgspec import Struct

from dispatcher.core import timing
from dispatcher.core.text import IDENTITY_MAX, brief

RoomSid = NewType("RoomSid", str)
Ms: TypeAlias = int  # an instant (epoch) or a span, in milliseconds

AGENT: Final = "AGENT"
SIP: Final = "SIP"
STANDARD: Final = "STANDARD"
DONE: Final = "dispatcher.done"  # the attribute by which an agent says so; its value is the reason, for people
DONE_MAX: Final = 64
INVITED: Final = "lk.sip.inviteTime"  # of who calls in: when the INVITE came, in milliseconds since 1970
_INSTANT_MAX: Final = 15  # digits
# The attribute of a dispatch, or of who was launched, that says for which assignment (`core.tags`); ignored by servers
# before 1.13.2. Before tags were signed it was `dispatcher.want`: that one proves nothing, and is not read.
TAG: Final = "dispatcher.assignment"
LAUNCHER: Final = "dispatcher.launcher"  # the attribute of an agent that names the launcher which has started it
PERSON_KINDS: Final = frozenset({STANDARD, SIP, "CONNECTOR"})
KINDS: Final = frozenset({"STANDARD", "INGRESS", "EGRESS", "SIP", "AGENT", "CONNECTOR", "BRIDGE"})
KIND_DETAILS: Final = frozenset(
    {"CLOUD_AGENT", "FORWARDED", "CONNECTOR_WHATSAPP", "CONNECTOR_TWILIO", "BRIDGE_RTSP", "SIMULATION"}
)
KIND_DETAILS_MAX: Final = 8  # of a participant that are read

PROBE_ROOMS: Final = "dispatcher-probe:"  # how the names of our own probes' rooms begin

SWEPT: Final = "swept"  # the sweep's, ours: the room lives; look
ROOM_STARTED: Final = "room_started"
ROOM_FINISHED: Final = "room_finished"
JOINED: Final = "participant_joined"
LEFT: Final = "participant_left"
ABORTED: Final = "participant_connection_aborted"
AGENT_JOB_ENDED: Final = "agent_job_ended"
AGENT_JOBS: Final = frozenset(  # LiveKit Cloud's: their room is their job's, and they are hints to look
    {"agent_job_pending", "agent_job_started", AGENT_JOB_ENDED}
)
RELEVANT_EVENTS: Final = frozenset(
    {ROOM_STARTED, ROOM_FINISHED, JOINED, LEFT, ABORTED}
)  # others never reach the ledger


def is_probe(room: str) -> bool:
    """Whether the name is that of a probe's room, whichever installation's: no rule applies in it."""
    return room.startswith(PROBE_ROOMS)


class Room(Struct, frozen=True, kw_only=True):
    """One life of a room, named by its SID. Counts are left out: LiveKit's are up to 5 s stale."""

    sid: RoomSid
    name: str
    metadata: str = ""
    created_at: Ms = 0


class Participant(Struct, frozen=True, kw_only=True):
    """Somebody in a room. `sid` names one connection, `identity` the one who connected."""

    sid: str
    identity: str
    kind: str = STANDARD  # LiveKit's name of the kind; one that we do not know keeps its own name or number
    kind_details: tuple[str, ...] = ()  # LiveKit's names, such as CONNECTOR_WHATSAPP; likewise
    region: str = ""  # of the LiveKit server that they are connected to; "" where it does not say
    name: str = ""
    active: bool = False  # state ACTIVE: media is connected
    hidden: bool = False
    publisher: bool = False
    granted: bool = False  # its token has the grant `agent`, as that of every job, and few made by hand
    recorder: bool = False  # its token has the grant `recorder`
    joined_at: Ms = 0
    metadata: str = ""
    attributes: Mapping[str, str] = {}
    disconnect_reason: str = ""  # LiveKit's name, such as CLIENT_INITIATED; "" when there is none

    @property
    def known_as(self) -> str:
        """Its identity as a session remembers it: cut where it is longer than anybody's."""
        return brief(self.identity, IDENTITY_MAX)

    @property
    def agent_name(self) -> str:
        """The name its worker registered under: stamped by servers from 1.9.2 on, else what the SDK says of itself."""
        return self.attributes.get("lk.agent_name") or self.attributes.get("lk.agent.name", "")

    @property
    def launcher(self) -> str:
        """Which launcher has started it, as it says itself; "": none."""
        return self.attributes.get(LAUNCHER, "") if self.is_agent else ""

    @property
    def done(self) -> str:
        """What an agent says of being done, in an attribute of its own; "" while it says nothing."""
        return brief(self.attributes.get(DONE, ""), DONE_MAX)

    @property
    def invited_at(self) -> Ms:
        """When the INVITE of their call came; 0: nobody says so, or not so that it could be true."""
        written = self.attributes.get(INVITED, "") if self.kind == SIP else ""
        if not (written.isascii() and written.isdecimal() and len(written) <= _INSTANT_MAX):
            return 0
        at = int(written)
        return at if self.joined_at - timing.INVITED_MS <= at <= self.joined_at else 0

    @property
    def as_agent(self) -> bool:
        """Whether LiveKit takes it for an agent: by its kind, or by its token's grant, whatever its kind."""
        return self.kind == AGENT or self.granted

    @property
    def is_agent(self) -> bool:
        """Whether it is an agent in its own right: an avatar, which speaks for one, is not."""
        return self.as_agent and "lk.publish_on_behalf" not in self.attributes

    @property
    def is_person(self) -> bool:
        """Whether an agent may be wanted for it, if it is of a rule's kinds: no agent, no recorder, and not hidden."""
        return not (self.as_agent or self.recorder or self.hidden)
