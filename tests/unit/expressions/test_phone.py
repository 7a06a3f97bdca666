import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.expressions.phone import phone
from tests.unit.expressions.speech import judged

LONDON = "+442079460000"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+442079460000", LONDON),
        ("+44 20 7946 0000", LONDON),
        ("0044 20 7946 0000", LONDON),
        ("442079460000", LONDON),
        ("44-20-7946-0000", LONDON),
        ("+44 (0)20 7946 0000", LONDON),
        ("0044 (0) 20 7946.0000".replace("(0) ", "(0)"), LONDON),
        ("(+44) 20/7946/0000".replace("(+44)", "+44"), LONDON),
        ("+44\u00a020\u20117946\u20130000", LONDON),
        ("tel:+44-20-7946-0000", LONDON),
        ("sip:+442079460000@sip.example.com", LONDON),
        ("sips:00442079460000@sip.example.com:5061;transport=tls", LONDON),
        ("SIP:442079460000@10.0.0.1", LONDON),
        ('"Bob" <sip:+442079460000@sip.example.com>;tag=1', LONDON),
        ("+442079460000;ext=5", LONDON),
        ("+331", "+331"),
        ("020 7946 0000", "02079460000"),
        ("(020) 7946 0000", "02079460000"),
        ("2001", "2001"),
        ("1234567", "+1234567"),
        ("1234567890123456", "1234567890123456"),
        ("anonymous", ""),
        ("sip:anonymous@anonymous.invalid", ""),
        ("sip:alice42@example.com", ""),
        ("", ""),
        ("+", ""),
        ("00", ""),
        ("٠٤٤", ""),
        ("+44+20", ""),
    ],
)
def test_t2_a_number_has_one_form_however_it_is_written(written: str, number: str) -> None:
    """Notations of people and trunks; what is national stays so, and what is no number is empty."""
    assert phone(written) == number
    assert judged(f"phone({written!r})") == number


@given(st.text())
def test_t2_any_text_is_a_number_or_none(text: str) -> None:
    """Nothing is raised, and a second time changes nothing."""
    once = phone(text)

    assert set(once) <= set("+0123456789")
    assert phone(once) == once


@given(st.integers(1_000_000, 999_999_999_999_999).map(str).filter(lambda digits: digits[0] != "0"))
def test_t2_notations_of_a_number_are_equal(digits: str) -> None:
    """With +, with 00, with neither."""
    assert phone(f"+{digits}") == phone(f"00{digits}") == phone(digits) == f"+{digits}"
