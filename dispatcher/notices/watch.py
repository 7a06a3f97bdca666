"""Watches the service itself: incidents that are no session's, told once over all replicas.

How an incident stands is a memo of the ledger's; a replica changes it when what it sees itself changes. So of several
that see the same one tells, and one that never saw the trouble ends none.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct

from dispatcher.config import Problem
from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.notices import Effect, Happening, NoticeKind, effect_of
from dispatcher.explain import trouble_told
from dispatcher.ledger.interface import Ledger, Telling
from dispatcher.ledger.repeating import repeat
from dispatcher.livekit.failures import Reason
from dispatcher.notices.outbox import Outbox
from dispatcher.telemetry.health import Health

EVERY_S: Final = 1.0
PROBLEMS_MAX: Final = 3  # that are told


class ServiceState(Struct, frozen=True, kw_only=True):
    """How one thing stands here: the kind is the notice that says so."""

    name: str
    kind: NoticeKind
    project: str = ""
    text: str = ""


class Watch:
    """Tells of LiveKits that do not answer or refuse our key, and of a configuration that has mistakes."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        health: Health,
        projects: Callable[[], Collection[str]],
        problems: Callable[[], Sequence[Problem]],
    ) -> None:
        self.ledger = ledger
        self.outbox = outbox
        self.health = health
        self.projects = projects
        self.problems = problems  # of the configuration that was read last
        self._seen: dict[str, NoticeKind] = {}  # how each thing stood here, as far as it was told

    async def run(self) -> None:
        """Watch, for ever."""
        await repeat(self._look_if_anybody_is_told, EVERY_S)

    async def _look_if_anybody_is_told(self) -> None:
        if self.outbox.used:
            await self.look()

    async def look(self) -> None:
        """Tell what has changed. Raises LedgerUnavailable: what was not told is told next time."""
        for one in self._standings():
            if self._seen.get(one.name) is not one.kind and await self._told(one):
                self._seen[one.name] = one.kind

    async def _told(self, one: ServiceState) -> bool:
        """Whether all replicas know that it stands so; whoever has let them know has told of it."""
        name = f"incident/{one.name}"
        [memo] = await self.ledger.memos([name])
        before = memo.decode() if memo else self._seen.get(one.name)  # the ledger forgets, or may have lost it
        if before == one.kind or (before is None and effect_of(one.kind) is Effect.CLOSES):
            return True
        at = await self.ledger.now()
        notices = self.outbox.posted(Happening(kind=one.kind, at=at, project=one.project, text=one.text))
        after = one.kind.encode()
        return await self.ledger.replace_memo(name, memo, after, telling=Telling(notices=notices)) == after

    def _standings(self) -> Iterator[ServiceState]:
        problems = [str(problem) for problem in self.problems()]
        kind = NoticeKind.CONFIG_REFUSED if problems else NoticeKind.CONFIG_ACCEPTED
        more = [f"and {len(problems) - PROBLEMS_MAX} more"] if len(problems) > PROBLEMS_MAX else []
        yield ServiceState(name="config", kind=kind, text="; ".join([*problems[:PROBLEMS_MAX], *more]))
        for project in self.projects():
            if (standing := self._livekit(project, self.health.clock())) is not None:
                yield standing

    def _livekit(self, project: str, now: Ms) -> ServiceState | None:
        """How the project's LiveKit stands; None: that is not known, or too fresh to be told."""
        name, trouble = f"livekit/{project}", self.health.failing(project)
        if trouble is None:
            recovered = ServiceState(name=name, kind=NoticeKind.LIVEKIT_RECOVERED, project=project)
            return recovered if self.health.answers(project) else None
        text = trouble_told(trouble, now)
        if trouble.reason == Reason.UNAUTHORIZED:
            return ServiceState(name=name, kind=NoticeKind.KEY_REFUSED, project=project, text=text)
        lasts = now - trouble.since >= timing.LIVEKIT_FAILING_MS
        return ServiceState(name=name, kind=NoticeKind.LIVEKIT_FAILING, project=project, text=text) if lasts else None
