"""One webhook, verified and read: LiveKit's SDK beside dispatcher.livekit.webhook, on a recorded participant_joined.

    python bench/webhook.py

Rounds of both are interleaved, so that a busy machine slows both alike; medians. About three seconds.
"""

import base64
import json
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from google.protobuf.json_format import Parse
from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol.webhook import WebhookEvent

from dispatcher.livekit.webhook import ApiKey, Received, receive, verify

RECORDED: Final = Path(__file__).parents[1] / "tests/recorded/05-participant_joined-sip.json"
KEY: Final = "devkey"
SECRET: Final = "devsecret-devsecret-devsecret-devsecret"  # noqa: S105 - of the recordings
EVENTS: Final = 100  # a round
ROUNDS: Final = 40
ALWAYS: Final = timedelta(days=36_500)  # the SDK's clock cannot be set to the recording's


def main() -> None:
    """Prints microseconds an event, and how many times faster the second is."""
    recorded = json.loads(RECORDED.read_text())
    body, authorization = recorded["body"], recorded["headers"]["Authorization"]
    made_at = json.loads(base64.urlsafe_b64decode(authorization.split(".")[1] + "=="))["iat"] * 1000
    sdk = WebhookReceiver(TokenVerifier(KEY, SECRET, leeway=ALWAYS))
    keys = {KEY: ApiKey("default", SECRET)}
    received = body.encode()

    def theirs() -> str:
        return sdk.receive(received.decode(), authorization).id

    def ours() -> str:
        read = receive(received, verify(authorization, keys, made_at))
        assert isinstance(read, Received)
        return read.event.id

    def parse() -> str:
        return Parse(body, WebhookEvent(), ignore_unknown_fields=True).id

    assert theirs() == ours() == parse()
    sdk_us, our_us, parse_us = interleaved(theirs, ours, parse)
    print(f"SDK   {sdk_us:7.1f} µs an event, of which its JSON parser {parse_us:.1f}")
    print(f"ours  {our_us:7.1f} µs an event")
    print(f"ratio {sdk_us / our_us:7.1f}")


def interleaved(*calls: Callable[[], object]) -> list[float]:
    """The median microseconds a call takes, for each, measured in turns."""
    rounds = [[timed(call) for call in calls] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call, from EVENTS of them."""
    start = time.perf_counter()
    for _ in range(EVENTS):
        call()
    return (time.perf_counter() - start) / EVENTS * 1e6


if __name__ == "__main__":
    main()
