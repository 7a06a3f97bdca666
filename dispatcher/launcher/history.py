"""Which launches that have ended are still known, and which of them still have a log."""

from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.ways import Ways

KEPT_MS: Final[Ms] = 3_600_000  # a launch that has ended is shown so long, and as long as its token would hold
KEPT_MAX: Final = 10_000  # launches that have ended
LOGS_MAX: Final = 100  # of them whose log is kept: 100 MiB at most


def forget_old(launches: dict[str, Launch], ways: Ways) -> None:
    """Forget launches that ended long ago; a token that still holds is remembered: it starts nothing more."""
    now, ended = ways.clock(), [one for one in launches.values() if one.ended]
    for number, one in enumerate(sorted(ended, key=lambda one: one.ended_at, reverse=True)):
        if number >= KEPT_MAX or now >= max(one.expires_at, one.ended_at + KEPT_MS):
            ways.records.forget(one.id)
            del launches[one.id]
        elif number >= LOGS_MAX and one.has_log:
            ways.records.forget_log(one.id)
            one.has_log = False
