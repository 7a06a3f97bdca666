"""Workers seen: who there is, since when, and when nothing can be said."""

import pytest

from dispatcher.core.workers import GONE_FOR, GONE_MAX, Missing, Registered, Sighting, WorkersSeen, asked

GREETER = Registered(agent="greeter")
SALES = Registered(agent="sales")


def seen(*rounds: dict[str, Registered | Missing]) -> WorkersSeen:
    """What is seen after these rounds, one each second."""
    now = WorkersSeen()
    for at, answers in enumerate(rounds, start=1):
        now = asked(now, answers, at * 1_000)
    return now


def test_who_answers_is_seen_by_name() -> None:
    """Since the first round, and now."""
    now = seen({"a": GREETER}, {"a": GREETER, "b": GREETER, "c": SALES})

    assert now.of("greeter") == Sighting(agent="greeter", workers=(GREETER, GREETER), since=1_000, last_seen_at=2_000)
    assert now.of("sales") == Sighting(agent="sales", workers=(SALES,), since=2_000, last_seen_at=2_000)
    assert now.of("nobody") is None
    assert now.registered == {"greeter": 2, "sales": 1}


def test_who_is_gone_was_seen_last_then() -> None:
    """Back again, they are there since then; and gone for a day they are forgotten."""
    gone = seen({"a": GREETER}, {"a": Missing.REFUSED, "c": SALES})
    assert gone.of("greeter") == Sighting(agent="greeter", workers=(), since=1_000, last_seen_at=1_000)
    assert gone.registered == {"sales": 1}

    back = asked(gone, {"a": GREETER}, 9_000)
    assert back.of("greeter") == Sighting(agent="greeter", workers=(GREETER,), since=9_000, last_seen_at=9_000)
    assert asked(gone, {}, 1_000 + GONE_FOR - 1).of("greeter")
    assert asked(gone, {}, 1_000 + GONE_FOR).of("greeter") is None


def test_no_more_names_are_remembered_than_there_is_room_for() -> None:
    """Those that were seen last."""
    now = WorkersSeen()
    for at in range(GONE_MAX + 10):
        now = asked(now, {"a": Registered(agent=f"agent-{at}")}, at + 1)

    assert len(now.sightings) == GONE_MAX + 1
    assert now.of("agent-8") is None
    assert now.of("agent-9")


@pytest.mark.parametrize(
    ("answers", "lacks"),
    [
        ({}, False),
        ({"a": Missing.REFUSED}, False),
        ({"a": SALES}, True),
        ({"a": GREETER}, False),
        ({"a": SALES, "b": Missing.REFUSED, "c": Missing.UNRESOLVED}, True),
        ({"a": SALES, "b": Missing.TIMEOUT}, False),
        ({"a": SALES, "b": Missing.UNREACHABLE}, False),
        ({"a": SALES, "b": Missing.BROKEN}, False),
        ({"a": SALES, "b": Missing.TOO_LONG}, False),
    ],
)
def test_that_there_is_none_is_said_only_where_it_is_known(
    answers: dict[str, Registered | Missing], lacks: bool
) -> None:
    """Somebody answers, and of no address it is open who is there. Else there is no opinion."""
    assert seen(answers).lacks("greeter") is lacks


def test_one_who_has_gone_is_lacked() -> None:
    """Where others answer."""
    assert seen({"a": GREETER, "b": SALES}, {"a": Missing.REFUSED, "b": SALES}).lacks("greeter")
