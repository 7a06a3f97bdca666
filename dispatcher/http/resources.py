"""What the API shows besides the types of `client/rooms` and `client/agents`. No metadata, and nothing secret.

Of these types the answers are made, and the schemas of the OpenAPI document.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from dispatcher.client.agents import Instant
from dispatcher.client.rooms import AssignmentState
from dispatcher.config import Scope
from dispatcher.core.timeline import Part, Said, Verdict
from dispatcher.core.troubles import TroubleKind
from dispatcher.core.workers import Missing

DRY_RUN: TypeAlias = Annotated[bool, Meta(description="the service asks for no agent, and has a ledger of its own")]
Here: TypeAlias = Annotated[int | None, Meta(description="milliseconds since 1970, by this machine's clock")]


class ToldTrouble(Struct, frozen=True):
    """Something that is wrong with the service itself."""

    kind: TroubleKind
    project: Annotated[str | None, Meta(description="null: it concerns all projects")]
    reason: str | None
    since: Here
    last_at: Here
    count: int
    sentence: str


class RuledPerson(Struct, frozen=True):
    """Somebody in the room, or the room itself, and what each rule says of them."""

    identity: Annotated[str | None, Meta(description="null: the room itself")]
    kind: str | None
    rules: tuple[str, ...]


class PresentPerson(Struct, frozen=True):
    """Somebody who is in the room, people and agents alike."""

    identity: str
    kind: str
    agent: Annotated[str | None, Meta(description="the name that its worker registered under; null: it is no agent")]
    joined_at: Annotated[int | None, Meta(description="milliseconds since 1970, by LiveKit's clock")]


class ApiProblem(Struct, frozen=True, kw_only=True):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    error: Annotated[str, Meta(description="a name to program with")]
    detail: Annotated[str, Meta(description="why, for people")] | UnsetType = UNSET
    field: Annotated[str, Meta(description="the field or parameter that is wrong")] | UnsetType = UNSET
    troubles: tuple[ToldTrouble, ...] | UnsetType = UNSET
    diagnosis: Annotated[tuple[str, ...], Meta(description="what can be said of an unknown room")] | UnsetType = UNSET
    resembling: Annotated[tuple[str, ...], Meta(description="live rooms of a name like it")] | UnsetType = UNSET
    people: tuple[RuledPerson, ...] | UnsetType = UNSET


class ToldAttempt(Struct, frozen=True):
    """One CreateDispatch, made, or found and adopted."""

    number: int
    agent: str
    deployment: str
    dispatch: str
    ours: Annotated[bool, Meta(description="false: a dispatch of a token, a SIP rule or an app, adopted")]
    started_at: Instant
    verdict: Annotated[str, Meta(description="how it ended", extra_json_schema={"enum": ["open", *Verdict]})]


class ToldAssignment(Struct, frozen=True):
    """An agent that is wanted in the session."""

    assignment: str
    state: AssignmentState
    next_attempt_at: Annotated[int | None, Meta(description="it comes then or later; null: no such time is set")]
    rounds: Annotated[int, Meta(description="how often all targets have failed since an agent last served it")]
    attempts: tuple[ToldAttempt, ...]


class ToldEntry(Struct, frozen=True, kw_only=True):
    """One entry of the timeline; what does not apply is absent."""

    at: Instant
    event: Said
    assignment: str
    number: int
    agent: str
    verdict: Annotated[Verdict, Meta(description="how the attempt ended")] | UnsetType = UNSET
    part: Annotated[Part, Meta(description="what was taken back")] | UnsetType = UNSET
    reason: Annotated[str, Meta(description="LiveKit's, or that of the patience with an agent")] | UnsetType = UNSET
    by: Annotated[str, Meta(description="whose token ordered it")] | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    since_invite_ms: Annotated[int, Meta(description="since the INVITE of the first one's call")] | UnsetType = UNSET
    usual_ms: Annotated[int, Meta(description="how soon the agent usually comes")] | UnsetType = UNSET


class ToldSession(Struct, frozen=True, kw_only=True):
    """All of a session: its assignments, what happened, and what that means."""

    project: str
    room: str
    sid: str
    finished: bool
    assignments: tuple[ToldAssignment, ...]
    due_at: Annotated[int | None, Meta(description="the next look; null: nothing to do, or it is worked on now")]
    timeline: tuple[ToldEntry, ...]
    people: Annotated[tuple[RuledPerson, ...] | None, Meta(description="null: it was not asked")]
    present: Annotated[tuple[PresentPerson, ...] | None, Meta(description="null: the room was not looked at")]
    diagnosis: Annotated[tuple[str, ...], Meta(description="how the session stands, for people")]
    narrative: Annotated[tuple[str, ...], Meta(description="the timeline in words")]


class ToldRoom(Struct, frozen=True, kw_only=True):
    """Every session of a room's name that is known, the newest first."""

    troubles: tuple[ToldTrouble, ...]
    room: str
    page: Annotated[str | None, Meta(description="where the page shows it; null: nowhere")]
    sessions: tuple[ToldSession, ...]
    dry_run: DRY_RUN


