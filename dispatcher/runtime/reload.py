"""Reads the configuration again when it has changed or somebody asks; a bad one leaves the last good one in force."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from dispatcher.config import BadConfig, Config, Problem, Source
from dispatcher.config.types import FIXED, TOLD_AS
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger
from dispatcher.runtime.snapshot import ConfigSnapshot
from dispatcher.telemetry.configured import Configured
from dispatcher.telemetry.recorder import SessionRecorder

POLL_S: Final = 1.0
RELOADED: Final = "reloaded"  # the name of the reload's events


class Reload:
    """Reads `source` again for the service that runs with `config`; `apply` puts a new one in force, whole."""

    def __init__(
        self,
        source: Source,
        config: Config,
        apply: Callable[[Config], Awaitable[None]],
        recorder: SessionRecorder,
        *,
        poll: float = POLL_S,
    ) -> None:
        self.source = source
        self.config = config
        self.apply = apply
        self.log = recorder.log
        self.metrics = recorder.metrics
        self.told = recorder.health.config
        self.poll = poll
        self.problems: tuple[Problem, ...] = ()  # of the last reading; the last good configuration is in force
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the configuration again now, changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Read the configuration whenever it has changed or somebody asks, for ever."""
        while True:
            try:
                async with asyncio.timeout(self.poll):
                    await self._asked.wait()
            except TimeoutError:
                if not await asyncio.to_thread(self.source.changed):
                    continue
            self._asked.clear()
            await self.read()

    async def read(self) -> None:
        """Put in force what is written now; with mistakes nothing changes, and the log says what is wrong and where."""
        good = False
        try:
            config = await asyncio.to_thread(self.source.read)
            await self._take(config)
            good, self.problems = True, ()
        except BadConfig as bad:
            self.problems = tuple(bad.problems)
            self.told.refused(bad.problems)
            self.log.error("config.rejected", problems=[str(problem) for problem in bad.problems])
        finally:
            self.metrics.config_last_reload_successful.set(good)

    async def _take(self, config: Config) -> None:
        kept = {name: getattr(self.config, name) for name in FIXED}
        changed = [TOLD_AS.get(name, name) for name in FIXED if getattr(config, name) != kept[name]]
        self.told.deferred = tuple(changed)
        if changed:
            self.log.warning("config.deferred", settings=changed)
        self.config = replace(config, **kept)
        await self.apply(self.config)
        projects = [project.name for project in config.projects]
        self.log.info("config.reloaded", projects=projects, warnings=[str(warning) for warning in config.warnings])


def note_loaded(config: Config, told: Configured) -> None:
    """Whoever asks is told that this is in force now."""
    told.loaded(str(config.file) if config.file else None, config.text, config.warnings)


async def nudge(ledger: Ledger, before: ConfigSnapshot, after: ConfigSnapshot) -> None:
    """Make sessions due for whose agents a pause has begun or ended.

    Raises LedgerUnavailable: the sweep then finds them.
    """
    for project, runtime in after.projects.items():
        old = before.projects.get(project)
        if old is None or old.paused == runtime.paused:
            continue
        await sessions.remind_waiting(ledger, project, RELOADED)
