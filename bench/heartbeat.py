"""`python -m bench.heartbeat FILE serve ...`: the dispatcher, and in FILE how late its event loop was each time.

Its loop is to wake a task every BEAT_S. A line is an instant of time.monotonic, which all processes share, and ms.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

BEAT_S: Final = 0.01
TOLD_MS: Final = 1.0  # what is less late is not written

_run: Final = asyncio.run


async def beating(main: Coroutine[Any, Any, None], file: Path) -> None:
    """`main` has run beside the heartbeat."""
    beat = asyncio.create_task(_beat(file))
    try:
        await main
    finally:
        beat.cancel()


async def _beat(file: Path) -> None:
    with file.open("w", buffering=1) as out:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            now = time.monotonic()
            if (late_ms := 1000 * (now - due)) > TOLD_MS:
                print(f"{now:.3f} {late_ms:.1f}", file=out)


def longest(file: Path, since: float) -> float:
    """The most ms that the loop was late since that instant; TOLD_MS: it never was."""
    lines = file.read_text().splitlines() if file.exists() else []
    told = (line.split() for line in lines)
    return max((float(late) for at, late in told if float(at) >= since), default=TOLD_MS)


if __name__ == "__main__":
    from dispatcher.__main__ import main

    where = Path(sys.argv.pop(1))
    with patch.object(asyncio, "run", lambda main: _run(beating(main, where))):
        sys.exit(main())
