"""Rules: in rooms like this, for people like this, we want that agent.

A rule's `Policy` is what an assignment takes with it when it is born; a later reload does not change it.
Conditions, metadata and computed targets are functions handed in by the configuration, so that the core knows no
expression language.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from dispatcher.core.facts import PERSON_KINDS, Ms, Participant, Room, is_probe

Trigger: TypeAlias = Literal["participant_joined", "room_started"]
Per: TypeAlias = Literal["room", "participant"]
WorkerType: TypeAlias = Literal["room", "publisher"]
OnFinish: TypeAlias = Literal["done", "replace"]
ExtraAgents: TypeAlias = Literal["remove", "report"]
UnrequestedAgents: TypeAlias = Literal["remove", "report"]

Condition: TypeAlias = Callable[[Room, Participant | None], bool]
Render: TypeAlias = Callable[[Room, Participant | None], str]


LAUNCHED: Final = "launch:"  # begins the name of what a launcher starts; no agent of a rule's is called so


class Target(Struct, frozen=True, omit_defaults=True, gc=False):
    """An agent that may serve an assignment: the name (and deployment) its workers register under.

    Or a launcher, which starts a process for the room: there are no workers then, and LiveKit has no dispatch.
    """

    agent: str  # "" of launchers, and of NAMELESS
    deployment: str = ""
    launcher: str = ""

    @property
    def name(self) -> str:
        """What people call it, whatever its deployment: `agent`, or `launch:launcher`. "": of NAMELESS alone."""
        return f"{LAUNCHED}{self.launcher}" if self.launcher else self.agent

    def __str__(self) -> str:
        """As people read it: its name, or `agent@deployment`."""
        return f"{self.agent}@{self.deployment}" if self.deployment else self.name


def is_launch(name: str) -> bool:
    """Whether a target of this name is a launcher."""
    return name.startswith(LAUNCHED)


NAMELESS: Final = Target("")  # stands alone in a policy while expressions name no agent; nobody is ever asked for it


class Aimed(Struct, frozen=True):
    """What a rule's targets come to in one look: those that could be named, in order, and why others could not."""

    targets: tuple[Target, ...]
    failed: tuple[str, ...] = ()


Aim: TypeAlias = Callable[[Room, Participant | None], Aimed]


class Policy(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How an assignment is served: its targets in order, whom it is for, and every limit. Spans in milliseconds."""

    targets: tuple[Target, ...]
    kinds: frozenset[str] = PERSON_KINDS
    trigger: Trigger = "participant_joined"
    per: Per = "room"
    worker_type: WorkerType = "room"
    attempts: int = 3  # per target, at least 1
    confirm_within: Ms = 12_000  # a healthy agent's job was listed after at most 10.5 s (docs/livekit.md §0)
    confirm_early: bool = True  # silence may be known sooner, by what is known of the target
    join_within: Ms = 30_000
    min_stay: Ms = 5_000
    retry_every: Ms = 30_000
    on_finish: OnFinish = "replace"  # whose agent leaves without a word
    finish_grace: Ms = 3_000  # front ends hang up when the agent goes
    extra_agents: ExtraAgents = "remove"
    unrequested_agents: UnrequestedAgents = "report"  # of others; those without a name alone are ever removed


class Rule(Struct, frozen=True, kw_only=True):
    """One rule of the configuration. `go_on` is its `continue`: rules after it may match as well.

    With `aim`, the policy's targets are all that the rule names outright, and an assignment's are those that `aim`
    gives.
    """

    name: str
    policy: Policy
    aim: Aim | None = None  # None: the policy's targets
    when: Condition | None = None  # None: always
    metadata: Render | None = None  # None: empty
    go_on: bool = False
    reads_room: bool = True  # more of it than its name and SID, which webhooks tell
    late: bool = False  # it reads facts that may change after somebody has joined, and no webhook says so


def named(rules: Sequence[Rule], name: str) -> Rule | None:
    """The rule of this name; None: a reload took it away."""
    return next((rule for rule in rules if rule.name == name), None)


def named_by(rules: Sequence[Rule]) -> set[Target]:
    """The targets that rules name outright."""
    return {target for rule in rules for target in rule.policy.targets if target.name}


def matching(rules: Sequence[Rule], room: Room, person: Participant | None) -> tuple[Rule, ...]:
    """The rules that apply to a person (None: to the room): the first that matches, and on while it says `continue`."""
    judged = judging(rules, room, person)
    while True:
        try:
            next(judged)
        except StopIteration as end:
            chosen: tuple[Rule, ...] = end.value
            return chosen


def judging(rules: Sequence[Rule], room: Room, person: Participant | None) -> Generator[None, None, tuple[Rule, ...]]:
    """As `matching`; it stops after each condition that was judged, as one may take 10 ms."""
    chosen: list[Rule] = []
    if is_probe(room.name):
        return ()
    for rule in rules:
        applies = _applies(rule, room, person)
        if rule.when is not None:
            yield
        if applies:
            chosen.append(rule)
            if not rule.go_on:
                break
    return tuple(chosen)


def aimed(rule: Rule, room: Room, person: Participant | None) -> Aimed:
    """The targets of an assignment of this rule, as things are now; NAMELESS where no agent could be named."""
    if rule.aim is None:
        return Aimed(rule.policy.targets)
    found = rule.aim(room, person)
    return found if found.targets else Aimed((NAMELESS,), found.failed)


def _applies(rule: Rule, room: Room, person: Participant | None) -> bool:
    if (person is None) != (rule.policy.trigger == "room_started"):
        return False
    if person is not None and person.kind not in rule.policy.kinds:
        return False
    return rule.when is None or rule.when(room, person)
