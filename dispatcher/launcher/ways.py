"""What every launch needs: where processes live, where rooms are looked at, where it is written down."""

from collections.abc import Callable

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.launcher.interface import Home
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.logs import Logs
from dispatcher.launcher.presence import RoomWatch
from dispatcher.launcher.recorder import LaunchRecorder
from dispatcher.launcher.records import Records


class Ways(Struct, frozen=True, kw_only=True):
    """A launcher's collaborators."""

    home: Home
    rooms: RoomWatch
    records: Records
    recorder: LaunchRecorder
    logs: Logs
    clock: Callable[[], Ms]  # epoch

    def save(self, launch: Launch) -> None:
        """Write the record. Where the disk is full, the next launcher goes by what was written before."""
        try:
            self.records.save(launch)
        except OSError as error:
            self.recorder.unsaved(launch, error)
