"""Telephone numbers as people and trunks write them, brought to one form: `phone()` in CEL."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"(?:^|<)\s*(?:sips?|tel):([^@;>?]*)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[\s\u00a0\u2010-\u2015().\-/]+")
_TRUNK: Final = "(0)"  # as in +44 (0)20: dialled inside the country only
PHONE_MAX: Final = 256  # characters of an address with its parameters; what is longer is none
_INTERNATIONAL: Final = range(7, 16)  # digits of a number with its country code: 15 at most (ITU-T E.164)


def phone(text: str) -> str:
    """`+` and digits, whichever way the number is written; "" for what is no number, such as `anonymous`.

    +44…, 0044…, 44…, tel: and sip: addresses, blanks, dashes, dots, slashes and brackets all give the same. A number
    with one leading 0 is national and one of fewer than 7 digits an extension: nothing says of which country or house,
    so these keep their digits and get no `+`.
    """
    if len(text) > PHONE_MAX:
        return ""
    address = _ADDRESS.search(text)
    written = (address[1] if address else text.partition(";")[0]).strip()
    abroad = written.startswith(("+", "00"))
    digits = _BETWEEN.sub("", written.replace(_TRUNK, "") if abroad else written)
    if not re.fullmatch(r"(?:\+|00)?[0-9]+", digits) or digits == "00":
        return ""
    if digits.startswith("+"):
        return digits
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return f"+{digits}" if len(digits) in _INTERNATIONAL and not digits.startswith("0") else digits
