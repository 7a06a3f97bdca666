"""Telephone numbers as people and trunks write them, brought to one form: `phone()` in CEL.

What a number of a country looks like is known by `phonenumbers`, Google's libphonenumber for Python.
"""

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

PHONE_MAX: Final = 256  # characters of an address with its parameters; what is longer is none
COUNTRIES: Final[frozenset[str]] = frozenset(phonenumbers.SUPPORTED_REGIONS)  # 'US', 'GB', …: ISO 3166-1 alpha-2

_ADDRESS: Final = re.compile(r"(?:^|<)\s*(?:sips?|tel):([^@;>?]*)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[\s\u00a0\u2010-\u2015().\-/]+")
_NUMBER: Final = re.compile(r"(?:\+|00)?([0-9]+)")
_LONG: Final = 25  # digits: 15 are a number's (ITU-T E.164), the rest is dialled before it, or nothing at all
_SHORT: Final = 6  # digits: an extension, if it is no number that is in use on some small island
_REMEMBERED: Final = 64  # ten rules ask for the same caller's number
_SAID_FOR: Final = {"UK": "GB"}


@lru_cache(_REMEMBERED)
def phone(text: str, country: str = "") -> str:
    """`+` and digits, whichever way the number is written; "" for what is no number, such as `anonymous`.

    What begins with + or 00 is international. Everything else is national: a number of the country that is stated, if
    it can be one there. What cannot, such as an extension, and every one without a country keeps its digits and gets
    no +, as nothing says whose it is.
    """
    if len(text) > PHONE_MAX:
        return ""
    address = _ADDRESS.search(text)
    digits = _BETWEEN.sub("", address[1] if address else text.partition(";")[0])
    number = _NUMBER.fullmatch(digits)
    if number is None or digits == "00":
        return ""
    if digits.startswith("+"):
        return _one_form(digits, None) or digits
    if country and (found := _one_form(digits, country)):
        return found
    if digits.startswith("00"):
        return _one_form(f"+{number[1]}", None) or f"+{number[1]}"
    return digits


def no_country(text: str) -> str:
    """Why a text is no country; "" if it is one."""
    if text in COUNTRIES:
        return ""
    meant = _SAID_FOR.get(text.upper(), text.upper()[:2])  # 'us', 'USA'
    near = f"; did you mean '{meant}'?" if meant in COUNTRIES else ""
    return f"no country '{text}': write its two letters of ISO 3166, as in 'US'{near}"


def _one_form(digits: str, country: str | None) -> str:
    """E.164, without what is dialled inside the country only, as in +44 (0)20; "" if no number can be like that."""
    if len(digits) > _LONG:
        return ""
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return ""
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return ""
    if country and len(digits) <= _SHORT and not phonenumbers.is_valid_number_for_region(number, country):
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
