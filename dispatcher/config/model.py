"""Every field a file may hold, its default and its bounds; docs/configuration.md says the same, held by a test.

Pydantic checks a whole file at once. Values come as text (see document.py); `values` reads them.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from dispatcher.config import values
from dispatcher.config.agents import Agent, Share
from dispatcher.config.document import Document, Loc
from dispatcher.config.fields import Cel, CelMap, Hidden, Kind, Memory, Name, Origin, Section, Span, some, text
from dispatcher.config.launchers import LauncherFields
from dispatcher.config.probes import ProbedAgent, ProbeFields
from dispatcher.config.problems import Problem, did_you_mean
from dispatcher.config.receivers import RECEIVERS_MAX, ReceiverFields
from dispatcher.config.types import CreateRate, Scope, SweepSettings, Ui
from dispatcher.core.facts import Ms
from dispatcher.core.rules import ExtraAgents, OnFinish, Per, Policy, Trigger, UnrequestedAgents, WorkerType
from dispatcher.ledger.ended import KEEP_MAX_MS, OVER_FINAL_MS, EndedRooms

FALLBACK_MAX: Final = 7
WORKERS_MAX: Final = 32
ENDED_BYTES_MIN: Final = 16 << 20  # a partition in Redis has a sixteenth; a record has 128 kB at most
API_TOKENS_MAX: Final = 64  # each request is compared with all of them
_MINUTE: Final = 60_000
_POLICY: Final = Policy(targets=())
RULE_KINDS: Final = _POLICY.kinds  # of a rule that names none
_CREATE_RATE: Final = CreateRate()
_SWEEP: Final = SweepSettings()
_ENDED: Final = EndedRooms()
_UI: Final = Ui()
PROXIES_MAX: Final = 64


def _or_null(example: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"write null, or {example}")  # noqa: TRY004  pydantic collects ValueErrors only
        return value

    return BeforeValidator(check)


class LimitFields(Section):
    """How long and how often: in `defaults`, and in a rule, which wins. Spans in milliseconds."""

    attempts: Annotated[int, text(values.whole(1, 10))] = _POLICY.attempts
    confirm_within: Annotated[Ms, Span(100, 10 * _MINUTE)] = _POLICY.confirm_within
    confirm_early: Annotated[bool, text(values.truth)] = _POLICY.confirm_early
    join_within: Annotated[Ms, Span(100, 10 * _MINUTE)] = _POLICY.join_within
    min_stay: Annotated[Ms, Span(0, 10 * _MINUTE)] = _POLICY.min_stay
    retry_every: Annotated[Ms, Span(100, 60 * _MINUTE)] = _POLICY.retry_every
    on_finish: OnFinish = _POLICY.on_finish
    finish_grace: Annotated[Ms, Span(0, _MINUTE)] = _POLICY.finish_grace
    extra_agents: ExtraAgents = _POLICY.extra_agents
    unrequested_agents: UnrequestedAgents = _POLICY.unrequested_agents

    def said(self) -> dict[str, int | str]:
        """The limits that were written here, without the defaults."""
        return {field: getattr(self, field) for field in LimitFields.model_fields if field in self.model_fields_set}


class RuleFields(LimitFields):
    """In rooms like this, for people like this, that agent."""

    name: Name
    agent: Agent
    fallback: Annotated[tuple[Agent, ...], Field(max_length=FALLBACK_MAX)] = ()
    kinds: Annotated[tuple[Kind, ...], AfterValidator(some)] = tuple(sorted(RULE_KINDS))
    when: Cel = ""
    metadata: CelMap = ""
    trigger: Trigger = _POLICY.trigger
    per: Per = _POLICY.per
    worker_type: WorkerType = _POLICY.worker_type
    go_on: Annotated[bool, text(values.truth)] = Field(default=False, alias="continue")


class ApiRateLimitFields(Section):
    """How many requests LiveKit gets."""

    calls_per_second: Annotated[int, text(values.whole(4, 10_000))]
    burst: Annotated[int, text(values.whole(4, 1_000))] = 8


AgentNames = tuple[Annotated[str, text(values.agent_name)], ...]
MaybeApiRateLimit = Annotated[ApiRateLimitFields | None, _or_null("{calls_per_second: 20}")]


MaybeProbe = Annotated[ProbeFields | None, _or_null("{every: 60s, agents: [greeter]}")]
Workers = Annotated[tuple[Annotated[str, text(values.worker_url)], ...], Field(max_length=WORKERS_MAX)]


class ProjectFields(Section):
    """A LiveKit project, and what holds in it alone. The environment can fill in or replace `url` and `keys`."""

    name: Name = "default"
    url: Annotated[str, text(values.url)] = ""
    keys: Annotated[dict[Annotated[str, text(values.api_key)], Hidden], AfterValidator(some)] = Field(default={})
    rules: Annotated[tuple[RuleFields, ...], AfterValidator(some)] = ()
    defaults: LimitFields = LimitFields()
    paused: AgentNames = ()
    api_rate_limit: MaybeApiRateLimit = None
    probe: MaybeProbe = None

    @property
    def probed(self) -> bool:
        """Whether it says itself which agents are probed, be it none."""
        return "probe" in self.model_fields_set

    @property
    def limited(self) -> bool:
        """Whether it says itself what its limit is, be it none."""
        return "api_rate_limit" in self.model_fields_set


class ApiTokenFields(Section):
    """Who may ask the API, and what."""

    name: Name
    token: Hidden
    scopes: Annotated[tuple[Scope, ...], AfterValidator(some)]
    projects: tuple[Name, ...] = ()
    agents: AgentNames = ()


class SweepFields(Section):
    """How often everything is compared."""

    every: Annotated[Ms, Span(1_000, 60 * _MINUTE)] = _SWEEP.every
    looks_per_second: Annotated[int, text(values.whole(1, 1_000))] = _SWEEP.looks_per_second


class EndedRoomsFields(Section):
    """Which rooms that have ended are kept, to be explained."""

    keep: Annotated[Ms, Span(OVER_FINAL_MS, KEEP_MAX_MS)] = _ENDED.keep
    max_rooms: Annotated[int, text(values.whole(1_000, 1_000_000))] = _ENDED.max_rooms
    max_bytes: Annotated[int, Memory(ENDED_BYTES_MIN)] = _ENDED.max_bytes


class CreateRateFields(Section):
    """How fast dispatches are created."""

    per_second: Annotated[int, text(values.whole(1, 1_000))] = _CREATE_RATE.per_second
    burst: Annotated[int, text(values.whole(1, 100))] = _CREATE_RATE.burst


class UiFields(Section):
    """The page. `true` and `false` stand for `enabled` alone."""

    enabled: Annotated[bool, text(values.truth)] = _UI.enabled
    trust_header: Annotated[str, text(values.header)] = _UI.trust_header
    proxies: Annotated[tuple[Annotated[str, text(values.network)], ...], Field(max_length=PROXIES_MAX)] = ()
    scopes: Annotated[tuple[Scope, ...], AfterValidator(some)] = tuple(sorted(_UI.scopes))


def _short(value: object) -> object:
    return {"enabled": value} if isinstance(value, str) else value


class File(Section):
    """A whole file."""

    projects: tuple[ProjectFields, ...] = ()
    rules: tuple[RuleFields, ...] = ()
    defaults: LimitFields = LimitFields()
    instance: Name = "default"
    sweep: SweepFields = SweepFields()
    ended_rooms: EndedRoomsFields = EndedRoomsFields()
    create_rate: Annotated[CreateRateFields | None, _or_null("{per_second: 50, burst: 3}")] = CreateRateFields()
    paused: AgentNames = ()
    api_rate_limit: MaybeApiRateLimit = None
    probe: MaybeProbe = None
    workers: Workers = ()
    api_tokens: Annotated[tuple[ApiTokenFields, ...], Field(max_length=API_TOKENS_MAX)] = ()
    public_url: Annotated[str, text(values.public_url)] = ""
    notices: Annotated[tuple[ReceiverFields, ...], Field(max_length=RECEIVERS_MAX)] = ()
    ui: Annotated[UiFields, BeforeValidator(_short)] = UiFields()
    redact_identities: Annotated[bool, text(values.truth)] = False
    concurrency: Annotated[int, text(values.whole(1, 10_000))] = 256
    launchers: dict[Name, LauncherFields] = Field(default={})


SECTIONS: Final[Mapping[str, type[Section]]] = {  # by path, list positions left out; a project's as they are outside it
    "": File,
    "projects[]": ProjectFields,
    "rules[]": RuleFields,
    "rules[].agent": Agent,
    "rules[].agent.split[]": Share,
    "rules[].fallback[]": Agent,
    "rules[].fallback[].split[]": Share,
    "defaults": LimitFields,
    "api_tokens[]": ApiTokenFields,
    "notices[]": ReceiverFields,
    "sweep": SweepFields,
    "ended_rooms": EndedRoomsFields,
    "create_rate": CreateRateFields,
    "api_rate_limit": ApiRateLimitFields,
    "probe": ProbeFields,
    "probe.agents[]": ProbedAgent,
    "ui": UiFields,
    "launchers.NAME": LauncherFields,
}
NULLABLE: Final = frozenset(
    {"create_rate", "api_rate_limit", "probe"}
)  # null: no such limit, no probe; with nothing written, a mistake

_NO_VALUE: Final = "has no value"

_RENAMED: Final = {  # a field's old name → its name now, and what to write there where that is new, too
    "on": ("trigger", ": participant_joined or room_started"),
    "worker": ("worker_type", ""),
    "surplus": ("extra_agents", ""),
    "pace": ("create_rate", "; null instead of off"),
    "limit": ("api_rate_limit", "; null instead of off"),
    "max_sessions_at_once": ("concurrency", ""),
    "log": ("redact_identities", ": true or false"),
}

_NEVER_HERE: Final = {  # how other programs call a field of a rule, or where people look for one → what to write
    **dict.fromkeys(("if", "condition", "match", "where", "filter"), "when: room.name == 'lobby'"),
    **dict.fromkeys(("room", "rooms", "room_name"), "when: room.name.startsWith('ptt-')"),
    **dict.fromkeys(
        ("number", "numbers"), "when: phone(participant.attributes['sip.trunkPhoneNumber']) == '+442079460000'"
    ),
    **dict.fromkeys(
        ("timeout", "wait"), "confirm_within: 12s, until a worker takes the job; join_within: 30s, until it is there"
    ),
    **dict.fromkeys(("retries", "retry", "max_attempts", "max_retries", "tries"), "attempts: 3, the first included"),
    **dict.fromkeys(("else", "otherwise", "default"), "a last rule without `when`"),
    "agent_name": "agent: greeter",
    "agents": "agent: greeter, and those to ask next as fallback: [overflow]",
    "priority": "the rules in their order: the first that matches wins",
}

_REASONS: Final = {  # pydantic's type of error → what to write instead
    "missing": "missing",
    "literal_error": "write {expected}",
    "tuple_type": "write a list, such as [one, two]",
    "dict_type": "write fields, such as {{name: value}}",
    "model_type": "write fields, such as {{name: value}}",
    "too_long": "write at most {max_length}",
    "value_error": "{error}",
}


def validate(document: Document, origin: Origin) -> File | tuple[Problem, ...]:
    """The file's fields, or everything that is wrong with single ones. The document has been read."""
    unsaid = tuple(document.problem(loc, _NO_VALUE) for loc in document.blanks if loc[-1] in NULLABLE)
    try:
        fields = File.model_validate(document.tree, context=origin)
    except ValidationError as error:
        return (*unsaid, *(_problem(document, details) for details in error.errors(include_url=False)))
    return unsaid or fields


