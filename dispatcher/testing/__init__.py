"""A fake LiveKit to test with, shipped: it lies exactly as LiveKit does.

async with FakeLiveKit(webhook_url="http://127.0.0.1:8080/webhook") as livekit:
    livekit.worker("greeter", Fate.NEVER_SHOWS, Fate.SERVES)
    await livekit.join("lobby", "alice")
    await livekit.wait_until(lambda: livekit.agents_in("lobby"))
"""

from dispatcher.testing.changes import NeverSeen
from dispatcher.testing.fake import DEV_KEYS, FakeLiveKit
from dispatcher.testing.faults import ANY
from dispatcher.testing.player import Recording, play, recordings
from dispatcher.testing.timers import Timings
from dispatcher.testing.twirp import ReceivedCall
from dispatcher.testing.webhooks import Fortune, Sent
from dispatcher.testing.worker_http import WorkerServer
from dispatcher.testing.workers import Fate, Worker

__all__ = [
    "ANY",
    "DEV_KEYS",
    "FakeLiveKit",
    "Fate",
    "Fortune",
    "NeverSeen",
    "ReceivedCall",
    "Recording",
    "Sent",
    "Timings",
    "Worker",
    "WorkerServer",
    "play",
    "recordings",
]
