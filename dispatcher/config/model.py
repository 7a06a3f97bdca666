"""Every field a file may hold, its default and its bounds; docs/configuration.md says the same, held by a test.

Pydantic checks a whole file at once. Values come as text (see document.py); `values` reads them.
"""

from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, cast

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from dispatcher.config import values
from dispatcher.config.document import Document, Loc
from dispatcher.config.problems import Problem, did_you_mean
from dispatcher.config.settings import Pace, Secret, Sweep
from dispatcher.core.events import Ms
from dispatcher.core.rules import On, OnFinish, Per, Policy, Surplus, WorkerType

T = TypeVar("T")
C = TypeVar("C", bound=Sized)

FALLBACK_MAX: Final = 7
_LATER: Final = "expressions are not supported yet"
_MINUTE: Final = 60_000
_POLICY: Final = Policy(targets=())
_PACE: Final = Pace()
_SWEEP: Final = Sweep()


class Origin(Struct, frozen=True):
    """Where the secrets of a file are found."""

    environ: Mapping[str, str]
    folder: Path  # of the file


def _text(read: Callable[[str], T]) -> BeforeValidator:
    def check(value: object) -> T:
        return read(_one(value))

    return BeforeValidator(check)


def _one(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("write one value, not a list or fields")  # noqa: TRY004  pydantic collects ValueErrors only
    return value


def _secret(value: object, info: ValidationInfo) -> Secret:
    origin = cast("Origin", info.context)
    return values.secret(_one(value), origin.environ, origin.folder)


def _later(_: object) -> None:
    raise ValueError(_LATER)


def _or_off(example: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is None or (isinstance(value, str) and value != "off"):
            raise ValueError(f"write off, or {example}")
        return None if value == "off" else value

    return BeforeValidator(check)


def _some(value: C) -> C:
    """Pydantic's own min_length counts the valid ones only, and would say it of a list of mistakes too."""
    if not value:
        raise ValueError("write at least one")
    return value


def _render(text: str) -> str:
    if text != "room":
        raise ValueError(f"write room, which passes the room's metadata on; {_LATER}")
    return text


Name = Annotated[str, _text(values.name)]
Kind = Annotated[str, _text(values.kind)]


class Section(BaseModel):
    """Fields that stand together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Agent(Section):
    """An agent's name alone, or with its deployment."""

    name: Annotated[str, _text(values.agent_name)]
    deployment: Annotated[str, _text(values.deployment)] = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "cel" in value:
            raise ValueError(_LATER)
        return value


class Limits(Section):
    """How long and how often: in `defaults`, and in a rule, which wins. Spans in milliseconds."""

    attempts: Annotated[int, _text(values.whole(1, 10))] = _POLICY.attempts
    confirm_within: Annotated[Ms, _text(values.span(100, 10 * _MINUTE))] = _POLICY.confirm_within
    join_within: Annotated[Ms, _text(values.span(100, 10 * _MINUTE))] = _POLICY.join_within
    min_stay: Annotated[Ms, _text(values.span(0, 10 * _MINUTE))] = _POLICY.min_stay
    retry_every: Annotated[Ms, _text(values.span(100, 60 * _MINUTE))] = _POLICY.retry_every
    on_finish: OnFinish = _POLICY.on_finish
    surplus: Surplus = _POLICY.surplus

    def said(self) -> dict[str, int | str]:
        """The limits that were written here, without the defaults."""
        return {field: getattr(self, field) for field in Limits.model_fields if field in self.model_fields_set}


class RuleFields(Limits):
    """In rooms like this, for people like this, that agent."""

    name: Name
    agent: Agent
    fallback: Annotated[tuple[Agent, ...], Field(max_length=FALLBACK_MAX)] = ()
    kinds: Annotated[tuple[Kind, ...], AfterValidator(_some)] = tuple(sorted(_POLICY.kinds))
    when: Annotated[None, BeforeValidator(_later)] = None
    metadata: Annotated[str, _text(_render)] = ""
    on: On = _POLICY.on
    per: Per = _POLICY.per
    worker: WorkerType = _POLICY.worker
    go_on: Annotated[bool, _text(values.truth)] = Field(default=False, alias="continue")


class LimitFields(Section):
    """How many requests LiveKit gets."""

    calls_per_second: Annotated[int, _text(values.whole(4, 10_000))]
    burst: Annotated[int, _text(values.whole(4, 1_000))] = 8


AgentNames = tuple[Annotated[str, _text(values.agent_name)], ...]
MaybeLimit = Annotated[LimitFields | None, _or_off("{calls_per_second: 20}")]


class ProjectFields(Section):
    """A LiveKit project, and what holds in it alone. The environment can fill in or replace `url` and `keys`."""

    name: Name = "default"
    url: Annotated[str, _text(values.url)] = ""
    keys: Annotated[
        dict[Annotated[str, _text(values.api_key)], Annotated[Secret, BeforeValidator(_secret)]], AfterValidator(_some)
    ] = {}
    rules: Annotated[tuple[RuleFields, ...], AfterValidator(_some)] = ()
    defaults: Limits = Limits()
    paused: AgentNames = ()
    limit: MaybeLimit = None

    @property
    def limited(self) -> bool:
        """Whether it says itself what its limit is, be it none."""
        return "limit" in self.model_fields_set


class SweepFields(Section):
    """How often everything is compared."""

    every: Annotated[Ms, _text(values.span(1_000, 60 * _MINUTE))] = _SWEEP.every
    looks_per_second: Annotated[int, _text(values.whole(1, 1_000))] = _SWEEP.looks_per_second


class PaceFields(Section):
    """How fast dispatches are created."""

    per_second: Annotated[int, _text(values.whole(1, 1_000))] = _PACE.per_second
    burst: Annotated[int, _text(values.whole(1, 100))] = _PACE.burst


class LogFields(Section):
    """What people read of a session."""

    identities: Literal["shown", "masked"] = "shown"


class File(Section):
    """A whole file."""

    projects: tuple[ProjectFields, ...] = ()
    rules: tuple[RuleFields, ...] = ()
    defaults: Limits = Limits()
    instance: Name = "default"
    sweep: SweepFields = SweepFields()
    pace: Annotated[PaceFields | None, _or_off("{per_second: 50, burst: 3}")] = PaceFields()
    paused: AgentNames = ()
    limit: MaybeLimit = None
    log: LogFields = LogFields()


SECTIONS: Final[Mapping[str, type[Section]]] = {  # by path, list positions left out; a project's as they are outside it
    "": File,
    "projects[]": ProjectFields,
    "rules[]": RuleFields,
    "rules[].agent": Agent,
    "rules[].fallback[]": Agent,
    "defaults": Limits,
    "sweep": SweepFields,
    "pace": PaceFields,
    "limit": LimitFields,
    "log": LogFields,
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
    try:
        return File.model_validate(document.tree, context=origin)
    except ValidationError as error:
        return tuple(_problem(document, details) for details in error.errors(include_url=False))


def names(section: type[Section]) -> tuple[str, ...]:
    """The names of a section's fields as they are written."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def _problem(document: Document, details: ErrorDetails) -> Problem:
    loc: Loc = details["loc"]
    if details["type"] == "extra_forbidden":
        place = "".join("[]" if isinstance(part, int) else f".{part}" for part in loc[:-1]).lstrip(".")
        section = SECTIONS[place] if place in SECTIONS else SECTIONS[place.removeprefix("projects[].")]
        hint = did_you_mean(str(loc[-1]), names(section))
        return document.problem(loc, f"unknown field{hint}", at_name=True)
    if details["type"] != "missing":
        loc = _written(document, loc)
    if details["input"] is None:
        return document.problem(loc, "has no value")
    return document.problem(loc, _REASONS[details["type"]].format_map(details.get("ctx", {})))


def _written(document: Document, loc: Loc) -> Loc:
    """The field somebody wrote: an agent's plain name is no field `name`; pydantic adds `[key]` to a key's place."""
    while loc not in document.values:
        loc = loc[:-1]
    return loc
