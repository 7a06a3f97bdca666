import json
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from livekit.protocol.webhook import WebhookEvent

from dispatcher.testing import Recording, recordings
from dispatcher.testing.webhooks import webhook_body

RECORDED = recordings(Path(__file__).parents[2] / "recorded")


@pytest.mark.parametrize("recording", RECORDED, ids=[json.loads(one.body)["id"] for one in RECORDED])
def test_the_fake_writes_what_livekit_wrote(recording: Recording) -> None:
    """Read and written again, each recorded body has the same keys and values, defaults left out."""
    event = Parse(recording.body, WebhookEvent())

    assert json.loads(webhook_body(event)) == json.loads(recording.body)


def test_text_is_written_as_it_is() -> None:
    """Letters beyond ASCII are not escaped, as in LiveKit's own bodies."""
    event = WebhookEvent(event="participant_joined", participant={"identity": "日本"})

    assert "日本".encode() in webhook_body(event)