def names(section: type[Section]) -> tuple[str, ...]:
    """The names of a section's fields as they are written."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def _problem(document: Document, details: ErrorDetails) -> Problem:
    loc: Loc = details["loc"]
    if details["type"] == "extra_forbidden":
        place = "".join("[]" if isinstance(part, int) else f".{part}" for part in loc[:-1]).lstrip(".")
        if loc[0] == "launchers":
            place = "launchers.NAME"
        section = SECTIONS[place] if place in SECTIONS else SECTIONS[place.removeprefix("projects[].")]
        return document.problem(loc, _unknown(str(loc[-1]), names(section)), at_name=True)
    if details["type"] != "missing":
        loc = _written(document, loc)
    if details["input"] is None:
        return document.problem(loc, _NO_VALUE)
    return document.problem(loc, _REASONS[details["type"]].format_map(details.get("ctx", {})))


def _unknown(name: str, known: Collection[str]) -> str:
    new, how = _RENAMED.get(name, ("", ""))
    if new in known:
        return f"is called `{new}` now{how}"
    if name in names(RuleFields) and "rules" in known:
        return "unknown field; it belongs to a rule: rules: [{name: everyone, agent: greeter}]"
    instead = f"; write {_NEVER_HERE[name]}" if name in _NEVER_HERE and "agent" in known else ""
    return f"unknown field{instead or did_you_mean(name, known)}"


def _written(document: Document, loc: Loc) -> Loc:
    """The field somebody wrote: an agent's plain name is no field `name`; pydantic adds `[key]` to a key's place."""
    while loc not in document.values:
        loc = loc[:-1]
    return loc
