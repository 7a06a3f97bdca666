import sys
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.text import IDENTITY_MAX, NAME_MAX, brief, visible

HASH = 25  # bytes that the mark of a cut text takes
TEXTS = st.text(max_size=200) | st.text('"\\\x00\x1f\x7fé漢😀', min_size=20, max_size=200)


def taken(text: str) -> int:
    """Bytes of the text in a record."""
    return len(msgspec.json.encode(text)) - 2


@given(text=TEXTS, most=st.integers(12, 100))
def test_law_8_a_text_takes_no_more_than_it_may(text: str, most: int) -> None:
    """Whatever stands in it: a control character takes six bytes of JSON. What fits is kept as it is."""
    kept = brief(text, most)

    assert taken(kept) <= most + HASH
    assert (kept == text) is (taken(text) <= most)
    assert kept == text or text.startswith(kept[:-HASH])


@given(one=TEXTS, other=TEXTS)
def test_two_texts_are_never_cut_to_the_same(one: str, other: str) -> None:
    """Neither by what they have in common, nor by one that looks as the other is cut."""
    assert (brief(one, IDENTITY_MAX) == brief(other, IDENTITY_MAX)) is (one == other)


@pytest.mark.parametrize("end", ["", "a", "~", "\x00", "é"])
def test_a_text_that_looks_like_a_cut_one_is_cut_itself(end: str) -> None:
    """Nobody can take an identity that a session mistakes for another's."""
    long = "x" * 300 + end

    assert brief(brief(long, IDENTITY_MAX), IDENTITY_MAX) != brief(long, IDENTITY_MAX)


def test_a_text_of_megabytes_is_cut_as_any_other() -> None:
    """It is not encoded as a whole to be measured."""
    assert brief("\x01" * 4_000_000, NAME_MAX).startswith("\x01" * 170 + "~")


ORDINARY = ["", "lobby", "a b", "~", "über", "漢字", "עברית", "👩", "e\u0301", "back\\slash", "'\"`$(rm)"]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_has_a_shape_is_shown_as_it_is(text: str) -> None:
    """Names in any script."""
    assert visible(text) == text


INVISIBLE = {
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\0": r"\x00",
    "\x07": r"\x07",
    "\x08": r"\x08",
    "\x1b[2J\x1b[H": r"\x1b[2J\x1b[H",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x7f": r"\x7f",
    "\x85": r"\x85",
    "\x9b31m": r"\x9b31m",
    "\xa0": r"\xa0",
    "\xad": r"\xad",
    "\u061c": r"\u061c",
    "\u200b\u200c\u200d": r"\u200b\u200c\u200d",
    "\u200e\u200f": r"\u200e\u200f",
    "\u2028\u2029": r"\u2028\u2029",
    "\u202a\u202b\u202c\u202d\u202e": r"\u202a\u202b\u202c\u202d\u202e",
    "\u2060": r"\u2060",
    "\u2066\u2067\u2068\u2069": r"\u2066\u2067\u2068\u2069",
    "\ufeff": r"\ufeff",
    "\ufff9": r"\ufff9",
    "\ud800": r"\ud800",
    chr(0xDFFF): r"\udfff",
    "\U000e0041": r"\U000e0041",
    "\U0010ffff": r"\U0010ffff",
}


@pytest.mark.parametrize(("text", "shown"), INVISIBLE.items(), ids=ascii)
def test_what_a_terminal_would_obey_or_hide_is_written_out(text: str, shown: str) -> None:
    """Controls, escape sequences, line and paragraph separators, marks of direction, zero width, lone surrogates."""
    assert visible(f"a{text}b") == f"a{shown}b"


@pytest.mark.slow("every character there is")
def test_no_control_format_or_separator_of_unicode_is_shown() -> None:
    """All there are, but for the space."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    hidden = {one for one in visible(every) if unicodedata.category(one)[0] in "CZ"}

    assert hidden == {" "}


@given(text=st.text() | st.text("\n\x1b\u202e\u2028ab"))
def test_what_is_shown_is_one_line_and_shown_again_it_is_the_same(text: str) -> None:
    """So a line may be made safe twice: where it is told, and where it is written."""
    shown = visible(text)

    assert shown.isprintable()
    assert shown.splitlines() in ([shown], [])
    assert visible(shown) == shown
