"""Makes one frozen Config of a file and the environment, or reports all their mistakes at once."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import asdict, replace

from dispatcher.config import expressions
from dispatcher.config.agents import Agent
from dispatcher.config.checks import check, odd_deployments, outbound, unasked, unprobed, unreachable
from dispatcher.config.document import Document, Tree, read_document
from dispatcher.config.doubts import doubtful
from dispatcher.config.environment import Environment, read_environment
from dispatcher.config.fields import Origin
from dispatcher.config.launchers import launcher_of
from dispatcher.config.model import (
    ApiTokenFields,
    File,
    LimitFields,
    ProjectFields,
    RuleFields,
    UiFields,
    validate,
)
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.render import shown
from dispatcher.config.types import ApiRateLimit, ApiToken, Config, CreateRate, Project, SweepSettings, Ui
from dispatcher.core.rules import Policy, Rule
from dispatcher.expressions import Language
from dispatcher.ledger.ended import EndedRooms

DEFAULT_FILE = Path("dispatcher.yaml")
_NO_FILE = Document(file="", tree={})


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads `path`, else the file DISPATCHER_CONFIG names, else `dispatcher.yaml` in the working directory, if any.

    Reads nothing but that file and the files of secrets it or the environment names. Raises BadConfig.
    """
    return _config(_read(path, environ))


def find(environment: Environment) -> Path | None:
    """The file that DISPATCHER_CONFIG names, else `dispatcher.yaml` in the working directory, if any."""
    return environment.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load_offline(path: Path | None, environ: Mapping[str, str]) -> Config:
    """As `load`, without LiveKit's address and keys: placeholders stand in their place. Raises BadConfig."""
    return _config(_read_offline(path, environ))


def show(path: Path | None, environ: Mapping[str, str], *, offline: bool = False) -> str:
    """Show the configuration that `load` reads as YAML, with every default and without secrets. Raises BadConfig.

    `offline`: what `load_offline` reads; the addresses and keys that it shows are placeholders.
    """
    read = _read_offline(path, environ) if offline else _read(path, environ)
    return shown(read.fields, _projects(read), read.environment)


class _Read(Struct, frozen=True, kw_only=True):
    """A file and the environment, without mistakes."""

    file: Path | None
    document: Document
    environment: Environment
    fields: File
    language: Language


def _read(path: Path | None, environ: Mapping[str, str], *, offline: bool = False) -> _Read:
    environment, language = read_environment(environ), Language()
    file = path or find(environment)
    document = read_document(file) if file else _NO_FILE
    if offline and document.tree is not None:
        document = replace(document, tree=_connected(document.tree))
    fields = _fields(document, environment, Origin(environ, file.parent if file else Path()), language)
    return _Read(file=file, document=document, environment=environment, fields=fields, language=language)


def _read_offline(path: Path | None, environ: Mapping[str, str]) -> _Read:
    known = {name: environ[name] for name in ("DISPATCHER_CONFIG", "DISPATCHER_AGENT") if name in environ}
    return _read(path, known, offline=True)


def _connected(tree: dict[str, Tree]) -> dict[str, Tree]:
    """The file with a placeholder url and key for each project."""
    written = tree.get("projects", ({},))
    projects = written if isinstance(written, tuple) else ()
    made: list[Tree] = [
        {**one, "url": f"ws://project-{index}", "keys": {f"key{index}": "secret"}} if isinstance(one, dict) else one
        for index, one in enumerate(projects)
    ]
    return {**tree, "projects": tuple(made) or written}


def _config(read: _Read) -> Config:
    environment, fields = read.environment, read.fields
    made = {
        "projects": _projects(read),
        "rules": _rules(fields.rules, fields.defaults, read.language),
        "sweep": SweepSettings(**dict(fields.sweep)),
        "ended_rooms": EndedRooms(**dict(fields.ended_rooms)),
        "create_rate": CreateRate(**dict(fields.create_rate)) if fields.create_rate else None,
        "api_tokens": tuple(_api_token(one) for one in fields.api_tokens),
        "receivers": tuple(one.receiver for one in fields.notices),
        "ui": _ui(fields.ui),
        "launchers": tuple(launcher_of(name, one) for name, one in fields.launchers.items()),
        "file": read.file,
        "text": shown(fields, _projects(read), environment),
    }
    said = asdict(environment) | dict(fields)  # every other setting is in force as it is written, under its own name
    config = Config(**{name: value for name, value in (said | made).items() if name in Config.__struct_fields__})
    return replace(
        config,
        warnings=(*_warnings(config, read), *config.warnings),
        hints=tuple(_hints(config, fields, read.document)),
    )


