"""The log: one line each, in two styles, and nothing in it that must not be."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from dispatcher.telemetry.logs import FRAMES_MAX, ITEMS_MAX, TEXT_MAX, Log, Style, bridge

NOON = 1_795_262_584.1239  # 2026-11-21T12:03:04.123Z
SECRET = "s3cr3t-value"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJkZXZrZXkifQ.c2lnbmF0dXJl"


class Colour(StrEnum):
    """An enum of strings."""

    RED = "red"


class Size(IntEnum):
    """An enum of numbers."""

    BIG = 3


class Opaque:
    """Something whose repr tells too much."""

    def __repr__(self) -> str:
        return SECRET


class Lines(list[str]):
    """What was written."""

    def log(self, style: Style = "json") -> Log:
        """A log that writes here, at a fixed instant."""
        return Log(self.append, lambda: NOON, style=style)

    def last(self) -> dict[str, Any]:
        """The last line, read."""
        assert self[-1].endswith("\n")
        read: dict[str, Any] = json.loads(self[-1])
        return read


@pytest.fixture
def lines() -> Lines:
    """Nothing written yet."""
    return Lines()


@pytest.fixture
def library(lines: Lines, request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """Another library's logger, bridged."""
    logger = logging.getLogger(getattr(request, "param", "some.library"))
    handler = bridge(lines.log())
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def shown(lines: Lines, **fields: object) -> dict[str, Any]:
    """What a line shows of these fields."""
    lines.log().info("said", **fields)
    return {name: value for name, value in lines.last().items() if name not in {"ts", "level", "action", "msg"}}


def test_a_line_says_when_how_grave_and_what(lines: Lines) -> None:
    """A line is one JSON object on one line: instant, level, action, the same as a sentence, then the fields."""
    lines.log().info("dispatched", room="lobby", agent="greeter")

    head = '{"ts": "2026-11-21T12:03:04.123Z", "level": "info", "action": "dispatched", "msg": "dispatched", '
    assert lines == [head + '"room": "lobby", "agent": "greeter"}\n']


def test_a_level_is_named(lines: Lines) -> None:
    """Each of the three levels is a method, and a word in the line."""
    log = lines.log()
    for write in (log.info, log.warning, log.error):
        write("said")

    assert [json.loads(line)["level"] for line in lines] == ["info", "warning", "error"]


def test_bound_fields_are_in_every_line(lines: Lines) -> None:
    """A bound log has its fields and those of the call, of which the latter win; the log it came from has none."""
    log = lines.log()
    log.bind(room="lobby", assignment="a").bind(assignment="b").info("said", assignment="c")
    assert lines.last().items() >= {"room": "lobby", "assignment": "c"}.items()

    log.info("said")
    assert "room" not in lines.last()


def test_no_field_takes_the_place_of_the_head(lines: Lines) -> None:
    """Fields named as the head's are lost, not the head."""
    lines.log().info("said", action="removed", level="none", ts=0, msg="nothing")

    assert lines.last() == {"ts": "2026-11-21T12:03:04.123Z", "level": "info", "action": "said", "msg": "said"}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("text", "text"),
        (3, 3),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, True),
        (None, None),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        ([1, Colour.RED, Opaque()], [1, "red", "Opaque"]),
        (("a",), ["a"]),
        ({"a"}, ["a"]),
        (frozenset({1}), [1]),
        ([b"body"], ["bytes"]),
        ({"any": SECRET}, "dict"),
        (Opaque(), "Opaque"),
        ("x" * TEXT_MAX, "x" * TEXT_MAX),
        ("x" * (TEXT_MAX + 1), "x" * (TEXT_MAX - 1) + "…"),
        ("x" * 10_000_000, "x" * (TEXT_MAX - 1) + "…"),
        ("://" * 200_000, ("://" * TEXT_MAX)[: TEXT_MAX - 1] + "…"),
        (list(range(100)), list(range(ITEMS_MAX))),
        ("line\nbreak \u2028 \x1b[31m \x00", "line\nbreak \u2028 \x1b[31m \x00"),
        ("lone \ud800 surrogate", "lone \ud800 surrogate"),
    ],
)
def test_a_value_is_shown_as_it_is_or_as_its_type(lines: Lines, value: object, read: object) -> None:
    """Plain values keep their type, long ones are cut, and of anything else only the type is known to be safe."""
    assert shown(lines, field=value) == {"field": read}
    assert lines[-1].count("\n") == 1
    assert lines[-1].isascii()


