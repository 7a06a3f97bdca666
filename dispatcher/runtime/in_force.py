"""The configuration in force, and everything that follows it."""

from collections.abc import Callable

from dispatcher.config import Config
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.runtime.connection import mask_key
from dispatcher.runtime.reload import note_loaded, nudge
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot
from dispatcher.telemetry.recorder import SessionRecorder


class ConfigInForce:
    """The configuration in force, and everything that follows it: metrics, marks, and the sessions it may concern."""

    def __init__(self, config: Config, snapshot: Callable[[Config], ConfigSnapshot], recorder: SessionRecorder) -> None:
        self._snapshot = snapshot
        self._recorder = recorder
        self.holder = ConfigHolder(snapshot(config))
        self._apply(config)

    async def swap(self, ledger: Ledger, config: Config) -> None:
        """Put the configuration in force, whole, and look again at the sessions that it may concern."""
        before, self.holder.snapshot = self.holder.snapshot, self._snapshot(config)
        self._apply(config)
        try:
            await nudge(ledger, before, self.holder.snapshot)
        except LedgerUnavailable:  # the sweep finds them
            self._recorder.log.warning("nudge.postponed", why="ledger_unavailable")

    def _apply(self, config: Config) -> None:
        """The metrics know the configuration's names, and the log whom to mask."""
        log, metrics = self._recorder.log, self._recorder.metrics
        metrics.know(
            agents={str(target) for target in config.named},
            rules={rule.name for rule in config.rules_in_force},
            keys={project.name: project.keys for project in config.projects},
        )
        log.mask.use(mask_key(config))
        note_loaded(config, self._recorder.health.config)
        metrics.config_last_reload_successful.set(1)
        metrics.config_last_reload_success_timestamp_seconds.set_to_current_time()
