"""Limits how often the same trouble is logged: once or a few times as it comes, then once a minute, with its number.

Strangers can cause such lines without end by their requests, and so can a library in trouble.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

EVERY_S: Final = 60.0
CAUSES_MAX: Final = 256  # told apart; those beyond it are limited together

Cause: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class _Told:
    paid_until: float = 0.0  # each line that was told moves it EVERY_S on; far ahead of now it is too soon for another
    left_out: int = 0


class Repeats:
    """What has been logged of each cause. Times are in seconds, of any clock, also of one that somebody sets."""

    def __init__(self) -> None:
        self._causes: dict[Cause, _Told] = {}

    def times(self, cause: Cause, now: float, first: int = 1) -> int | None:
        """None: do not log this one. Else log it, with how often there was reason for it since the last one.

        The `first` ones are told as they come; a minute of quiet earns one of them back.
        """
        if cause not in self._causes and len(self._causes) >= CAUSES_MAX:
            cause = ()
        told = self._causes.setdefault(cause, _Told())
        told.paid_until = max(now, min(told.paid_until, now + first * EVERY_S))  # if the clock was set back, no further
        if told.paid_until > now + (first - 1) * EVERY_S:
            told.left_out += 1
            return None
        left_out, told.left_out = told.left_out, 0
        told.paid_until += EVERY_S
        return left_out + 1
