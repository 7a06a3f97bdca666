"""What goes wrong between LiveKit and its callers, as data: armed first, then taken by the call or webhook it meets."""

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


class Faults:
    """Faults by method or event name (ANY: whichever comes), each for so many `times`. Spans in seconds."""

    def __init__(self, calls: Armed[ApiFault], webhooks: Armed[WebhookFault]) -> None:
        self._calls = calls
        self._webhooks = webhooks

    def lose_replies(self, method: str, times: int = 1, *, hang: bool = False) -> None:
        """Calls are executed, and their callers never hear of it: the connection breaks, or stays silent (`hang`)."""
        self._calls.arm(method, LoseReply(hang), times)

    def reset(self, method: str, times: int = 1) -> None:
        """Connections break before the call is executed."""
        self._calls.arm(method, Reset(), times)

    def slow(self, method: str, seconds: float, times: int = 1) -> None:
        """Calls are executed, and answered, so many seconds late."""
        self._calls.arm(method, Slow(seconds), times)

    def fail(self, method: str, status: int = 500, times: int = 1, *, retry_after: float | None = None) -> None:
        """Calls are not executed and answered with `status`, as a Twirp error."""
        self._calls.arm(method, Fail(status, retry_after), times)

    def refuse(self, status: int = 429, retry_after: float | None = None, times: int = 1) -> None:
        """Calls of any method are not executed and answered with `status`."""
        self.fail(ANY, status, times, retry_after=retry_after)

    def lose_webhooks(self, times: int = 1, event: str = ANY) -> None:
        """Webhooks are never sent."""
        self._webhooks.arm(event, Lose(), times)

    def duplicate_webhooks(self, copies: int = 2, event: str = ANY, times: int = 1) -> None:
        """Webhooks are sent `copies` times side by side, the same bytes, id and token."""
        self._webhooks.arm(event, Repeat(copies), times)

    def delay_webhooks(self, seconds: float, event: str = ANY, times: int = 1) -> None:
        """Webhooks are sent late, and later ones of the same room overtake them."""
        self._webhooks.arm(event, Delay(seconds), times)

    def clear(self) -> None:
        """No armed fault is left."""
        self._calls.clear()
        self._webhooks.clear()
