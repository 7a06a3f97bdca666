"""The configuration in force, made ready to work with. A reload swaps it whole, in one assignment.

A request, drive or sweep reads `ConfigHolder.snapshot` once, so none works with parts of two configurations.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from msgspec import Struct

from dispatcher.client.launchers import Launchers
from dispatcher.config import (
    ApiRateLimit,
    Config,
    CreateRate,
    ProbeSettings,
    Project,
    Receiver,
    endpoint,
)
from dispatcher.core.audience import OBLIVION, Recollection
from dispatcher.core.rules import Policy, Rule
from dispatcher.core.tags import Tags
from dispatcher.expressions import Failed, UnreadMetadata, reporting
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.installation import LiveKitAt
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.join_token import JoinSigner
from dispatcher.livekit.webhook import ApiKey
from dispatcher.runtime.judgements import Judgements
from dispatcher.runtime.sealing import Seals
from dispatcher.runtime.signing import ProjectSigner


class ProjectRuntime(Struct, frozen=True, kw_only=True):
    """A project, ready to work with: its LiveKit, its rules and its limits."""

    livekit: LiveKit
    launchers: Launchers  # of all projects
    signer: JoinSigner  # of this project's tokens for them
    rules: tuple[Rule, ...]
    recollection: Recollection = OBLIVION  # of what these rules have said of people
    tags: Tags
    seals: Seals
    limits: Policy = Policy(targets=())  # of agents that are ordered by name
    paused: frozenset[str] = frozenset()
    reads_room: bool = True  # a rule reads more of the room than webhooks tell
    create_rate: CreateRate | None = None
    api_rate_limit: ApiRateLimit | None = None
    probe: ProbeSettings | None = None  # None: nobody is asked for but for callers


class ConfigSnapshot(Struct, frozen=True, kw_only=True):
    """One configuration, ready."""

    config: Config  # what is in force as it is written
    projects: Mapping[str, ProjectRuntime]  # by project
    keys: Mapping[str, ApiKey] = {}  # by API key, of all projects
    livekits: Mapping[str, LiveKitAt] = {}  # by project: what tells this installation from another


class ConfigHolder:
    """Holds the configuration that is in force now."""

    def __init__(self, snapshot: ConfigSnapshot) -> None:
        self.snapshot = snapshot

    def rules_of(self, project: str) -> tuple[Rule, ...]:
        """The rules of a project; none of one that is not configured."""
        runtime = self.snapshot.projects.get(project)
        return runtime.rules if runtime else ()

    def receivers(self) -> tuple[Receiver, ...]:
        """Those who are told of what happens."""
        return self.snapshot.config.receivers

    def ended_rooms(self) -> EndedRooms:
        """Which rooms that have ended are kept."""
        return self.snapshot.config.ended_rooms

    def public_url(self) -> str:
        """Where people reach this service; "": that is not configured."""
        return self.snapshot.config.public_url

    def project_names(self) -> Collection[str]:
        """The projects that are configured now."""
        return self.snapshot.projects.keys()


def config_snapshot(
    config: Config,
    connect: Callable[[Project], LiveKit],
    asking: Callable[[Mapping[str, Sequence[str]]], Launchers],
    hear: Callable[[str, Failed | UnreadMetadata], None],
) -> ConfigSnapshot:
    """Make the configuration ready; nothing is connected yet. `hear` gets the trouble with a project's expressions."""
    launchers = asking({one.name: one.urls for one in config.launchers if one.urls})
    return ConfigSnapshot(
        config=config,
        projects={
            project.name: _project_runtime(project, config, connect(project), launchers, hear)
            for project in config.projects
        },
        keys=api_keys(config),
        livekits=livekits(config),
    )


def api_keys(config: Config) -> Mapping[str, ApiKey]:
    """What each API key stands for, of all projects."""
    return {
        key: ApiKey(project.name, secret.get_secret_value())
        for project in config.projects
        for key, secret in project.keys.items()
    }


def livekits(config: Config) -> Mapping[str, LiveKitAt]:
    """Where each project's LiveKit is, without a secret."""
    return {project.name: LiveKitAt(endpoint(project.url), tuple(sorted(project.keys))) for project in config.projects}


def _project_runtime(
    project: Project,
    config: Config,
    livekit: LiveKit,
    launchers: Launchers,
    hear: Callable[[str, Failed | UnreadMetadata], None],
) -> ProjectRuntime:
    rules = config.rules_of(project)
    secrets = [secret.get_secret_value() for secret in project.keys.values()]
    return ProjectRuntime(
        livekit=livekit,
        launchers=launchers,
        signer=JoinSigner(next(iter(project.keys)), secrets[0]),
        rules=reporting(rules, partial(hear, project.name)),
        reads_room=any(rule.reads_room for rule in rules),
        recollection=Judgements(),
        tags=Tags(config.instance, ProjectSigner(secrets)),
        seals=Seals(secrets),
        limits=project.limits,
        paused=project.paused,
        create_rate=config.create_rate,
        api_rate_limit=project.api_rate_limit,
        probe=project.probe,
    )
