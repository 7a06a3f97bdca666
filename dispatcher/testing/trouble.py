"""What goes wrong between LiveKit and its callers: the fault lines of a story, armed before it happens."""

from dispatcher.testing.faults import (
    ANY,
    ApiFault,
    Armed,
    Delay,
    Fail,
    Lose,
    LoseReply,
    Repeat,
    Reset,
    Slow,
    WebhookFault,
)


class Trouble:
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

    def heal(self) -> None:
        """No armed fault is left."""
        self._calls.clear()
        self._webhooks.clear()
