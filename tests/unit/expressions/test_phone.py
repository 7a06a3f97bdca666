import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from dispatcher.expressions import Result
from dispatcher.expressions.cost import estimate
from dispatcher.expressions.facts import SMALL, shapes
from dispatcher.expressions.language import JUDGED_MAX
from dispatcher.expressions.phone import COUNTRIES, phone
from tests.unit.expressions.speech import LANGUAGE, judged, said

LONDON = "+442079460000"
WRITTEN_OUT = "a country must be written out, as in phone(x, 'US')"
NO_COUNTRY = "write its two letters of ISO 3166, as in 'US'"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+442079460000", LONDON),
        ("+44 20 7946 0000", LONDON),
        ("0044 20 7946 0000", LONDON),
        ("+44 (0)20 7946 0000", LONDON),
        ("0044(0) 20 7946.0000", LONDON),
        ("+44 20/7946/0000", LONDON),
        ("+44\u00a020\u20117946\u20130000", LONDON),
        ("tel:+44-20-7946-0000", LONDON),
        ("sip:+442079460000@sip.example.com", LONDON),
        ("sips:00442079460000@sip.example.com:5061;transport=tls", LONDON),
        ('"Bob" <sip:+442079460000@sip.example.com>;tag=1', LONDON),
        ("+442079460000;ext=5", LONDON),
        ("+39 06 698 00000", "+390669800000"),
        ("+39 (0)6 698 00000", "+390669800000"),
        ("+331", "+331"),
        ("00331", "+331"),
        ("2025550123", "2025550123"),
        ("442079460000", "442079460000"),
        ("SIP:442079460000@10.0.0.1", "442079460000"),
        ("44-20-7946-0000", "442079460000"),
        ("020 7946 0000", "02079460000"),
        ("(020) 7946 0000", "02079460000"),
        ("2001", "2001"),
        ("1234567890123456", "1234567890123456"),
        ("+" + "9" * 60, "+" + "9" * 60),
        ("anonymous", ""),
        ("sip:anonymous@anonymous.invalid", ""),
        ("sip:alice42@example.com", ""),
        ("1-800-FLOWERS", ""),
        ("", ""),
        ("+", ""),
        ("00", ""),
        ("٠٤٤", ""),
        ("+44+20", ""),
        ("1" * 257, ""),
    ],
)
def test_t2_a_number_has_one_form_however_it_is_written(written: str, number: str) -> None:
    """Notations of people and trunks; what is national stays so, and what is no number is empty."""
    assert phone(written) == number
    assert judged(f"phone({written!r})") == number


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("2025550123", "US", "+12025550123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("12025550123", "US", "+12025550123"),
        ("2025550123", "EG", "+202025550123"),
        ("SIP:442079460000@10.0.0.1", "GB", LONDON),
        ("020 7946 0000", "GB", LONDON),
        ("+442079460000", "US", LONDON),
        ("011 44 20 7946 0000", "US", LONDON),
        ("0044 20 7946 0000", "US", LONDON),
        ("442079460000", "US", "442079460000"),
        ("06 698 00000", "IT", "+390669800000"),
        ("011 15 2345 6789", "AR", "+5491123456789"),
        ("201234", "FO", "+298201234"),
        ("911", "US", "911"),
        ("5551234", "US", "5551234"),
        ("2001", "US", "2001"),
        ("2001", "DE", "2001"),
        ("anonymous", "US", ""),
    ],
)
def test_t2_a_number_of_a_stated_country_is_international(written: str, country: str, number: str) -> None:
    """As it is dialled there; what cannot be a number there keeps its digits."""
    assert phone(written, country) == number
    assert judged(f"phone({written!r}, {country!r})") == number


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_t2_every_country_s_own_notations_are_equal(country: str) -> None:
    """As its people write it, and as others do."""
    number = phonenumbers.example_number(country)
    assert number
    e164, abroad, home = (
        phonenumbers.format_number(number, form)
        for form in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
    )

    assert {phone(abroad), phone(f"00{e164[1:]}"), phone(home, country), phone(e164)} == {e164}
    assert phone(e164[1:]) == e164[1:]


@given(st.text() | st.text("+0123456789-() ", max_size=30), st.sampled_from(("", "US", "GB", "AR")))
def test_t2_any_text_is_a_number_or_none(text: str, country: str) -> None:
    """Nothing is raised."""
    assert re.fullmatch(r"(\+?[0-9]+)?", phone(text, country))


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("phone(room.name, 'UK') == ''", [(17, f"no country 'UK': {NO_COUNTRY}; did you mean 'GB'?")]),
        ("phone(room.name, 'usa') == ''", [(17, f"no country 'usa': {NO_COUNTRY}; did you mean 'US'?")]),
        ("phone(room.name, '+44') == ''", [(17, f"no country '+44': {NO_COUNTRY}")]),
        ("phone(room.name, metadata.country) == ''", [(17, WRITTEN_OUT)]),
        ("phone(room.name, 44) == ''", [(5, "'phone' does not take (string, int)")]),
    ],
)
def test_a_country_that_does_not_exist_is_found_when_the_rule_loads(text: str, mistakes: list[tuple[int, str]]) -> None:
    """At its character."""
    assert said(text) == mistakes


def test_a_rule_may_ask_for_ten_numbers() -> None:
    """Their cost, should all their countries' patterns have to be compiled, is within what an expression may take."""
    lines = " || ".join(f"phone(participant.attributes['line']) == '+4420794600{line}'" for line in range(10, 20))
    rule = LANGUAGE.compile(lines, "participant_joined", Result.CONDITION)

    assert JUDGED_MAX / 2 < estimate(rule.node, shapes(SMALL)) < JUDGED_MAX
