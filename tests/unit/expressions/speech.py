"""Expressions in a line: a room, a caller, what an expression comes to."""

from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Trigger
from dispatcher.expressions import BadExpression, Language, Result
from dispatcher.expressions.outcome import Outcome

LANGUAGE = Language()
ROOM = Room(sid=RoomSid("RM_1"), name="lobby", metadata='{"tenant": "acme", "n": 3}', created_at=1_700_000_000_400)
CALLER = Participant(
    sid="PA_1",
    identity="sip_1",
    kind="SIP",
    name="Bob",
    active=True,
    joined_at=1_700_000_001_500,
    metadata='{"language": "fr"}',
    attributes={"sip.trunkPhoneNumber": "+442079460000", "a": "b"},
)


def judged(
    text: str, room: Room = ROOM, person: Participant | None = CALLER, trigger: Trigger = "participant_joined"
) -> Outcome:
    """What an expression of any type comes to: a list's only item, as a list may hold anything."""
    found = LANGUAGE.compile(f'{{"it": {text}}}', trigger, Result.METADATA).judge(room, person)
    return found["it"] if isinstance(found, dict) else found


def said(
    text: str, result: Result = Result.CONDITION, trigger: Trigger = "participant_joined"
) -> list[tuple[int, str]]:
    """What is wrong with an expression, and where."""
    try:
        LANGUAGE.compile(text, trigger, result)
    except BadExpression as bad:
        return [(mistake.offset, mistake.reason) for mistake in bad.mistakes]
    return []


def saying(metadata: str) -> Room:
    """The lobby with other metadata."""
    return replace(ROOM, metadata=metadata)
