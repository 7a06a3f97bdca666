"""What is in a simulated room: members, dispatches; and what is remembered of those who left."""

from dataclasses import dataclass, field

from dispatcher.core.facts import AGENT, DONE, LAUNCHER, TAG, Ms, Participant, Room, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import Dispatch, Job
from tests.simulation.life import EXTRAS, PEOPLE, Fate


@dataclass(slots=True, eq=False)
class Made:
    """A dispatch, or a launch. `assignment` is "" for one that is not ours, whatever its tag says."""

    id: str
    target: Target
    tag: str
    fate: Fate
    room: RoomSid  # that it was made in
    assignment: str = ""  # the key of the assignment that it was made for
    number: int = 0  # of the attempt
    jobs: list[Job] = field(default_factory=list)  # as listed
    running: set[str] = field(default_factory=set)  # identities of assigned jobs whose agent has not left
    came_at: Ms = 0  # the first agent of it, into the room that it was made in; 0: none did
    deleted: bool = False
    dropped: bool = False  # its queued launch, too

    @property
    def ours(self) -> bool:
        return bool(self.assignment)

    def shown(self) -> Dispatch:
        """As ListDispatch shows it."""
        return Dispatch(
            id=self.id, agent=self.target.agent, deployment=self.target.deployment, tag=self.tag, jobs=tuple(self.jobs)
        )


@dataclass(slots=True, eq=False)
class Member:
    """One connection of somebody in a room."""

    sid: str
    identity: str
    kind: str
    joined_at: Ms  # LiveKit's clock
    agent: str = ""  # the name its worker registered under, or that of what was launched
    made: Made | None = None
    hidden: bool = False
    avatar: bool = False
    granted: bool = False  # its token has the grant of an agent's, as that of a job always has
    recorder: bool = False
    active: bool = False
    since: Ms = 0  # active, on the clock of the simulation
    left: bool = False
    dead: bool = False  # its process is; LiveKit shows it for 20 s more
    done: bool = False  # an agent that has said so
    bound: "Member | None" = None  # whose leaving ends an agent's own stay

    @property
    def is_agent(self) -> bool:
        return self.kind == AGENT and not self.avatar

    @property
    def is_person(self) -> bool:
        """Somebody for whom an agent may be wanted."""
        return self.kind in {"STANDARD", "SIP"} and not (self.hidden or self.granted or self.recorder)

    @property
    def keeps(self) -> bool:
        """Whether it keeps its room open: no agent, no egress, and no grant of an agent or a recorder."""
        return self.kind not in {AGENT, "EGRESS"} and not (self.granted or self.recorder)

    @property
    def ours(self) -> bool:
        return self.made is not None and self.made.ours

    @property
    def granted_as_job(self) -> bool:
        """Whether its token has the grant of an agent's."""
        return self.granted or (self.made is not None and not self.launched)

    @property
    def launched(self) -> bool:
        """Whether a launcher has started it: its token is ours."""
        return self.made is not None and bool(self.made.target.launcher)

    def strays(self, room: RoomSid) -> bool:
        """Whether it was asked for in an earlier life of the room that it is in."""
        return self.made is not None and self.made.room != room

    def shown(self, reason: str = "") -> Participant:
        """As LiveKit shows it."""
        attributes = {"lk.agent_name": self.agent} if self.agent else {}
        if self.made is not None and self.launched:
            attributes = {TAG: self.made.tag, LAUNCHER: self.made.target.launcher}
        if self.done:
            attributes[DONE] = "bye"
        if self.avatar:
            attributes["lk.publish_on_behalf"] = "agent-AJ_1"
        return Participant(
            sid=self.sid,
            identity=self.identity,
            kind=self.kind,
            active=self.active,
            hidden=self.hidden,
            joined_at=self.joined_at,
            granted=self.granted_as_job,
            recorder=self.recorder,
            attributes=attributes,
            disconnect_reason=reason,
        )


def newcomer(who: str, sid: str, joined_at: Ms) -> Member:
    """Somebody of the cast."""
    kind = PEOPLE.get(who) or EXTRAS[who]
    match kind:
        case "hidden":
            return Member(sid, who, "STANDARD", joined_at, hidden=True)
        case "avatar":
            return Member(sid, who, AGENT, joined_at, avatar=True)
        case "nameless agent":
            return Member(sid, who, AGENT, joined_at, granted=True)
        case "agent without a dispatch":
            return Member(sid, who, AGENT, joined_at, agent="greeter", granted=True)
        case "agent without a dispatch or a grant":
            return Member(sid, who, AGENT, joined_at, agent="greeter")
        case "grant of a recorder":
            return Member(sid, who, "STANDARD", joined_at, recorder=True)
        case "grant of an agent":
            return Member(sid, who, "STANDARD", joined_at, granted=True)
        case _:
            return Member(sid, who, kind, joined_at)


@dataclass(slots=True, eq=False)
class Opened:
    """One life of the room's name."""

    sid: RoomSid
    created_at: Ms  # LiveKit's clock
    members: dict[str, Member] = field(default_factory=dict)  # by identity
    dispatches: dict[str, Made] = field(default_factory=dict)
    attended: bool = False  # somebody was ever there who keeps it open
    emptied: Ms = 0  # the last of them left, or it was opened; on the clock of the simulation
    closed: bool = False
    closed_at: Ms = 0

    def shown(self, name: str) -> Room:
        """As ListRooms shows it."""
        return Room(sid=self.sid, name=name, created_at=self.created_at)

    @property
    def keepers(self) -> list[Member]:
        """Those who keep it open: no agents, no egress."""
        return [one for one in self.members.values() if one.keeps]


@dataclass(frozen=True, slots=True)
class Departure:
    """An agent has left."""

    agent: str
    assignment: str  # "": not ours
    reason: str
    left: Ms  # LiveKit's clock
    stayed: Ms
    by_us: bool
    room: RoomSid
    joined: Ms  # LiveKit's clock
    done: bool  # it had said so
    known: frozenset[str]  # SIDs of people whom the ledger knew then to be there, or to have gone


@dataclass(frozen=True, slots=True)
class Went:
    """A person's connection has ended."""

    identity: str
    sid: str
    joined_at: Ms  # LiveKit's clock
    left: Ms  # likewise