@pytest.mark.parametrize(
    "name",
    [
        *("secret", "api_secret", "apiSecret", "API_SECRET", "token", "access_token", "metadata", "roomMetadata"),
        *("authorization", "Authorization", "body", "turnPassword", "turn_password", "attributes", "jwt", "cookie"),
        "metadata_bytes",
    ],
)
def test_a_sensitive_field_is_shown_as_its_size(lines: Lines, name: str) -> None:
    """By the words in its name, in any case and any style; a text is not let through by calling itself a size."""
    assert shown(lines, **{name: SECRET}) == {f"{name}_bytes": len(SECRET)}


@pytest.mark.parametrize(
    ("value", "size"), [("é", 2), (b"\xff\xfe", 2), (None, 0), ({"k": "v"}, 10), (12345, 5), ("\ud800", 1)]
)
def test_the_size_is_in_bytes(lines: Lines, value: object, size: int) -> None:
    """Whatever the value's type."""
    assert shown(lines, secret=value) == {"secret_bytes": size}


def test_a_size_may_be_told(lines: Lines) -> None:
    """A number named so is no secret, and words that only resemble a sensitive one are none either."""
    fields = {"metadata_bytes": 12, "somebody": "alice", "tokenizer": "x", "key": "devkey"}

    assert shown(lines, **fields) == fields


def test_bytes_are_never_shown(lines: Lines) -> None:
    """Whatever the field is called."""
    assert shown(lines, record=b"\x00\x01") == {"record_bytes": 2}


