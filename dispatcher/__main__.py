"""`dispatcher`, and `python -m dispatcher`: what signals do comes before all imports, which take a second or more."""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Runs one command and gives its exit code.

    A health check runs every few seconds, and imports next to nothing. A SIGHUP to a service that is starting waits
    until it can be answered. SIGTERM or SIGINT ends it at once, also as the first process of a container, which the
    kernel would otherwise shield from it.
    """
    if sys.argv[1:] == ["healthcheck"]:
        from dispatcher.cli import healthcheck  # noqa: PLC0415 see above

        return healthcheck.check(os.environ)
    if sys.argv[1:2] == ["serve"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    from dispatcher.cli import main  # noqa: PLC0415 see above

    return main.main()


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
