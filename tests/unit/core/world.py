"""The core's values in a line each: rules, people, agents, dispatches, assignments, attempts."""

from hashlib import blake2b

from msgspec.structs import replace

from dispatcher.core.events import Event
from dispatcher.core.facts import AGENT, JOINED, Ms, Participant, Room, RoomSid
from dispatcher.core.plan import Create
from dispatcher.core.rules import Condition, Policy, Rule, Target
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.snapshot import Dispatch, Job
from dispatcher.core.tags import Tags

NOW: Ms = 1_700_000_000_400  # our clock
LIVEKIT_AHEAD: Ms = 7_000  # LiveKit's clock is another one
LOBBY = Room(sid=RoomSid("RM_1"), name="lobby", created_at=NOW + LIVEKIT_AHEAD)
INSTANCE = "default"
GREETER = Target("greeter")


class Pen:
    """Signs as somebody does who knows this word."""

    def __init__(self, word: str = "ours") -> None:
        self.word = word

    def sign(self, text: str) -> str:
        """A hash of both."""
        return blake2b(f"{self.word} {text}".encode(), digest_size=4).hexdigest()

    def signed(self, text: str, signature: str) -> bool:
        """Whether it is that hash."""
        return signature == self.sign(text)


TAGS = Tags(INSTANCE, Pen())


def seconds(count: float) -> Ms:
    """A span."""
    return int(count * 1000)


def policy(*agents: str, **limits: object) -> Policy:
    """The default policy, but for these agents and limits."""
    return replace(Policy(targets=tuple(Target(agent) for agent in agents or ("greeter",))), **limits)


def rule(
    name: str = "greeter", *agents: str, when: Condition | None = None, go_on: bool = False, **limits: object
) -> Rule:
    """A rule for the agent of its own name, or for these."""
    return Rule(name=name, policy=policy(*(agents or (name,)), **limits), when=when, go_on=go_on)


def only(*identities: str) -> Condition:
    """The condition of a rule for these people alone."""
    return lambda _room, one: one is not None and one.identity in identities


def person(identity: str = "alice", **fields: object) -> Participant:
    """Somebody ACTIVE in the room; the SID is that of a first connection."""
    return replace(
        Participant(sid=f"PA_{identity}", identity=identity, active=True, joined_at=LOBBY.created_at), **fields
    )


def agent(identity: str = "agent-AJ_1", name: str = "greeter", **fields: object) -> Participant:
    """An agent ACTIVE in the room, stamped with the name that its worker registered under."""
    return person(identity, **{"kind": AGENT, "granted": True, "attributes": {"lk.agent_name": name}} | fields)


def dispatch(id_: str = "AD_1", name: str = "greeter", *jobs: Job, tag: str = "") -> Dispatch:
    """A dispatch as LiveKit lists it; without a tag it is not ours."""
    return Dispatch(id=id_, agent=name, tag=tag, jobs=jobs)


def tagged(
    number: int = 1,
    key: str = "greeter",
    id_: str = "AD_1",
    agent: str = "greeter",
    *jobs: Job,
    tags: Tags = TAGS,
    life: Session | None = None,
) -> Dispatch:
    """A dispatch of ours, made for the lobby's session or another `life`."""
    step = Create(assignment=key, number=number, target=Target(agent))
    return dispatch(id_, agent, *jobs, tag=tags.of(life or session(), step))


def job(identity: str = "agent-AJ_1", *, ended: bool = False, succeeded: bool = False) -> Job:
    """A worker's yes; ended and without identity, its no."""
    return Job(id=identity.removeprefix("agent-") or "AJ_no", identity=identity, ended=ended, succeeded=succeeded)


def done(who: Participant, said: str = "bye") -> Participant:
    """The agent, having said that it is done."""
    return replace(who, attributes={**who.attributes, "dispatcher.done": said})


NO = job("", ended=True)


def attempt(number: int = 1, **fields: object) -> Attempt:
    """An open attempt of ours at the greeter, asked at NOW."""
    return replace(Attempt(number=number, target=GREETER, started_at=NOW), **fields)


def assignment(*attempts: Attempt, name: str = "greeter", **fields: object) -> Assignment:
    """An assignment of the default policy that somebody waits for."""
    last = max((one.number for one in attempts), default=0)
    return replace(Assignment(rule=name, policy=policy(), attended=True, attempts=attempts, last_number=last), **fields)


def session(*assignments: Assignment, **fields: object) -> Session:
    """The lobby's session, looked at just now."""
    return replace(Session(room=LOBBY.name, sid=LOBBY.sid, assignments=assignments, looked_at=NOW), **fields)


def event(name: str = JOINED, who: Participant | None = None, *, at: Ms = NOW + LIVEKIT_AHEAD) -> Event:
    """A webhook about the lobby; LiveKit stamps whole seconds."""
    return Event(id=f"EV_{name}", name=name, created_at=at // 1000 * 1000, room=LOBBY, participant=who)
