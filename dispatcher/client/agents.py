"""How an agent stands, as the running service tells it: docs/http.md has what each field means."""

from collections.abc import Mapping

from msgspec import Struct


class AgentPause(Struct, frozen=True):
    """Who has paused the agent, until when and why. Instants are milliseconds since 1970."""

    by: str | None  # None: nobody's order, the configuration alone
    since: int | None
    until: int | None  # None: until somebody resumes it
    reason: str | None
    configured: bool  # the configuration pauses it: `resume` does not end that
    sentence: str  # all of it for people, fit for a terminal


class AgentTarget(Struct, frozen=True):
    """One deployment of the agent."""

    deployment: str
    circuit: str  # `closed`, `open`, `half_open`
    open_since: int | None
    last_seen_at: int | None
    usual_ms: int | None
    silent: int


class ListedAgent(Struct, frozen=True):
    """An agent of a project."""

    project: str | None  # None: its workers are seen, and nobody knows of which project
    agent: str
    rules: tuple[str, ...]
    targets: tuple[AgentTarget, ...]
    assignments: Mapping[str, int]  # of live rooms, by state
    workers: int | None
    paused: AgentPause | None


class ListedAgents(Struct, frozen=True):
    """Every agent that is known, and the ledger's clock when they were asked for."""

    agents: tuple[ListedAgent, ...]
    now: int
    dry_run: bool
