"""What goes wrong, as data: armed before a story, taken by the calls and webhooks that meet it."""

from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

F = TypeVar("F")

ANY: Final = "*"  # any method, any event


@dataclass(frozen=True, slots=True)
class Slow:
    """The call is executed, and answered, `seconds` later than usual."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """The call is not executed; the answer is `status`, with `Retry-After` where one is given."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """The call is not executed; its connection breaks."""


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The call is executed, and nobody hears of it: the connection breaks, or (`hangs`) stays silent."""

    hangs: bool = False


ApiFault: TypeAlias = Slow | Fail | Reset | LoseReply


@dataclass(frozen=True, slots=True)
class Lose:
    """The webhook is never sent."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The webhook is sent `copies` times side by side: the same bytes, id and token."""

    copies: int


@dataclass(frozen=True, slots=True)
class Delay:
    """The webhook is sent `seconds` late, and later ones of its room overtake it."""

    seconds: float


WebhookFault: TypeAlias = Lose | Repeat | Delay


@dataclass(slots=True)
class _Waiting(Generic[F]):
    name: str
    fault: F
    times: int


class Armed(Generic[F]):
    """Faults that wait for their call or event. Each meets one; those armed first are met first."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting[F]] = []

    def arm(self, name: str, fault: F, times: int) -> None:
        """The next `times` calls or events called `name` (or ANY) meet `fault`."""
        self._waiting.append(_Waiting(name, fault, times))

    def take(self, name: str) -> F | None:
        """The fault that `name` meets this time, if any."""
        for waiting in self._waiting:
            if waiting.times > 0 and waiting.name in {name, ANY}:
                waiting.times -= 1
                return waiting.fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()
