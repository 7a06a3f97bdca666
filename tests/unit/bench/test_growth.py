"""How the benchmark of growth sets up what it measures, and how it tells of it."""

from pathlib import Path

from livekit.protocol import room as room_service

from bench.field.load import KEY
from bench.growth.__main__ import kept
from bench.growth.many_rooms import listed
from bench.growth.outside import configured
from bench.results import Results, Table
from bench.rooms import session_of
from dispatcher.config import load


def test_a_table_is_printed_in_columns() -> None:
    """Each as wide as its widest cell."""
    table = Table("Sessions", "live ones", ["sessions", "MB"], [["1,000", "80"], ["100,000", "1,442"]])
    assert str(table).splitlines() == [
        "Sessions: live ones",
        "sessions     MB",
        "   1,000     80",
        " 100,000  1,442",
    ]


def test_a_dimension_that_is_measured_again_leaves_the_others() -> None:
    """And stays in its place."""
    results = Results()
    for said in ("first", "second"):
        kept([Table("Rules", said, [], []), *([Table("Audience", said, [], [])] if said == "first" else [])], results)
    assert results.growth is not None
    assert [(one.title, one.said) for one in results.growth.tables] == [("Rules", "second"), ("Audience", "first")]


def test_each_project_has_a_livekit_and_a_key_of_its_own(tmp_path: Path) -> None:
    """The first has the key that the load signs with; all have the one rule, and none is paced."""
    environment = configured(tmp_path, ["http://127.0.0.1:1", "http://127.0.0.1:2"], "")
    config = load(Path(environment["DISPATCHER_CONFIG"]), environment)

    assert [list(project.keys) for project in config.projects] == [[KEY], [f"{KEY}-1"]]
    assert [rule.name for rule in config.rules] == ["everyone"]
    assert config.create_rate is None


def test_one_project_is_that_of_the_environment(tmp_path: Path) -> None:
    """With the load's key."""
    environment = configured(tmp_path, ["http://127.0.0.1:1"], "redis://127.0.0.1:3")
    config = load(Path(environment["DISPATCHER_CONFIG"]), environment)

    assert [(project.name, list(project.keys)) for project in config.projects] == [("default", [KEY])]
    assert config.ledger is not None


def test_the_rooms_that_are_listed_are_those_of_the_sessions() -> None:
    """By name and SID: else a sweep would take them for others'."""
    names = [f"room-{number}" for number in (0, 7, 99_999)]
    rooms = room_service.ListRoomsResponse.FromString(listed(*names)).rooms
    sessions = [session_of(number, 0) for number in (0, 7, 99_999)]
    assert [(room.name, room.sid) for room in rooms] == [(one.room, one.sid) for one in sessions]
