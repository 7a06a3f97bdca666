"""A process with LiveKit's own client: it joins as its environment says, or as the line on its standard input says."""

import asyncio
import json
import os
import signal
import sys

from livekit.rtc import Room


async def main() -> None:
    """Join, and stay until SIGTERM or the room's end."""
    if "LIVEKIT_URL" in os.environ:
        url, token = os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"]
    else:
        order = json.loads(await asyncio.to_thread(sys.stdin.readline) or "null")
        if order is None:
            return
        url, token = order["url"], order["token"]
    room, ended = Room(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    room.on("disconnected", lambda *_: ended.set())
    await room.connect(url.replace("http", "ws", 1), token)
    await ended.wait()
    await room.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
