"""Which agent a rule asks for: by name, as an expression gives it, or chosen by weight."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, model_serializer, model_validator

from dispatcher.config import values
from dispatcher.config.fields import Cel, Section, some, text

WEIGHT_MAX: Final = 999_999_999

AgentName = Annotated[str, text(values.agent_name)]
Deployment = Annotated[str, text(values.deployment)]


class Share(Section):
    """One of the agents of a split."""

    name: AgentName
    deployment: Deployment = ""
    weight: Annotated[int, text(values.whole(1, WEIGHT_MAX))]


class Agent(Section):
    """An agent's name alone, or with its deployment; or an expression that gives the name; or a choice by weight."""

    name: AgentName = ""
    deployment: Deployment = ""
    cel: Cel = ""
    split: Annotated[tuple[Share, ...], AfterValidator(some)] = ()
    by: Cel = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.name, self.cel, self.split))) != 1:
            raise ValueError("write a name, or one of {name: …}, {cel: …} and {split: […]}")
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
        fields = {"name": self.name, "deployment": self.deployment, "cel": self.cel, "split": split, "by": self.by}
        return {name: value for name, value in fields.items() if value}
