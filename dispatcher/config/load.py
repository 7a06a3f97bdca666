"""A file and the environment → one frozen Config, or everything that is wrong with them at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from dispatcher.config.checks import check, replaced, unreachable
from dispatcher.config.document import Document, read_document
from dispatcher.config.environment import Environment, read_environment
from dispatcher.config.model import Agent, File, Limits, Origin, ProjectFields, RuleFields, validate
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.settings import Config, Pace, Project, Sweep
from dispatcher.core.events import Participant, Room
from dispatcher.core.rules import Policy, Rule, Target

DEFAULT_FILE = Path("dispatcher.yaml")
_NO_FILE = Document(file="", tree={})


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads `path`, else the file DISPATCHER_CONFIG names, else `dispatcher.yaml` in the working directory, if any.

    Reads nothing but that file and the files of secrets it or the environment names. Raises BadConfig.
    """
    environment = read_environment(environ)
    file = path or environment.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    document = read_document(file) if file else _NO_FILE
    fields = _fields(document, environment, Origin(environ, file.parent if file else Path()))
    rules = _rules(fields, environment)
    return Config(
        projects=_projects(fields.projects, environment),
        rules=rules,
        instance=fields.instance,
        sweep=Sweep(every=fields.sweep.every, looks_per_second=fields.sweep.looks_per_second),
        pace=Pace(per_second=fields.pace.per_second, burst=fields.pace.burst) if fields.pace else None,
        host=environment.host,
        port=environment.port,
        redis_url=environment.redis_url,
        api_token=environment.api_token,
        file=file,
        warnings=(*unreachable(rules, document), *environment.warnings),
    )


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


def _projects(declared: Sequence[ProjectFields], environment: Environment) -> tuple[Project, ...]:
    chosen = replaced([fields.name for fields in declared])
    projects = []
    for index, fields in enumerate(declared or [ProjectFields()]):
        here = index == chosen or not declared
        url = environment.url if here and environment.url else fields.url
        keys = environment.keys if here and environment.keys else fields.keys
        projects.append(Project(name=fields.name, url=url, keys=MappingProxyType(dict(keys))))
    return tuple(projects)


def _rules(fields: File, environment: Environment) -> tuple[Rule, ...]:
    if environment.agent is None:
        return tuple(_rule(rule, fields.defaults) for rule in fields.rules)
    alone = RuleFields(name="default", agent=Agent(name=environment.agent))
    return (_rule(alone, fields.defaults),)


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
