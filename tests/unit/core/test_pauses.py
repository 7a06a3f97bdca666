"""Pauses as values: how an order changes them, which hold, and what of a reason is kept."""

import pytest

from dispatcher.core.pauses import (
    PAUSES_MAX,
    REASON_MAX,
    Pause,
    Paused,
    TooManyPaused,
    begun,
    ended,
    holding,
    paused,
    reason_of,
)
from tests.unit.core.world import NOW

FOR_EVER = Pause(by="maria", at=NOW)
A_WHILE = Pause(by="paul", at=NOW, until=NOW + 1_000, reason="deploy")
BOTH = {"sales": FOR_EVER, "greeter": A_WHILE}


def test_the_newest_order_counts() -> None:
    """Of each agent there is one; the others' stay."""
    assert begun({"sales": FOR_EVER}, "greeter", A_WHILE) == BOTH
    assert begun(BOTH, "sales", A_WHILE) == {"sales": A_WHILE, "greeter": A_WHILE}
    assert ended(BOTH, "sales") == {"greeter": A_WHILE}
    assert ended(BOTH, "nobody") == BOTH


def test_a_pause_ends_by_itself_at_its_time() -> None:
    """To the millisecond; one without a time never does."""
    assert holding(BOTH, NOW + 999) == BOTH
    assert holding(BOTH, NOW + 1_000) == {"sales": FOR_EVER}
    assert holding(BOTH, NOW + 10**12) == {"sales": FOR_EVER}


def test_only_so_many_are_paused_at_once() -> None:
    """Who is paused already may be paused otherwise."""
    full = {f"agent-{n}": FOR_EVER for n in range(PAUSES_MAX)}
    with pytest.raises(TooManyPaused, match="64 agents of this project are paused"):
        begun(full, "sales", FOR_EVER)
    assert begun(full, "agent-0", A_WHILE)["agent-0"] == A_WHILE


def test_orders_and_the_configuration_pause_together() -> None:
    """Each is known by itself: the end of one is not the end of the other."""
    assert paused({"sales", "host"}, BOTH, NOW) == {
        "greeter": Paused(pause=A_WHILE),
        "host": Paused(configured=True),
        "sales": Paused(pause=FOR_EVER, configured=True),
    }
    assert list(paused((), BOTH, NOW + 1_000)) == ["sales"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("deploy", "deploy"),
        ("x" * 201, "x" * REASON_MAX),
        ("ä" * 101, "ä" * 100),
        ("x" + "ä" * 100, "x" + "ä" * 99),  # no half a character
        ("\ud800", "?"),
    ],
)
def test_of_a_reason_so_much_is_kept(text: str, kept: str) -> None:
    """200 bytes, and nothing that cannot be written."""
    assert reason_of(text) == kept
