"""The bounds of what the API takes, which the service holds and a client can know."""

from typing import Final

WAIT_MAX_MS: Final = 60_000  # for the end of what was asked for
PAUSE_MIN_MS: Final = 1_000
PAUSE_MAX_MS: Final = 30 * 86_400_000
ROOMS: Final = 100  # in one answer, unless somebody says otherwise
ROOMS_MAX: Final = 1_000  # in one answer
