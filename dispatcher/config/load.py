"""A file and the environment → one frozen Config, or everything that is wrong with them at once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import replace

from dispatcher.config.checks import check, unasked, unreachable
from dispatcher.config.document import Document, read_document
from dispatcher.config.environment import Environment, read_environment
from dispatcher.config.model import Agent, File, LimitFields, Limits, Origin, ProjectFields, RuleFields, validate
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.settings import Config, Limit, Pace, Project, Sweep
from dispatcher.core.events import Participant, Room
from dispatcher.core.rules import Policy, Rule, Target

DEFAULT_FILE = Path("dispatcher.yaml")
_NO_FILE = Document(file="", tree={})


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads `path`, else the file DISPATCHER_CONFIG names, else `dispatcher.yaml` in the working directory, if any.

    Reads nothing but that file and the files of secrets it or the environment names. Raises BadConfig.
    """
    environment = read_environment(environ)
    file = path or find(environment)
    document = read_document(file) if file else _NO_FILE
    fields = _fields(document, environment, Origin(environ, file.parent if file else Path()))
    config = Config(
        projects=_projects(fields, environment),
        rules=_rules(fields.rules, fields.defaults, environment),
        instance=fields.instance,
        sweep=Sweep(every=fields.sweep.every, looks_per_second=fields.sweep.looks_per_second),
        pace=Pace(per_second=fields.pace.per_second, burst=fields.pace.burst) if fields.pace else None,
        host=environment.host,
        port=environment.port,
        redis_url=environment.redis_url,
        api_token=environment.api_token,
        file=file,
        warnings=environment.warnings,
        masked=fields.log.identities == "masked",
    )
    return replace(config, warnings=(*_warnings(config, fields, document), *config.warnings))


def find(environment: Environment) -> Path | None:
    """The file that DISPATCHER_CONFIG names, else `dispatcher.yaml` in the working directory, if any."""
    return environment.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def room_metadata(room: Room, _: Participant | None) -> str:
    """What `metadata: room` sends: the room's own metadata, as it stands."""
    return room.metadata


def _fields(document: Document, environment: Environment, origin: Origin) -> File:
    problems: list[Problem] = [*document.problems, *environment.problems]
    if document.tree is None:
        raise BadConfig(problems)
    fields = validate(document, origin)
    problems += check(document, environment)
    if not isinstance(fields, File):
        raise BadConfig((*problems, *fields))
    if problems:
        raise BadConfig(problems)
    return fields


def _warnings(config: Config, fields: File, document: Document) -> Iterator[Problem]:
    yield from unreachable(config.rules, document, ("rules",))
    yield from unasked(fields.paused, config.rules_in_force, document, ("paused",))
    for index, (project, declared) in enumerate(zip(config.projects, fields.projects, strict=False)):
        rules = config.rules_of(project)
        if declared.rules:
            yield from unreachable(rules, document, ("projects", index, "rules"))
        yield from unasked(declared.paused, rules, document, ("projects", index, "paused"))


def _projects(file: File, environment: Environment) -> tuple[Project, ...]:
    """Those of the file, or one from the environment; the only one is completed by the environment, which wins."""
    declared = file.projects or (ProjectFields(),)
    return tuple(_project(fields, file, environment, alone=len(declared) == 1) for fields in declared)


def _project(fields: ProjectFields, file: File, environment: Environment, *, alone: bool) -> Project:
    url, keys = (environment.url, environment.keys) if alone else (None, {})
    return Project(
        name=fields.name,
        url=url or fields.url,
        keys=MappingProxyType(dict(keys or fields.keys)),
        rules=_own_rules(fields, file, environment),
        paused=frozenset({*file.paused, *fields.paused}),
        limit=_limit(fields.limit if fields.limited else file.limit),
    )


def _own_rules(fields: ProjectFields, file: File, environment: Environment) -> tuple[Rule, ...] | None:
    """The project's rules, or those of all under its own defaults; None: it has neither."""
    said = fields.defaults.said()
    if not fields.rules and not said:
        return None
    defaults = file.defaults.model_copy(update=said)
    return _rules(fields.rules or file.rules, defaults, environment)


def _limit(fields: LimitFields | None) -> Limit | None:
    return Limit(calls_per_second=fields.calls_per_second, burst=fields.burst) if fields else None


def _rules(written: Sequence[RuleFields], defaults: Limits, environment: Environment) -> tuple[Rule, ...]:
    if environment.agent is not None:
        written = (RuleFields(name="default", agent=Agent(name=environment.agent)),)
    return tuple(_rule(rule, defaults) for rule in written)


def _rule(fields: RuleFields, defaults: Limits) -> Rule:
    limits = defaults.model_copy(update=fields.said())
    policy = Policy(
        targets=tuple(Target(agent.name, agent.deployment) for agent in (fields.agent, *fields.fallback)),
        kinds=frozenset(fields.kinds),
        on=fields.on,
        per=fields.per,
        worker=fields.worker,
        attempts=limits.attempts,
        confirm_within=limits.confirm_within,
        join_within=limits.join_within,
        min_stay=limits.min_stay,
        retry_every=limits.retry_every,
        on_finish=limits.on_finish,
        surplus=limits.surplus,
    )
    metadata = room_metadata if fields.metadata else None
    return Rule(name=fields.name, policy=policy, metadata=metadata, go_on=fields.go_on)
