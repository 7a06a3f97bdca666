"""What people say of themselves makes no rule slow: it is refused when it loads, or exhausted when it is judged."""

import json
from time import perf_counter
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room
from dispatcher.expressions.language import BadExpression, Result
from dispatcher.expressions.outcome import Failure, FailureReason
from tests.attack.expressions import CONDITIONS, PEOPLE, ROOMS
from tests.examples import examples
from tests.unit.expressions.speech import CALLER, LANGUAGE, ROOM

SOON: Final = 1.0  # seconds: a hundred times what one judgement may take, as machines are busy
LONG: Final = json.dumps({"l": ["ab" * 100] * 200, "s": "ab" * 10_000})


@pytest.mark.parametrize(
    "text",
    [
        "room.name.matches(participant.metadata)",
        "participant.name.matches('^' + room.name)",
        "'%s'.format([1]).format([2]) == ''",
    ],
)
def test_what_cel_reads_as_a_program_must_be_written_out(text: str) -> None:
    """Nobody's metadata is a pattern or a format: 5.7 kB of it took 21 s to compile."""
    with pytest.raises(BadExpression) as bad:
        LANGUAGE.compile(text, "participant_joined", Result.CONDITION)

    assert "must be written out" in str(bad.value)


@pytest.mark.parametrize(
    "text",
    [
        "metadata.l.map(a, metadata.s.replace('a', metadata.s)).exists(x, x.contains('zz'))",
        "metadata.s.matches('[ab]*a[ab]{12}z')",
    ],
)
def test_a_judgement_that_would_take_long_is_not_begun(text: str) -> None:
    """It is exhausted, and for those who say little it is judged as ever."""
    expression = LANGUAGE.compile(text, "participant_joined", Result.CONDITION)

    began = perf_counter()
    found = expression.judge(replace(ROOM, metadata=LONG), CALLER)
    assert perf_counter() - began < SOON
    assert found == Failure(FailureReason.EXHAUSTED)
    assert expression.judge(replace(ROOM, metadata='{"l": ["ab"], "s": "ab"}'), CALLER) is False


def test_loops_inside_each_other_are_refused_when_they_load() -> None:
    """They took 18 s and 6.9 GB when somebody's metadata was long."""
    text = "metadata.l.exists(a, metadata.l.exists(b, a.replace('a', b).replace('b', a).contains('c')))"
    with pytest.raises(BadExpression) as bad:
        LANGUAGE.compile(text, "participant_joined", Result.CONDITION)

    assert "fewer loops inside each other" in str(bad.value)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(text=CONDITIONS, room=ROOMS, person=PEOPLE)
def test_no_rule_and_no_metadata_hold_up_the_service(text: str, room: Room, person: Participant) -> None:
    """Whatever a rule asks of whatever is said: it has an outcome, soon."""
    try:
        expression = LANGUAGE.compile(text, "participant_joined", Result.CONDITION)
    except BadExpression:
        return
    began = perf_counter()
    expression.judge(room, person)
    assert perf_counter() - began < SOON