def _api_token(fields: ApiTokenFields) -> ApiToken:
    return ApiToken(
        name=fields.name,
        token=fields.token,
        scopes=frozenset(fields.scopes),
        projects=frozenset(fields.projects) or None,
        agents=frozenset(fields.agents) or None,
    )


def _ui(fields: UiFields) -> Ui:
    return Ui(
        enabled=fields.enabled,
        trust_header=fields.trust_header,
        proxies=tuple(ip_network(one) for one in fields.proxies),
        scopes=frozenset(fields.scopes),
    )


def _fields(document: Document, environment: Environment, origin: Origin, language: Language) -> File:
    """The file's fields, those of the environment's rule included."""
    problems: list[Problem] = [*document.problems, *environment.problems]
    if document.tree is None:
        raise BadConfig(problems)
    fields = validate(document, origin)
    problems += check(document, environment)
    problems += expressions.check_expressions(document, language)
    if not isinstance(fields, File):
        raise BadConfig((*problems, *fields))
    if problems:
        raise BadConfig(problems)
    if environment.agent is None:
        return fields
    return fields.model_copy(update={"rules": (RuleFields(name="default", agent=Agent(name=environment.agent)),)})


def _warnings(config: Config, read: _Read) -> Iterator[Problem]:
    fields, document = read.fields, read.document
    yield from odd_deployments(document)
    yield from doubtful(document, read.language)
    yield from unreachable(config.rules, document, ("rules",))
    yield from unasked(fields.paused, config.rules_in_force, document, ("paused",))
    yield from unprobed(fields.probe, config.rules_in_force, document, ("probe", "agents"))
    for index, (project, declared) in enumerate(zip(config.projects, fields.projects, strict=False)):
        rules = config.rules_of(project)
        if declared.rules:
            yield from unreachable(rules, document, ("projects", index, "rules"))
        yield from unasked(declared.paused, rules, document, ("projects", index, "paused"))
        yield from unprobed(declared.probe, rules, document, ("projects", index, "probe", "agents"))


def _hints(config: Config, fields: File, document: Document) -> Iterator[Problem]:
    yield from outbound(config.rules, document, ("rules",))
    for index, (project, declared) in enumerate(zip(config.projects, fields.projects, strict=False)):
        if declared.rules:
            yield from outbound(config.rules_of(project), document, ("projects", index, "rules"))


def _projects(read: _Read) -> tuple[Project, ...]:
    """Those of the file, or one from the environment; the only one is completed by the environment, which wins."""
    declared = read.fields.projects or (ProjectFields(),)
    return tuple(_project(fields, read, alone=len(declared) == 1) for fields in declared)


def _project(fields: ProjectFields, read: _Read, *, alone: bool) -> Project:
    file, environment = read.fields, read.environment
    url, keys = (environment.url, environment.keys) if alone else (None, {})
    limit = fields.api_rate_limit if fields.limited else file.api_rate_limit
    probe = fields.probe if fields.probed else file.probe
    return Project(
        name=fields.name,
        url=url or fields.url,
        keys=MappingProxyType(dict(keys or fields.keys)),
        rules=_own_rules(fields, file, read.language),
        paused=frozenset({*file.paused, *fields.paused}),
        api_rate_limit=ApiRateLimit(**dict(limit)) if limit else None,
        probe=probe.settings if probe else None,
        limits=Policy(targets=(), **dict(file.defaults.model_copy(update=fields.defaults.said()))),
    )


def _own_rules(fields: ProjectFields, file: File, language: Language) -> tuple[Rule, ...] | None:
    """The project's rules, or those of all under its own defaults; None: it has neither."""
    said = fields.defaults.said()
    if not fields.rules and not said:
        return None
    defaults = file.defaults.model_copy(update=said)
    return _rules(fields.rules or file.rules, defaults, language)


def _rules(written: Sequence[RuleFields], defaults: LimitFields, language: Language) -> tuple[Rule, ...]:
    return tuple(_rule(rule, defaults, language) for rule in written)


def _rule(fields: RuleFields, defaults: LimitFields, language: Language) -> Rule:
    limits = defaults.model_copy(update=fields.said())
    policy = Policy(
        targets=expressions.targets(fields),
        kinds=frozenset(fields.kinds),
        trigger=fields.trigger,
        per=fields.per,
        worker_type=fields.worker_type,
        **dict(limits),
    )
    when = expressions.when(fields, language)
    return Rule(
        name=fields.name,
        policy=policy,
        aim=expressions.aim(fields, language),
        when=when,
        late=when is not None and when.expression.may_change(),
        reads_room=expressions.reads_room(fields, language),
        metadata=expressions.metadata(fields, language),
        go_on=fields.go_on,
    )
