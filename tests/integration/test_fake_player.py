"""Recorded webhooks, played to a receiver."""

from pathlib import Path

from livekit.protocol.webhook import WebhookEvent

from dispatcher.testing import DEV_KEYS, FakeLiveKit, play, recordings
from tests.integration.stage import received

FOLDER = Path(__file__).parents[1] / "recorded"


async def test_recordings_arrive_as_they_were_but_for_the_token() -> None:
    """Every recorded body arrives byte for byte, in order, with a token that is good now."""
    (key, secret), played = next(iter(DEV_KEYS.items())), recordings(FOLDER)
    livekit = FakeLiveKit()
    async with received(livekit, 200, 202) as receiver:
        statuses = await play(livekit.webhook_url or "", played, key=key, secret=secret)

        assert statuses == [200] + [202] * (len(played) - 1)
        assert [body.decode() for _, body in receiver.got] == [one.body for one in played]
        events = receiver.verified(key, secret)
        assert events[0].event == "room_started"
        assert isinstance(events[-1], WebhookEvent)
        assert receiver.got[0][0].headers["Content-Type"] == "application/webhook+json"
        assert "Host" in receiver.got[0][0].headers