@pytest.mark.parametrize(
    ("text", "shows"),
    [
        (f"Bearer {JWT}", "Bearer ***"),
        (f"wss://host/rtc?access_token={JWT}&x=1", "wss://host/rtc?access_token=***&x=1"),
        ("redis://user:pa@ss@host:6379/0", "redis://***host:6379/0"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("x" * 240 + JWT, "x" * 240 + "***"),
        (["wss://u:p@h"], ["wss://***h"]),
    ],
)
def test_what_looks_like_a_secret_is_starred_out(lines: Lines, text: object, shows: object) -> None:
    """Tokens, and users and passwords of URLs, wherever they stand."""
    assert shown(lines, field=text) == {"field": shows}


def fail_with(error: Exception) -> Exception:
    """The exception as it is caught, with a traceback."""
    error.__cause__ = KeyError(SECRET)
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_exception_is_shown_as_types_and_places(lines: Lines) -> None:
    """Its type, the types behind it, and where it came through; its text may quote what it failed on (law 11)."""
    found = shown(lines, error=fail_with(ValueError(SECRET)))

    assert found["error"] == "ValueError < KeyError"
    assert len(found["error_at"]) == 1
    assert found["error_at"][0].startswith("telemetry/test_logs.py:")
    assert found["error_at"][0].endswith(" fail_with")
    assert SECRET not in lines[-1]


def test_a_hidden_cause_stays_hidden(lines: Lines) -> None:
    """`raise … from None` says that the cause is of no interest."""
    error = fail_with(ValueError())
    error.__cause__ = None

    assert shown(lines, error=error)["error"] == "ValueError"


def test_a_context_is_shown_like_a_cause(lines: Lines) -> None:
    """An exception raised while another was being dealt with names that one."""
    error = ValueError()
    error.__context__ = KeyError()

    assert shown(lines, error=error) == {"error": "ValueError < KeyError", "error_at": []}


def test_a_deep_traceback_is_cut_to_its_inner_end(lines: Lines) -> None:
    """The innermost frames say where it happened."""

    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError
        dive(depth - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 it has no text
        dive(50)
    frames = shown(lines, error=caught.value)["error_at"]

    assert len(frames) == FRAMES_MAX
    assert all(frame.endswith(" dive") for frame in frames)


@pytest.fixture
def in_oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's clock shows the time of Oslo."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_oslo")
def test_a_person_reads_local_time_and_plain_words(lines: Lines) -> None:
    """The text style is for a terminal: short, and quoted only where it must be."""
    log = lines.log("text")
    log.info("dispatched", room="lobby", agent="greeter", number=2, name="Ødegård")
    log.info("dispatched", room="a b", agent="", why='x="1"', path="a\\b", odd="\x1b[31m", many=[1, "a"])
    log.warning("assignment.starved", assignment="all")
    log.info("agent.joined", agent="sales\n", number=1)

    assert lines == [
        "13:03:04.123 dispatched           room=lobby agent=greeter number=2 name=Ødegård\n",
        "13:03:04.123 dispatched           "
        r'room="a b" agent="" why="x=\"1\"" path="a\\b" odd="\u001b[31m" many=[1, "a"]' + "\n",
        "13:03:04.123 WARNING assignment.starved every target of all has been tried; goes on slowly assignment=all\n",
        "13:03:04.123 agent.joined         " + r'"sales\n is in the room (attempt 1)" agent="sales\n" number=1' + "\n",
    ]


def test_the_text_style_hides_the_same(lines: Lines) -> None:
    """Redaction does not depend on the style, and `bind` keeps the style."""
    lines.log("text").bind(token=SECRET).info("said", metadata=SECRET)

    assert lines[-1].endswith("said                 token_bytes=12 metadata_bytes=12\n")


def test_a_librarys_arguments_stay_out(lines: Lines, library: logging.Logger) -> None:
    """A record's template is shown, what was to be put into it is not."""
    library.warning("Could not connect with %s", SECRET)

    line = lines.last()
    assert line["template"] == "Could not connect with %s"
    assert line["at"].startswith("telemetry/test_logs.py:")
    assert line["at"].endswith(" test_a_librarys_arguments_stay_out")
    assert line.items() >= {"level": "warning", "action": "library.warned", "logger": "some.library"}.items()
    assert SECRET not in lines[-1]


def test_a_librarys_finished_text_stays_out(lines: Lines, library: logging.Logger) -> None:
    """Text without arguments may have them in it already: only its place is shown."""
    library.error(f"bad token {SECRET}")

    assert lines.last()["level"] == "error"
    assert "template" not in lines.last()
    assert SECRET not in lines[-1]


def test_a_librarys_exception_is_shown_as_any(lines: Lines, library: logging.Logger) -> None:
    """Type and places."""
    library.error("Unhandled exception", exc_info=fail_with(ValueError(SECRET)))

    assert lines.last()["error"] == "ValueError < KeyError"
    assert lines.last()["error_at"][0].endswith(" fail_with")
    assert SECRET not in lines[-1]


def test_an_empty_exception_info_is_no_exception(lines: Lines, library: logging.Logger) -> None:
    """`logger.exception` outside an `except` block has nothing to show."""
    library.error("odd", exc_info=(None, None, None))

    assert "error" not in lines.last()


def test_what_a_library_only_mentions_is_dropped(lines: Lines, library: logging.Logger) -> None:
    """Below a warning nothing passes."""
    library.setLevel(logging.DEBUG)
    library.info("hello")

    assert not lines


@pytest.mark.parametrize("library", ["asyncio"], indirect=True)
@pytest.mark.usefixtures("library")
async def test_an_exception_nobody_awaited_is_a_line(lines: Lines) -> None:
    """The loop reports it with the failed object's repr, which quotes the exception; the line has the fixed part."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    failed.set_exception(fail_with(ValueError(SECRET)))
    context = {"message": "Task exception was never retrieved", "exception": failed.exception(), "future": failed}
    loop.default_exception_handler(context)

    line = lines.last()
    assert line["template"] == "Task exception was never retrieved"
    assert line["error"] == "ValueError < KeyError"
    assert SECRET not in lines[-1]


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_what_strangers_cause_is_told_a_few_times_and_then_once_a_minute(lines: Lines) -> None:
    """Of each reason, by any log bound from the same one, with how many were left out; other lines are not limited."""
    clock = Clock()
    log = Log(lines.append, clock)
    for _ in range(20):
        log.bind(project="default").warning("webhook.rejected", reason="no_token")
        log.warning("webhook.rejected", reason="expired")
        log.info("dispatch.requested")
    clock.now += 60
    log.warning("webhook.rejected", reason="no_token")

    read = [json.loads(line) for line in lines]
    assert [line["action"] for line in read].count("dispatch.requested") == 20
    assert [line["reason"] for line in read if line["action"] == "webhook.rejected"] == [
        *["no_token", "expired"],
        "no_token",
    ]
    assert [line["times"] for line in read if "times" in line] == [20]


def test_a_librarys_lines_are_limited_by_their_place(lines: Lines, library: logging.Logger) -> None:
    """An accept that fails without end does not silence what else the library has to say."""
    for number in range(1_000):
        library.error("accept failed %d", number)
    library.error("something else")

    read = [json.loads(line) for line in lines]
    assert [line.get("template") for line in read] == [*["accept failed %d"] * 5, None]


def test_lines_below_the_least_level_are_not_written() -> None:
    """Neither by the log nor by what is bound from it."""
    lines: list[str] = []
    log = Log(lines.append, lambda: 0.0)
    log.least = "warning"

    for one in (log, log.bind(room="lobby")):
        one.info("service.started")
        one.warning("agent.unnamed")
        one.error("ledger.failed")

    assert [json.loads(line)["level"] for line in lines] == ["warning", "error"] * 2
