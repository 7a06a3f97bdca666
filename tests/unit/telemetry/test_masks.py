"""Whom a mask hides, and whom it tells apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.masks import Mask

KEY = b"a key"


def mask(key: bytes = KEY) -> Mask:
    """A mask in use."""
    made = Mask()
    made.use(key)
    return made


def test_without_a_key_everybody_is_shown() -> None:
    """As they are; also again, after a reload."""
    for open_ in (Mask(), mask()):
        open_.use(None)
        assert open_.identity("sip_+442079460000") == "sip_+442079460000"
        assert open_.numbers("call-_+442079460000_x") == "call-_+442079460000_x"
        assert open_.assignment("callers/sip_+442079460000") == "callers/sip_+442079460000"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_mark_says_who_is_who_and_not_who_it_is(one: str, other: str) -> None:
    """The same for the same in every process, another for another, and another under another key."""
    mark = mask().identity(one)

    assert mark == mask().identity(one)
    assert (mark == mask().identity(other)) == (one == other)
    assert mark != mask(b"another").identity(one)
    assert len(mark) == 9


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        ("call-_+442079460000_aBc", "call-_#_aBc"),
        ("call-_442079460000_aBc", "call-_#_aBc"),
        ("+4420794/+4420795", "#/#"),
        ("lobby-123456", "lobby-123456"),
        ("lobby", "lobby"),
        ("", ""),
    ],
)
def test_a_rooms_name_keeps_all_but_numbers_that_could_be_a_phones(shown: str, left: str) -> None:
    """Seven digits or more, with or without the +."""
    masked = mask().numbers(shown)
    marks = {mask().identity(digits) for digits in ("442079460000", "4420794", "4420795")}
    for mark in marks:
        masked = masked.replace(mark, "#")

    assert masked == left


def test_an_assignment_keeps_its_rule() -> None:
    """An assignment of the room has nobody in it."""
    assert mask().assignment("callers") == "callers"
    assert mask().assignment("callers/a/b") == f"callers/{mask().identity('a/b')}"
    assert mask().identity("") == ""


def test_lines_are_masked_by_their_fields() -> None:
    """In the log and in those bound from it, before and after a reload; what is about nobody stays."""
    written: list[str] = []
    log = Log(written.append, lambda: 0.0)
    bound = log.bind(room="call-_+442079460000", project="eu12345678")
    log.mask.use(KEY)
    bound.info("asked", assignment="callers/sip_1", agent="12345678", path="/v1/rooms/4420794600001", number=12345678)
    log.mask.use(None)
    bound.info("asked", assignment="callers/sip_1")

    masked, shown = [json.loads(line) for line in written]
    assert masked["assignment"] == f"callers/{mask().identity('sip_1')}"
    assert masked["room"] == f"call-_{mask().identity('442079460000')}"
    assert masked["path"] == f"/v1/rooms/{mask().identity('4420794600001')}"
    assert (masked["project"], masked["agent"], masked["number"]) == ("eu12345678", "12345678", 12345678)
    assert (shown["assignment"], shown["room"]) == ("callers/sip_1", "call-_+442079460000")
