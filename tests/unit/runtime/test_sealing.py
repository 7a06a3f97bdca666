"""Metadata of orders: every replica opens what another has sealed, and nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.runtime.sealing import Seals, Unsealable

OLD, NEW = "an-old-secret-of-the-project", "the-secret-that-follows-it"
TEXT = '{"caller": "+15550100"}'


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_one_replica_seals_another_opens(text: str) -> None:
    """The secret is all they share."""
    assert Seals([NEW]).open(Seals([NEW]).seal(text, "RM_1", "request:1"), "RM_1", "request:1") == text


def test_law_11_what_is_sealed_shows_nothing() -> None:
    """Nor does what seals, when it is printed; sealed twice it is not the same."""
    seals = Seals([NEW])
    sealed = seals.seal(TEXT, "RM_1")

    assert "5550100" not in sealed
    assert sealed.isascii()
    assert sealed != seals.seal(TEXT, "RM_1")
    assert NEW not in repr(seals)


def test_s5_while_keys_are_rotated_what_either_has_sealed_is_opened() -> None:
    """The first seals; once the old one is gone, so is what it sealed."""
    before, between, after = Seals([OLD]), Seals([NEW, OLD]), Seals([NEW])

    assert between.open(before.seal(TEXT), *()) == TEXT
    assert after.open(between.seal(TEXT)) == TEXT
    with pytest.raises(Unsealable):
        after.open(before.seal(TEXT))


@pytest.mark.parametrize("about", [(), ("RM_2", "request:1"), ("RM_1",), ("RM_1request:1",)])
def test_what_is_sealed_for_one_order_opens_for_no_other(about: tuple[str, ...]) -> None:
    """Who can write into the ledger cannot give one caller's data to another's agent."""
    with pytest.raises(Unsealable):
        Seals([NEW]).open(Seals([NEW]).seal(TEXT, "RM_1", "request:1"), *about)


@pytest.mark.parametrize("damaged", ["", "x", "gAAAA", "\x00", "é"])
def test_what_nobody_has_sealed_is_not_opened(damaged: str) -> None:
    """A damaged record is an error that is told, and no crash."""
    with pytest.raises(Unsealable):
        Seals([NEW]).open(damaged)
