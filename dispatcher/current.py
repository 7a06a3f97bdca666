"""What is in force: a configuration made ready to work with. A reload swaps it whole, in one assignment.

Who needs more than one thing of it reads `Current.now` once: no request, drive or sweep works with half of two.
"""

from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from dispatcher.config import Config, Limit, Pace, Project, Secret, Sweep, place
from dispatcher.core.rules import Rule
from dispatcher.core.tags import Tags
from dispatcher.expressions import Failed, heard
from dispatcher.ledger.redis.owner import LiveKitAt
from dispatcher.livekit import LiveKit
from dispatcher.signing import Signer
from dispatcher.webhook import ApiKey


class Site(Struct, frozen=True, kw_only=True):
    """A project as those who work for it need it: its LiveKit, and what holds in it."""

    livekit: LiveKit
    rules: tuple[Rule, ...]
    tags: Tags
    paused: frozenset[str] = frozenset()
    pace: Pace | None = None
    limit: Limit | None = None


class InForce(Struct, frozen=True, kw_only=True):
    """One configuration, ready."""

    sites: Mapping[str, Site]  # by project
    keys: Mapping[str, ApiKey] = {}  # by API key, of all projects
    sweep: Sweep = Sweep()
    api_token: Secret | None = None
    livekits: Mapping[str, LiveKitAt] = {}  # by project: what tells this installation from another


class Current:
    """Holds what is in force now."""

    def __init__(self, now: InForce) -> None:
        self.now = now


def in_force(config: Config, connect: Callable[[Project], LiveKit], hear: Callable[[str, Failed], None]) -> InForce:
    """The configuration, ready; nothing is connected yet. `hear` is told of a project's expressions that fail."""
    keys = {
        key: ApiKey(project.name, secret.get_secret_value())
        for project in config.projects
        for key, secret in project.keys.items()
    }
    return InForce(
        sites={project.name: _site(project, config, connect, hear) for project in config.projects},
        keys=keys,
        sweep=config.sweep,
        api_token=config.api_token,
        livekits=livekits(config),
    )


def livekits(config: Config) -> Mapping[str, LiveKitAt]:
    """Where each project's LiveKit is, without a secret."""
    return {project.name: LiveKitAt(place(project.url), tuple(sorted(project.keys))) for project in config.projects}


def _site(
    project: Project, config: Config, connect: Callable[[Project], LiveKit], hear: Callable[[str, Failed], None]
) -> Site:
    return Site(
        livekit=connect(project),
        rules=heard(config.rules_of(project), partial(hear, project.name)),
        tags=Tags(config.instance, Signer(secret.get_secret_value() for secret in project.keys.values())),
        paused=project.paused,
        pace=config.pace,
        limit=project.limit,
    )
