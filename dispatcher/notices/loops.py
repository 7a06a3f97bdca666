"""All that runs so that receivers are told. Where there are none, these loops do nothing."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from dispatcher.config import Problem, Receiver
from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import Ledger
from dispatcher.notices.bodies import Teller
from dispatcher.notices.collector import Collector
from dispatcher.notices.outbox import Outbox
from dispatcher.notices.sender import Addresses, Post, Sender
from dispatcher.notices.watch import Watch
from dispatcher.telemetry.recorder import SessionRecorder


class Settings(Protocol):
    """The configuration in force, as far as notices go."""

    def receivers(self) -> Sequence[Receiver]: ...
    def public_url(self) -> str: ...
    def project_names(self) -> Collection[str]: ...


class Starter(Protocol):
    """Who keeps loops alive."""

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None: ...
    def start_for_each(
        self, projects: Callable[[], Collection[str]], name: str, loop: Callable[[str], Awaitable[None]]
    ) -> None: ...


class NoticeLoops:
    """What watches, collects and sends."""

    def __init__(
        self, ledger: Ledger, outbox: Outbox, settings: Settings, recorder: SessionRecorder, instance: str
    ) -> None:
        self.ledger = ledger
        self.outbox = outbox
        self.settings = settings
        self.recorder = recorder
        self.instance = instance

    def start(
        self, starter: Starter, post: Post, clock: Callable[[], Ms], problems: Callable[[], Sequence[Problem]]
    ) -> None:
        """Start them. `problems` are those of the configuration that was read last."""
        ledger, settings, recorder = self.ledger, self.settings, self.recorder
        addresses = Addresses(self._find, self._us, clock)
        watch = Watch(ledger, self.outbox, recorder.health, settings.project_names, problems)
        starter.start("watch", watch.run)
        starter.start("collector", Collector(ledger, settings.receivers).run)
        sender = Sender(ledger, addresses, post, recorder.log, recorder.metrics, recorder.health)
        starter.start_for_each(lambda: [one.name for one in settings.receivers()], "notices", sender.run)

    def _find(self, name: str) -> Receiver | None:
        return next((one for one in self.settings.receivers() if one.name == name), None)

    def _us(self) -> Teller:
        return Teller(instance=self.instance, public_url=self.settings.public_url())
