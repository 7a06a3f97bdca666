"""Keeps what came of each target's probes in one memo of the ledger's: the same on every replica, told once.

A memo is written with the notice that it tells, and replaced only by who knows it. Where no agent is probed it costs
nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.core.notices import Happening, NoticeKind
from dispatcher.core.probes import ProbeFacts, ProbeMade, ProbeResult, learnt
from dispatcher.core.rules import Target
from dispatcher.ledger.interface import Ledger, Telling
from dispatcher.ledger.repeating import repeat
from dispatcher.notices.outbox import Outbox
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.rate import queue_of
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

EVERY_S: Final = 5.0
TRIES: Final = 5  # at a memo that another replica replaces at the same time

_FACTS: Final = msgspec.json.Decoder(ProbeFacts)


class ProbedTarget(Struct, frozen=True):
    """A target that is probed, of a project."""

    project: str
    target: Target

    @property
    def name(self) -> str:
        """Of all that the ledger has of its probes."""
        return f"probes/{queue_of(self.project, self.target)}"


class ProbeBoard:
    """What is known of every target that the configuration has probed."""

    def __init__(
        self, ledger: Ledger, holder: ConfigHolder, pauses: PauseBoard, outbox: Outbox, log: Log, metrics: Metrics
    ) -> None:
        self.ledger = ledger
        self.holder = holder
        self.pauses = pauses
        self.outbox = outbox
        self.log = log
        self.metrics = metrics

    @property
    def probed(self) -> Mapping[str, ProbedTarget]:
        """Those that are configured now, by name."""
        found = (
            ProbedTarget(project, target)
            for project, runtime in self.holder.snapshot.projects.items()
            if runtime.probe is not None
            for target in runtime.probe.targets
        )
        return {one.name: one for one in found}

    async def facts(self, project: str) -> Mapping[Target, ProbeFacts | None]:
        """Read what is known of each of the project's probed targets; None: nothing yet. Raises LedgerUnavailable."""
        probed = [one for one in self.probed.values() if one.project == project]
        return {one.target: facts for one, facts in zip(probed, await self._read(probed), strict=True)}

    async def _read(self, probed: Sequence[ProbedTarget]) -> list[ProbeFacts | None]:
        return [_loaded(memo) for memo in await self.ledger.memos([one.name for one in probed])] if probed else []

    async def tell(self, one: ProbedTarget, probed: ProbeMade) -> None:
        """Count it, log it, and let all replicas know. Raises LedgerUnavailable: then it may be unknown to them."""
        agent = self.metrics.agent_label(str(one.target))
        self.metrics.probes_total.labels(project=one.project, agent=agent, result=probed.result).inc()
        if probed.took is not None:
            self.metrics.probe_seconds.labels(project=one.project, agent=agent).observe(probed.took / 1000)
        self._log(one, probed)
        if probed.result is not ProbeResult.INTERRUPTED:
            await self._keep(one, probed)

    def _log(self, one: ProbedTarget, probed: ProbeMade) -> None:
        log, agent = self.log.bind(project=one.project, room=probed.room), str(one.target)
        match probed.result:
            case ProbeResult.SERVED:
                log.info("probe.served", agent=agent, duration_ms=probed.took)
            case ProbeResult.INTERRUPTED:
                log.info("probe.interrupted", agent=agent)
            case _:
                log.warning("probe.failed", agent=agent, result=probed.result, why=probed.why)

    async def _keep(self, one: ProbedTarget, probed: ProbeMade) -> None:
        [memo] = await self.ledger.memos([one.name])
        for _ in range(TRIES):
            before = _loaded(memo)
            after = learnt(before, probed)
            happening = _happening(one, before, after)
            posted = self.outbox.posted(*([happening] if happening else []))
            written = msgspec.json.encode(after)
            kept = await self.ledger.replace_memo(one.name, memo, written, telling=Telling(notices=posted))
            if kept == written:
                self._changed(one, before, after)
                return
            memo = kept

    def _changed(self, one: ProbedTarget, before: ProbeFacts | None, after: ProbeFacts) -> None:
        log, agent = self.log.bind(project=one.project), str(one.target)
        if after.failing and not (before and before.failing):
            log.error("probe.failing", agent=agent, probes=after.failures, why=after.last.why)
        if before and before.failing and not after.failing:
            log.info("probe.recovered", agent=agent, probes=before.failures)

    async def run(self) -> None:
        """Show Prometheus how probes stand, for ever."""
        await repeat(self.show, EVERY_S)

    async def show(self) -> None:
        """Set the gauges to what the ledger says now; who is paused does not fail. Raises LedgerUnavailable."""
        probed = list(self.probed.values())
        known = await self._read(probed)
        now = await self.ledger.now() if probed else 0
        failures, last = self.metrics.probe_consecutive_failures, self.metrics.probe_last_success_timestamp_seconds
        rows: list[tuple[ProbedTarget, ProbeFacts | None, bool]] = []
        for one, facts in zip(probed, known, strict=True):
            paused = one.target.agent in await self.pauses.paused(one.project, now)
            rows.append((one, facts, paused))
        failures.clear()  # and set before anybody can read them
        last.clear()
        for one, facts, paused in rows:
            agent = self.metrics.agent_label(str(one.target))
            failures.labels(one.project, agent).set(0 if paused or facts is None else facts.failures)
            last.labels(one.project, agent).set((facts.served_at if facts else 0) / 1000)
            begin(self.metrics.probes_total, [one.project], [agent], ProbeResult)


def _happening(one: ProbedTarget, before: ProbeFacts | None, after: ProbeFacts) -> Happening | None:
    was = before is not None and before.failing
    if was == after.failing:
        return None
    kind = NoticeKind.PROBE_FAILING if after.failing else NoticeKind.PROBE_RECOVERED
    last = after.last
    return Happening(kind=kind, at=last.at, project=one.project, agent=str(one.target), room=last.room, text=last.why)


def _loaded(memo: bytes | None) -> ProbeFacts | None:
    """What the memo says; None where there is none, or a release that we do not know wrote it."""
    try:
        return _FACTS.decode(memo) if memo else None
    except msgspec.DecodeError:
        return None
