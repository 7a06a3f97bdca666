"""What the documents take from the code is what the code says now."""

import argparse
from pathlib import Path

import pytest

from dispatcher.cli.main import NAMES
from dispatcher.core.session import State
from release.reference import __main__ as command
from release.reference.commands import _arguments
from release.reference.diagrams import MEANING, rooms, states
from release.reference.llms import llms
from release.reference.made import made
from release.reference.types import reached, type_of
from tests.gates.tree import ROOT

LADDER = """
class A:
    @property
    def state(self):
        if self.serving and self.x == 'a<b':
            return State.SERVED
        return State.WAITING if self.needs else State.IDLE
"""


def test_what_is_made_of_the_code_is_made_of_this_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `python -m release.reference --write`; whatever is set where it runs changes nothing."""
    monkeypatch.setenv("DISPATCHER_PORT", "9999")
    made_now = made()

    assert [path for path, text in made_now.items() if (ROOT / path).read_text() != text] == []
    assert all(f"## `dispatcher {name}`\n" in made_now["docs/cli.md"] for name in NAMES)


def test_it_says_what_is_stale_and_writes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 with the names; then 0."""
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "made", lambda: {"docs/a.md": "new\n"})

    assert command.main() == 1
    assert "docs/a.md" in capsys.readouterr().err
    assert (command.main("--write"), command.main()) == (0, 0)
    assert (tmp_path / "docs/a.md").read_text() == "new\n"


def test_every_state_is_drawn_with_its_meaning() -> None:
    """In the order in which the code asks, with what the code asks."""
    drawn = states(LADDER)

    assert set(MEANING) == {state.name for state in State}
    assert [drawn.index(one) for one in ("serving and x == &#x27;a&lt;b&#x27;", "needs", "none of these")] == sorted(
        drawn.index(one) for one in ("serving and x == &#x27;a&lt;b&#x27;", "needs", "none of these")
    )
    assert all(f">{state}<" in drawn for state in ("served", "waiting", "idle"))


def test_a_state_that_is_asked_for_otherwise_is_not_passed_over() -> None:
    """Whoever writes it in another form is told to draw it."""
    with pytest.raises(ValueError, match="has grown: draw line 5"):
        states(LADDER.replace("        if self", "        for one in self.all:\n            pass\n        if self"))


def test_rooms_are_drawn_in_their_layers() -> None:
    """Side by side where they do not know each other; a layer without a room leaves no gap."""
    project = '[tool.importlinter]\n[[tool.importlinter.contracts]]\nlayers = ["(__main__)", "(app) | (b)", "(c)"]\n'
    drawn = rooms(project, "| **b** | does `b` |\n| **c** | holds c |\n")

    assert drawn.count("<rect") == 4
    assert all(f">{text}<" in drawn for text in ("app", "the composition root", "b", "does b", "c", "holds c"))


def test_arguments_are_written_as_they_are_typed() -> None:
    """With their values, their choices, or none; what a table could not hold is escaped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("room", help="a room")
    parser.add_argument("--log", choices=["a", "b"], help="50%% | more")
    parser.add_argument("-n", "--dry", action="store_true")
    parser.add_argument("--for", metavar="SPAN", help="how\n long")

    assert list(_arguments(parser)) == [
        "\n| argument | |\n|---|---|\n",
        "| `ROOM` | a room |\n",
        "| `--log a\\|b` | 50% \\| more |\n",
        "| `-n`, `--dry` |  |\n",
        "| `--for SPAN` | how long |\n",
    ]
    assert list(_arguments(argparse.ArgumentParser())) == []


def test_types_are_said_in_words() -> None:
    """Each form that the document has, with links to its types; and all types that a route leads to."""
    schemas = {"A": {"properties": {"b": {"$ref": "#/components/schemas/B"}}}, "B": {"type": "string"}, "C": {}}

    assert type_of({"anyOf": [{"$ref": "#/components/schemas/ListedRoom"}, {"type": "null"}]}) == (
        "[ListedRoom](#listedroom) or null"
    )
    assert type_of({"enum": ["a", "b"]}) == "`a`, `b`"
    assert type_of({"const": "true"}) == "`true`"
    assert type_of({"type": "array", "items": {"type": "integer"}}) == "list of whole number"
    assert type_of({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "items": False}) == (
        "list of text, number"
    )
    assert type_of({"type": "object", "additionalProperties": {"type": "boolean"}}) == "map to true or false"
    assert type_of({}) == "anything"
    assert reached([{"schema": {"$ref": "#/components/schemas/A"}}], schemas) == {"A", "B"}


def test_a_list_of_pages_is_made_of_the_start_page() -> None:
    """Title, slogan, what it is, and the pages by their sections."""
    index = "# t\n\n**s**\n\na\nb\n\nmore\n\n## All pages\n\n### One\n\n- [p](p.md): q.\n\nAlso: [x](y).\n"

    assert llms(index) == "# t\n\n> s\n\na b\n\n## One\n\n- [p](p.md): q.\n"
