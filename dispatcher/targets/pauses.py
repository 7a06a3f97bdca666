"""Agents that are paused: by the configuration, and by who has ordered it over the API, for all replicas.

A project's orders are one memo of the ledger's, replaced only by who knows it. Every replica reads it each second, and
whoever drives a session that a pause concerns reads it anew. While any replica runs no memo is forgotten, and one that
the ledger has lost is written again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Pause, Paused, Pauses, begun, ended, holding, paused, reason_of
from dispatcher.core.rules import named_by
from dispatcher.explain import paused_by
from dispatcher.ledger import changes, sessions
from dispatcher.ledger.changes import PausesChanged
from dispatcher.ledger.interface import MEMO_TTL_MS, Ledger, LedgerUnavailable, Telling
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import OTHER, Metrics

EVERY_S: Final = 1.0
KEPT_MS: Final = MEMO_TTL_MS // 24  # a memo that is so old is written anew, before it is forgotten
TRIES: Final = 10  # at a memo that others replace at the same time
CHANGED: Final = "pause_changed"  # the name of the events that make sessions due


class _Memo(Struct, frozen=True, kw_only=True):
    agents: dict[str, Pause]
    written_at: Ms
    writer: str  # no two are the same, so whoever replaces a memo knows that it was they


class _Read(Struct, frozen=True):
    memo: bytes | None
    pauses: Pauses
    at: Ms


_MEMO: Final = msgspec.json.Decoder(_Memo)


class PauseBoard:
    """The pauses of every project that is configured, EVERY_S old at most while the ledger answers."""

    def __init__(self, ledger: Ledger, holder: ConfigHolder, log: Log, metrics: Metrics) -> None:
        self.ledger = ledger
        self.holder = holder
        self.log = log
        self.metrics = metrics
        self._read: dict[str, _Read] = {}  # by project
        self._owed: set[str] = set()  # projects whose sessions are to be made due
        self._woken = asyncio.Event()

    async def paused(self, project: str, now: Ms, *, anew: bool = False) -> Mapping[str, Paused]:
        """Every agent of the project that is paused, read `anew` if asked for.

        Raises LedgerUnavailable where it has to be read: then, and the first time.
        """
        if anew or project not in self._read:
            [memo] = await self.ledger.memos([_name(project)])
            self._remember(project, memo, now)
        runtime = self.holder.snapshot.projects.get(project)
        return paused(runtime.paused if runtime else (), self._read[project].pauses, now)

    # Orders

    async def pause(self, project: str, agent: str, *, by: str, lasts: Ms | None, reason: str = "") -> None:
        """Nobody is given the agent from now on, for `lasts` ms or until it is resumed.

        Raises TooManyPaused, LedgerUnavailable.
        """

        def change(pauses: Pauses, now: Ms) -> Pauses:
            until = now + lasts if lasts is not None else 0
            return begun(pauses, agent, Pause(by=by, at=now, until=until, reason=reason_of(reason)))

        _, after = await self._change(project, change, by)
        pause = after[agent]
        self.log.info(
            "agent.paused",
            project=project,
            agent=agent,
            by=by,
            reason=pause.reason,
            until=pause.until or None,
            how=paused_by(Paused(pause=pause), pause.at),
        )

    async def resume(self, project: str, agent: str, *, by: str) -> None:
        """No order pauses the agent any more. Raises LedgerUnavailable."""
        before, _ = await self._change(project, lambda pauses, _: ended(pauses, agent), by)
        if agent in before:
            self.log.info("agent.resumed", project=project, agent=agent, by=by, why=f"{by} has resumed it")

    async def _change(self, project: str, change: Callable[[Pauses, Ms], Pauses], by: str) -> tuple[Pauses, Pauses]:
        """Change the memo, whoever else does at the same time; which pauses held before, and which do now."""
        for _ in range(TRIES):
            [memo] = await self.ledger.memos([_name(project)])
            now = await self.ledger.now()
            known = self._remember(project, memo, now).pauses
            before = holding(known, now)
            after = change(before, now)
            if after == before:
                return before, after
            if await self._replace(project, memo, after, now, _changed(project, known, after, by)):
                self._owe(project)
                return before, after
        raise LedgerUnavailable("others change the pauses of this project at the same time")

    # Keeping up

    async def run(self) -> None:
        """Read what others have ordered, end what is over, and make sessions due, for ever."""
        while True:
            with suppress(LedgerUnavailable):  # what was true stays; whoever watches the ledger tells of it
                await self.refresh()
                await self.nudge()
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._woken.wait()
            self._woken.clear()

    async def refresh(self) -> None:
        """Read the memos of all projects, and write those that need it. Raises LedgerUnavailable."""
        projects = list(self.holder.project_names())
        memos = await self.ledger.memos([_name(project) for project in projects])
        now = await self.ledger.now()
        for project, memo in zip(projects, memos, strict=True):
            self._remember(project, memo, now)
            await self._keep(project, memo, now)
        self._show(now)

    async def nudge(self) -> None:
        """Make sessions due in which somebody waits, where a pause has begun or ended. Raises LedgerUnavailable."""
        for project in tuple(self._owed):
            await sessions.remind_waiting(self.ledger, project, CHANGED)
            self._owed.discard(project)

    async def _keep(self, project: str, memo: bytes | None, now: Ms) -> None:
        """End pauses whose time is over, write again what was lost, and write anew what will be forgotten."""
        pauses = self._read[project].pauses
        held = holding(pauses, now)
        over = sorted(set(pauses) - set(held))
        written_at = _loaded(memo).written_at
        if not pauses or (not over and now < written_at + KEPT_MS):
            return
        if await self._replace(project, memo, held, now, _changed(project, pauses, held)) and over:
            self._owe(project)
            for agent in over:
                self.log.info("agent.resumed", project=project, agent=agent, by=None, why="its time is over")

    async def _replace(
        self, project: str, before: bytes | None, pauses: Pauses, now: Ms, changed: PausesChanged | None
    ) -> bool:
        """Whether it was we who have replaced the memo."""
        after = msgspec.json.encode(_Memo(agents=dict(pauses), written_at=now, writer=uuid4().hex))
        kept = await self.ledger.replace_memo(
            _name(project), before, after, telling=Telling(change=changes.dump(changed))
        )
        self._remember(project, kept, now)
        return kept == after

    def _remember(self, project: str, memo: bytes | None, now: Ms) -> _Read:
        """What the memo says; where there is none, what it said within a day: then the ledger has lost it.

        Who ends the last pause leaves a memo of none, which the ledger keeps as long.
        """
        known = self._read.get(project)
        if memo is None and known and known.pauses and now < known.at + MEMO_TTL_MS:
            return known
        self._read[project] = _Read(memo, _loaded(memo).agents, now)
        return self._read[project]

    def _owe(self, project: str) -> None:
        self._owed.add(project)
        self._woken.set()

    def _show(self, now: Ms) -> None:
        """Set the gauge: 0 or 1 for every agent that the configuration names, and one series for all others."""
        gauge = self.metrics.agent_paused
        gauge.clear()  # and refreshed before anybody can read it
        for project, runtime in self.holder.snapshot.projects.items():
            named = {target.name for target in named_by(runtime.rules)} | runtime.paused
            for agent in named:
                gauge.labels(project=project, agent=agent).set(0)
            known = self._read.get(project)
            for agent in paused(runtime.paused, known.pauses if known else {}, now):
                gauge.labels(project=project, agent=agent if agent in named else OTHER).set(1)


def _changed(project: str, before: Pauses, after: Pauses, by: str = "") -> PausesChanged | None:
    """Which pauses have begun and ended; None: none has."""
    began = {agent: one for agent, one in after.items() if before.get(agent) != one}
    over = tuple(sorted(set(before) - set(after)))
    return PausesChanged(project=project, begun=began, ended=over, by=by) if began or over else None


def _name(project: str) -> str:
    return f"pauses/{project}"


def _loaded(memo: bytes | None) -> _Memo:
    """What the memo says; nothing where there is none, or a release that we do not know wrote it."""
    try:
        return _MEMO.decode(memo) if memo else _Memo(agents={}, written_at=0, writer="")
    except msgspec.DecodeError:
        return _Memo(agents={}, written_at=0, writer="")