class AskingUser(Struct, frozen=True, kw_only=True):
    """Who asks, and what they may do."""

    name: Annotated[str, Meta(description="the token's, or that of whom a proxy has signed in")]
    scopes: Annotated[tuple[Scope, ...], Meta(description="all of them, those too that `admin` has in it")]
    projects: Annotated[tuple[str, ...], Meta(description="that they may know of")]
    agents: Annotated[tuple[str, ...] | None, Meta(description="that they may order; null: all")]
    dry_run: DRY_RUN


class SeenAgent(Struct, frozen=True):
    """An agent of whose name workers are seen."""

    agent: str
    workers: Annotated[int, Meta(description="how many answer now")]
    since: Here
    last_seen_at: Here


class AskedWorker(Struct, frozen=True, kw_only=True):
    """What a worker said of itself when it was asked last; or why none is known there."""

    address: str
    missing: Missing | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    active_jobs: int | UnsetType = UNSET
    load: float | UnsetType | None = UNSET
    sdk_version: str | UnsetType = UNSET
    ready: bool | UnsetType = UNSET


class ToldWorkers(Struct, frozen=True):
    """The configured workers."""

    asked_at: Here
    agents: tuple[SeenAgent, ...]
    workers: tuple[AskedWorker, ...]


class ApiDocument(Struct, frozen=True):
    """An OpenAPI document."""

    openapi: str
    info: Mapping[str, Any]
    paths: Mapping[str, Any]
    components: Mapping[str, Any]


class RefusedReload(Struct, frozen=True):
    """A reading of the configuration that changed nothing."""

    at: Here
    problems: Annotated[tuple[str, ...], Meta(description="each with its file, line, field and reason")]


class ToldConfig(Struct, frozen=True):
    """The configuration in force."""

    file: Annotated[str | None, Meta(description="null: the environment alone says it all")]
    loaded_at: Here
    yaml: Annotated[str, Meta(description="every field with its value, as `dispatcher check --print`; without secrets")]
    warnings: tuple[str, ...]
    deferred: Annotated[tuple[str, ...], Meta(description="settings whose change waits for the next start")]
    refused: Annotated[RefusedReload | None, Meta(description="the last one; null: none since the start")]


class OldestWait(Struct, frozen=True):
    """The room in which somebody has waited for an agent for longest."""

    project: str
    room: str
    sid: str
    since: Instant


class ToldLedger(Struct, frozen=True):
    """What the ledger says, which all replicas share."""

    now: Instant
    assignments: Annotated[
        Mapping[str, int], Meta(description="of live rooms, by their state: how many over all replicas")
    ]
    oldest_wait: Annotated[OldestWait | None, Meta(description="null: nobody waits")]


class Answering(StrEnum):
    """Whether somebody whom the service needs answers it."""

    ANSWERS = "answers"
    FAILING = "failing"
    UNKNOWN = "unknown"  # not asked yet, or it failed too long ago to say anything of now


class ProjectHere(Struct, frozen=True):
    """How a project stands, as this replica knows it."""

    project: str
    livekit: Annotated[
        Answering,
        Meta(description="how the last look or sweep ended; `unknown`: there was none, or it failed over 90 s ago"),
    ]
    last_sweep_at: Annotated[Here, Meta(description="a sweep came to its end; null: none since the start")]
    last_webhook_at: Annotated[Here, Meta(description="a webhook was verified; null: none since the start")]


class ReplicaHere(Struct, frozen=True, kw_only=True):
    """What the replica that answers knows by itself; another one knows other things."""

    version: str
    webhooks: Annotated[
        Mapping[str, int] | None,
        Meta(description="since the start, by result, of all projects; null: the token is for some projects"),
    ]
    projects: tuple[ProjectHere, ...]
    ledger: Answering
    config_loaded_at: Annotated[Here, Meta(description="when the configuration in force was loaded")]
    config_refused_at: Annotated[Here, Meta(description="the last reload that was refused; null: none since the start")]
    troubles: tuple[ToldTrouble, ...]


class ToldStats(Struct, frozen=True, kw_only=True):
    """How the service stands."""

    instance: str
    ledger: Annotated[ToldLedger | None, Meta(description="null: it does not answer")]
    this_replica: ReplicaHere
    dry_run: DRY_RUN


class Swept(Struct, frozen=True):
    """The projects whose live rooms are compared with the ledger now."""

    projects: tuple[str, ...]


class Reloading(Struct, frozen=True):
    """The configuration is read again now; the log and the metrics say what becomes of it."""
