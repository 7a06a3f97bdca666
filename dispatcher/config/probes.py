"""The fields of a probe: which agents are asked for to see whether they come, and how often."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_serializer, model_validator

from dispatcher.config.agents import AgentName, Deployment
from dispatcher.config.fields import Section, Span, some
from dispatcher.config.types import ProbeSettings
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target

PROBED_MAX: Final = 16  # agents of one project; each is given a room of its own
_EVERY: Final = ProbeSettings().every


class ProbedAgent(Section):
    """An agent's name alone, or with its deployment."""

    name: AgentName
    deployment: Deployment = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_serializer
    def _short(self) -> str | dict[str, str]:
        return {"name": self.name, "deployment": self.deployment} if self.deployment else self.name


class ProbeFields(Section):
    """How often each of these agents is asked for into a room of its own."""

    every: Annotated[Ms, Span(30_000, 3_600_000)] = _EVERY
    agents: Annotated[tuple[ProbedAgent, ...], Field(max_length=PROBED_MAX), AfterValidator(some)]

    @property
    def settings(self) -> ProbeSettings:
        """As they are in force."""
        targets = dict.fromkeys(Target(one.name, one.deployment) for one in self.agents)
        return ProbeSettings(every=self.every, targets=tuple(targets))
