"""A fake LiveKit to test with, shipped: it lies exactly as LiveKit does.

async with FakeLiveKit(webhook_url="http://127.0.0.1:8080/webhook") as livekit:
    livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS, JobOutcome.SERVES)
    livekit.faults.lose_replies("CreateDispatch")
    await livekit.rooms.join("lobby", "alice")
    await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))
"""

from dispatcher.testing.changes import NeverSeen
from dispatcher.testing.fake import DEV_KEYS, FakeLiveKit
from dispatcher.testing.faults import ANY
from dispatcher.testing.player import Recording, play, recordings
from dispatcher.testing.timers import Timings
from dispatcher.testing.twirp import ReceivedCall
from dispatcher.testing.webhooks import Sent, WebhookOutcome
from dispatcher.testing.worker_http import WorkerServer
from dispatcher.testing.workers import JobOutcome, Worker

__all__ = [
    "ANY",
    "DEV_KEYS",
    "FakeLiveKit",
    "JobOutcome",
    "NeverSeen",
    "ReceivedCall",
    "Recording",
    "Sent",
    "Timings",
    "WebhookOutcome",
    "Worker",
    "WorkerServer",
    "play",
    "recordings",
]
