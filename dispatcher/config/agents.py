"""Which agent a rule asks for: by name, by its launcher's, as an expression gives it, or chosen by weight."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, model_serializer, model_validator

from dispatcher.config import values
from dispatcher.config.fields import Cel, Section, some, text
from dispatcher.core.rules import Target

WEIGHT_MAX: Final = 999_999_999

AgentName = Annotated[str, text(values.dispatched)]
Deployment = Annotated[str, text(values.deployment)]


class Named(Section):
    """An agent by its name, perhaps with its deployment, or a launcher by its."""

    name: AgentName = ""
    deployment: Deployment = ""
    launch: Annotated[str, text(values.name)] = ""

    @property
    def target(self) -> Target:
        return Target(self.name, self.deployment, self.launch)


class Share(Named):
    """One of the agents of a split."""

    weight: Annotated[int, text(values.whole(1, WEIGHT_MAX))]

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.name) == bool(self.launch):
            raise ValueError("write {name: …} or {launch: …}, and its weight")
        if self.deployment and not self.name:
            raise ValueError("`deployment` belongs to a name")
        return self


class Agent(Named):
    """An agent's name, perhaps with its deployment; a launcher; an expression that gives a name; a choice by weight."""

    cel: Cel = ""
    split: Annotated[tuple[Share, ...], AfterValidator(some)] = ()
    by: Cel = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.name, self.launch, self.cel, self.split))) != 1:
            raise ValueError("write a name, or one of {name: …}, {launch: …}, {cel: …} and {split: […]}")
        if self.by and not self.split:
            raise ValueError("`by` belongs to a split")
        if self.deployment and not self.name:
            raise ValueError("`deployment` belongs to a name")
        return self

    @model_serializer
    def _short(self) -> str | dict[str, object]:
        if self.name and not self.deployment:
            return self.name
        split = [share.model_dump(exclude_defaults=True) for share in self.split]
        named = {"name": self.name, "deployment": self.deployment, "launch": self.launch}
        fields = {**named, "cel": self.cel, "split": split, "by": self.by}
        return {name: value for name, value in fields.items() if value}
