"""How an agent stands, as the running service tells it: docs/http.md has what each field means."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

CIRCUITS: Final = ("closed", "open", "half_open")

Instant: TypeAlias = Annotated[int, Meta(description="milliseconds since 1970, by the ledger's clock")]


class AgentPause(Struct, frozen=True):
    """Who has paused the agent, until when and why."""

    by: Annotated[str | None, Meta(description="null: nobody's order, the configuration alone")]
    since: Instant | None
    until: Annotated[int | None, Meta(description="milliseconds since 1970; null: until somebody resumes it")]
    reason: str | None
    configured: Annotated[bool, Meta(description="the configuration pauses it: to resume it does not end that")]
    sentence: Annotated[str, Meta(description="all of it for people, fit for a terminal")]


class SplitStop(Struct, frozen=True):
    """A rule's split gives the target to nobody, until somebody resumes the agent."""

    rule: str
    since: Instant
    figures: Annotated[str, Meta(description="how many of its rooms went badly, and how many on the other side")]
    sentence: Annotated[str, Meta(description="all of it for people, fit for a terminal")]


class AgentProbe(Struct, frozen=True):
    """What came of the probes of a target, over all replicas."""

    result: Annotated[str, Meta(description="of the last one that says something: served, or why no agent came")]
    at: Instant
    took_ms: Annotated[int | None, Meta(description="how soon the agent came that a probe last got; null: not known")]
    last_served_at: Annotated[int | None, Meta(description="when a probe last got an agent; null: not known")]
    failures: Annotated[int, Meta(description="how many have failed in a row")]
    failing_since: Annotated[int | None, Meta(description="when the first of these ended; null: the last was served")]
    room: Annotated[str | None, Meta(description="the last one's, for GET /v1/rooms/{room}; null: there was none")]
    why: Annotated[str | None, Meta(description="the diagnosis of the last one; null: it was served")]
    sentence: Annotated[str, Meta(description="all of it for people, fit for a terminal")]


class AgentTarget(Struct, frozen=True):
    """One deployment of the agent, as all replicas know it."""

    deployment: str
    circuit: Annotated[str, Meta(extra_json_schema={"enum": [*CIRCUITS]})]
    open_since: Instant | None
    last_seen_at: Annotated[int | None, Meta(description="its last sign of life, in milliseconds since 1970")]
    usual_ms: Annotated[int | None, Meta(description="how soon its agents come; null: that differs")]
    silent: Annotated[int, Meta(description="silent attempts since then")]
    stopped: Annotated[tuple[SplitStop, ...], Meta(description="the splits that have taken it out")] = ()
    probe: Annotated[AgentProbe | None, Meta(description="null: it is not probed, or has not been yet")] = None


class LastHour(Struct, frozen=True):
    """What came of asking for the agent in the last hour, over all replicas."""

    served: Annotated[int, Meta(description="how many agents came")]
    failed: Annotated[int, Meta(description="attempts that failed: no agent came, or it was lost")]
    p50_ms: Annotated[int | None, Meta(description="half came within this time, to 10 %; null: none is known")]
    p95_ms: Annotated[int | None, Meta(description="95 of 100 came within this time, to 10 %; null: none is known")]
    minutes: Annotated[
        tuple[tuple[int, int], ...],
        Meta(description="served and failed of each of 60 minutes; the last one has only begun"),
    ]


class ListedAgent(Struct, frozen=True):
    """An agent of a project."""

    project: Annotated[str | None, Meta(description="null: its workers are seen, and nobody knows of which project")]
    agent: str
    rules: Annotated[tuple[str, ...], Meta(description="the rules that name it")]
    targets: tuple[AgentTarget, ...]
    assignments: Annotated[Mapping[str, int], Meta(description="how many of live rooms it has, by their state")]
    last_hour: LastHour
    workers: Annotated[int | None, Meta(description="how many answer now; null: none is seen")]
    paused: AgentPause | None


class ListedAgents(Struct, frozen=True):
    """Every agent that is known."""

    agents: tuple[ListedAgent, ...]
    now: Instant
    dry_run: Annotated[bool, Meta(description="the service asks for no agent, and has a ledger of its own")]
