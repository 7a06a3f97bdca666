"""What a line says to a person."""

import pytest

from dispatcher.core.timeline import Said
from dispatcher.telemetry.sentences import ACTIONS, NONE, sentence


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("agent.joined", {"agent": "greeter", "number": 2}, "greeter is in the room (attempt 2)"),
        ("assignment.created", {"assignment": "all"}, f"all needs an agent: {NONE}"),
        ("config.deferred", {"settings": ["host", "port"]}, "these settings change at the next start only: host, port"),
        ("attempt.retracted", {"number": 1, "part": "agent"}, "taking back what is left of attempt 1: agent"),
        ("said", {"agent": "greeter"}, "said"),
    ],
)
def test_a_sentence_is_made_of_its_line(action: str, fields: dict[str, object], said: str) -> None:
    """Of what the line shows; an action that has none is its own."""
    assert sentence(action, fields) == said


def test_what_is_in_a_field_is_no_template() -> None:
    """A room may be called anything."""
    assert sentence("look.failed", {"why": "{agent}"}) == "LiveKit could not be asked: {agent}"


@pytest.mark.parametrize("said", Said)
def test_every_entry_of_a_timeline_has_a_sentence(said: Said) -> None:
    """The same as in `explain`."""
    assert ACTIONS[said]
