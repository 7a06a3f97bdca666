"""One life of a room, as data: who comes and goes, what workers make of each dispatch, and every fault.

Whatever is listed is used up in order (the third launch meets the third fate); what comes after the end of a list goes
well. From `calm` on everything goes well, so that the bounds of the design can be measured from there.
"""

from enum import StrEnum, auto
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms

# Everybody who may come, and as what.
PEOPLE: Final = {"ann": "STANDARD", "bob": "STANDARD", "cal": "SIP"}
EXTRAS: Final = {
    "eve": "hidden",
    "rec": "EGRESS",
    "ava": "avatar",
    "bot": "nameless agent",
    "twin": "agent without a dispatch",
    "mime": "agent without a dispatch or a grant",
    "cam": "grant of a recorder",
    "spy": "grant of an agent",
}


# How somebody makes a dispatch pass for ours.
FORGERIES: Final = {
    "made up": "the tag of an assignment's next attempt, with a signature of their own, on a dispatch of its agent",
    "stranger": "the same, on a dispatch of an agent that nobody wants",
    "copied": "the tag of our newest dispatch, on one of an agent that nobody wants",
}


class Answer(StrEnum):
    """What becomes of a launch."""

    ACCEPTS = auto()
    SILENT = auto()  # no worker, a busy one, or the request was lost
    REJECTS = auto()
    NO_SHOW = auto()  # a job, and no agent ever


class End(StrEnum):
    """How an agent's stay ends, `stay` ms after it became active."""

    STAYS = auto()
    RAISES = auto()  # gone within 10 ms, as CLIENT_INITIATED
    CRASHES = auto()  # LiveKit shows it for 20 s more
    FINISHES = auto()  # of its own will, without a word
    SAYS_DONE = auto()  # and then leaves
    REJOINS = auto()  # a full reconnect: the same identity, another SID


class Fate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one launch. Healthy by default."""

    answer: Answer = Answer.ACCEPTS
    take: Ms = 150  # from Create to the worker's answer
    lag: Ms = 50  # from then until the job is listed; 5 s were seen
    start: Ms = 150  # from the answer to the agent's joining
    end: End = End.STAYS
    stay: Ms = 0
    fixed: bool = False  # its identity is the same for every job
    outlives: bool = True  # being queued, it survives DeleteDispatch
    revives: bool = True  # it survives its room, and opens it again
    bound: bool = False  # it leaves a second after the first person it met, of its own will


class Reply(StrEnum):
    """What becomes of one call."""

    OK = auto()
    LOST = auto()  # done, and the answer never came
    BROKEN = auto()  # done, and an error came back at once
    NEVER = auto()  # not done, and no answer came
    UNREACHABLE = auto()
    LIMITED = auto()
    REFUSED = auto()  # 400
    NOT_FOUND = auto()
    UNAUTHORIZED = auto()


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call to LiveKit: it takes effect, if it does, after `took` ms. A create of more than 5 s answers nobody."""

    reply: Reply = Reply.OK
    took: Ms = 20


class What(StrEnum):
    """Something that somebody does."""

    JOINS = auto()
    LEAVES = auto()
    RELOADS = auto()  # and is back half a second later
    ABORTS = auto()  # a signal connection whose media never came
    CLOSES = auto()  # the room is deleted
    KICKS = auto()  # somebody removes an agent
    ASKS = auto()  # an app dispatches an agent of its own
    FORGES = auto()  # the same, with a tag as ours have it: `who` says which, and of what agent
    DELETES = auto()  # somebody deletes a dispatch
    WIPES = auto()  # the ledger is emptied
    PAUSES = auto()  # an agent is paused, by its name
    RESUMES = auto()  # nothing is paused any more
    ORDERS = auto()  # an operator orders an agent of this name, twice, as after a lost answer
    CANCELS = auto()  # an operator cancels one of the session's assignments
    RETRIES = auto()  # an operator has one tried again


class Happening(Struct, frozen=True, omit_defaults=True):
    """At `at` ms of the life."""

    at: Ms
    what: What
    who: str = ""


class Trouble(Struct, frozen=True, omit_defaults=True):
    """At a dispatcher's n-th step (a call, or an operation of the ledger), the one who makes it stops for `span` ms."""

    step: int
    span: Ms
    dies: bool = True  # with all that it was doing; else it stalls, and then goes on as if nothing had been


class Life(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is decided about a life before it begins."""

    rules: str = "one"
    seed: int = 0  # of latencies
    happenings: tuple[Happening, ...] = ()
    token: bool = False  # who opens the room brings a dispatch in the token
    forged: str = ""  # one of FORGERIES: its tag
    fates: tuple[Fate, ...] = ()
    creates: tuple[Call, ...] = ()
    looks: tuple[Call, ...] = ()
    retracts: tuple[Call, ...] = ()
    hooks: tuple[tuple[Ms, ...], ...] = ()  # of each webhook, the delays of its copies; none: it is lost
    troubles: tuple[Trouble, ...] = ()
    replicas: int = 1
    durable: bool = True  # the ledger outlives the process
    looks_apart: Ms = 0  # calls are limited: so far apart are the turns of looks
    creates_apart: Ms = 0  # and those of creates
    undecodable: tuple[int, ...] = ()  # the n-th webhooks, whose entries another version wrote
    knows_deployments: bool = True  # a server before 1.12.0 ignores them, and tags: the agent of none comes
    dry_run: bool = False
    dead: tuple[str, ...] = ()  # agents of which no worker is there before the calm
    launchers: int = 1  # of the same name
    crowd: bool = False  # many other rooms wait for agents that were asked for
    calm: Ms = 0

    @property
    def heard(self) -> bool:
        """Webhooks arrive soon, looks and retracts succeed, and nobody stops: only creates and agents fail."""
        good = all(call.reply is Reply.OK and call.took <= 500 for call in self.looks + self.retracts)
        wiped = any(one.what is What.WIPES for one in self.happenings)
        return good and not self.troubles and not wiped and all(copies and copies[0] <= 500 for copies in self.hooks)
