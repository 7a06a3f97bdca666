"""`python -m tests.chaos.dying serve …`: the service, which kills itself beside one of its own calls.

The calls of the ledger and of LiveKit that advance a session are counted, from the first delivery on, and each is
written to standard error as it begins. DIES_AT names one of them: `before 3` or `after 3`.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from dispatcher import app
from dispatcher.cli.main import main
from dispatcher.ledger.timed import TimedLedger
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason

T = TypeVar("T")

FIRST: Final = "deliver"
BACKGROUND: Final = frozenset({"claim", "counts", "find", "list", "now", "standings", "touch", "turn"})


class _Calls:
    """Counts, and ends everything at the one asked for."""

    def __init__(self, dies_at: str) -> None:
        self.when, _, number = dies_at.partition(" ")
        self.number = int(number or -1)
        self.begun = 0

    async def made(self, name: str, call: Awaitable[T]) -> T:
        """What the call answers, if we are still there."""
        if name in BACKGROUND or (self.begun == 0 and name != FIRST):
            return await call
        number, self.begun = self.begun, self.begun + 1
        sys.stderr.write(f"call {number} {name}\n")
        sys.stderr.flush()
        self._die("before", number)
        answer = await call
        self._die("after", number)
        return answer

    def _die(self, when: str, number: int) -> None:
        if (when, number) == (self.when, self.number):
            os.kill(os.getpid(), signal.SIGKILL)


CALLS: Final = _Calls(os.environ.get("DIES_AT", ""))


class DyingLedger(TimedLedger):
    """Every operation is a call."""

    async def _timed(self, op: str, operation: Awaitable[T]) -> T:
        return await CALLS.made(op, super()._timed(op, operation))


class DyingLiveKit(LiveKit):
    """Every request is a call."""

    async def _call(
        self,
        method: str,
        send: Callable[[], Awaitable[T]],
        until: float,
        verdicts: Mapping[Reason, type[LiveKitError]],
    ) -> T:
        return await CALLS.made(method, super()._call(method, send, until, verdicts))


if __name__ == "__main__":
    vars(app).update(TimedLedger=DyingLedger, LiveKit=DyingLiveKit)
    raise SystemExit(main())
