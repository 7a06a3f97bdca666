"""`python -m tests.attack.caller URL`: a process that calls a LiveKit there in each way, and tells what it cost.

One JSON object a call, on standard output: how it ended, how long it took, by how much the process had grown at most,
and for how long its loop did nothing else.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from dispatcher.core.facts import RoomSid
from dispatcher.core.rules import Target
from dispatcher.livekit.answers import twirp_session
from dispatcher.livekit.client import CallLimits, LiveKit
from dispatcher.livekit.failures import LiveKitError
from tests.real.server import KEY, SECRET

LIMITS = CallLimits(look=1.0, act=2.0)

CALLS: Mapping[str, Callable[[LiveKit], Awaitable[object]]] = {
    "rooms": lambda livekit: livekit.rooms(),
    "look": lambda livekit: livekit.look("lobby", RoomSid("RM_1")),
    "create": lambda livekit: livekit.create("lobby", Target("greeter"), metadata="{}", tag="i:w#1"),
}


class Cost(Struct, frozen=True, kw_only=True):
    """What one call cost."""

    call: str
    ended: str  # the error's kind and its reason, or "well"
    seconds: float
    grown_mib: float
    pause_s: float  # CPU time of the loop's thread, between two turns of a task that is always ready


def peak_mib() -> float:
    """The most memory that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def cost(call: str, livekit: LiveKit) -> Cost:
    """The call was made."""
    pauses = [0.0]

    async def turn() -> None:
        while True:
            left_at = time.thread_time()
            await asyncio.sleep(0)
            pauses.append(time.thread_time() - left_at)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    before, began, ended = peak_mib(), time.monotonic(), "well"
    try:
        await CALLS[call](livekit)
    except LiveKitError as error:
        ended = f"{type(error).__name__} {error.reason}"
    seconds = time.monotonic() - began
    turning.cancel()
    return Cost(call=call, ended=ended, seconds=seconds, grown_mib=peak_mib() - before, pause_s=max(pauses))


async def main(url: str) -> None:
    """Every call was made, one after the other."""
    async with twirp_session() as session:
        livekit = LiveKit(url, KEY, SECRET, session=session, observe=lambda *_: None, limits=LIMITS)
        for call in CALLS:
            told = await cost(call, livekit)
            sys.stdout.write(json.dumps({name: getattr(told, name) for name in told.__struct_fields__}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
