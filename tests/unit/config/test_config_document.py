"""Files that are no configuration, and what YAML makes of the others."""

import os
from pathlib import Path

import pytest

from dispatcher.config.document import SIZE_MAX, read_document, read_text
from tests.unit.config.files import RULE, complaints, loaded, told

HINT = "put quotes round a value that begins with"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "bad.yaml: the file is empty"),
        ("# rules:\n", "bad.yaml: the file is empty"),
        ("- a", "bad.yaml:1:1: write fields, such as `rules:`"),
        ("rules", "bad.yaml:1:1: write fields, such as `rules:`"),
        ("a: 1\n---\nb: 2", "bad.yaml:2:1: not valid YAML: a second document begins here; write one"),
        (
            "a: b: c",
            "bad.yaml:1:5: not valid YAML: a second ': ' in one line; put quotes round a value that holds one",
        ),
        (
            "a:\n  - b\n c: d",
            "bad.yaml:3:2: not valid YAML: expected <block end>, but found '<block mapping start>'",
        ),
        ("a: hush\nb: @x", "bad.yaml:2:4: not valid YAML: found character '@' that cannot start any token"),
        ("a: *hush", f"bad.yaml:1:4: not valid YAML: no such anchor; {HINT} *"),
        ("a: !hush!hush b", f"bad.yaml:1:4: not valid YAML: no such tag; {HINT} !"),
        ("a: &hush 1\nb: &hush 2", f"bad.yaml:2:4: not valid YAML: this anchor is set twice; {HINT} &"),
        ("a: 1\nb: \x07", "bad.yaml:2:4: a control character cannot stand here"),
        ("\x07", "bad.yaml:1:1: a control character cannot stand here"),
        ('a: "\\ud800"', "bad.yaml:1:4: half a character cannot stand here"),
        ('a: "\\U00110000"', "bad.yaml: not valid YAML: a number that is too large"),
        ('a: "\\UFFFFFFFF"', "bad.yaml: not valid YAML: a number that is too large"),
        (f"%YAML 1.{'9' * 5_000}\n---\na: b", "bad.yaml: not valid YAML: a number that is too large"),
        ("[" * 100_000, "bad.yaml:1:33: nested deeper than 32"),
        ("a: &a [*a]", "bad.yaml:1:4: nested deeper than 32"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_where(tmp_path: Path, text: str, said: str) -> None:
    """One line with the place and never a piece of the file, which may be a secret."""
    assert told(tmp_path, text) == [said]


def test_a_few_lines_that_stand_for_billions_are_refused(tmp_path: Path) -> None:
    """Aliases count each time they are used."""
    lines = ["a: &a [x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefghijkl", "abcdefghijk", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]")

    assert told(tmp_path, "\n".join(lines)) == ["bad.yaml:1:8: more than 100000 values"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []\n", "bad.yaml:2:1: rules: written twice; first on line 1"),
        ("instance: !blue\n", f"bad.yaml:2:11: instance: tags mean nothing here; {HINT} !"),
        ("{{ .Values }}: 1\n", f"bad.yaml:2:1: a field's name must be one word; {HINT} {{"),
    ],
)
def test_what_yaml_allows_and_a_configuration_does_not_is_told(tmp_path: Path, text: str, said: str) -> None:
    """Fields written twice, tags and names that are no words are mistakes; the others are told too."""
    assert said in told(tmp_path, RULE + text + "colour: blue\n")
    assert "bad.yaml:3:1: colour: unknown field" in told(tmp_path, RULE + text + "colour: blue\n")


def test_a_name_that_is_no_plain_word_is_shown_in_quotes(tmp_path: Path) -> None:
    """A line break in a field's name breaks no line of the report."""
    assert told(tmp_path, RULE + '"a\\nb": 1\n') == ["bad.yaml:2:1: 'a\\nb': unknown field"]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that was named must be there."""
    assert complaints(tmp_path / "none.yaml") == ["none.yaml: cannot be read: No such file or directory"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in a file's place is told."""
    (tmp_path / "d.yaml").mkdir()

    assert complaints(tmp_path / "d.yaml") == ["d.yaml: cannot be read: Is a directory"]


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """Only UTF-8 is read, and what is not is not shown."""
    (tmp_path / "bad.yaml").write_bytes(b"a: \xe9")

    assert complaints(tmp_path / "bad.yaml") == ["bad.yaml: not UTF-8 at byte 3"]


def test_a_huge_file_is_told(tmp_path: Path) -> None:
    """A file over 1 MiB is not read; one of 1 MiB is."""
    (tmp_path / "bad.yaml").write_text(RULE + "#" * (SIZE_MAX - len(RULE)))
    assert read_document(tmp_path / "bad.yaml").problems == ()

    (tmp_path / "bad.yaml").write_text(RULE + "#" * (SIZE_MAX - len(RULE) + 1))
    assert complaints(tmp_path / "bad.yaml") == ["bad.yaml: over 1 MiB"]


def test_an_endless_file_is_not_read_to_its_end() -> None:
    """No more is read than may be there."""
    if Path(os.devnull).with_name("zero").exists():
        assert complaints(Path(os.devnull).with_name("zero")) == ["zero: over 1 MiB"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors put one first."""
    (tmp_path / "bad.yaml").write_bytes(b"\xef\xbb\xbf" + RULE.encode())

    assert read_document(tmp_path / "bad.yaml").problems == ()


def test_scalars_stay_as_they_were_written() -> None:
    """YAML's ideas of truth, numbers and dates do not reach names and secrets; only nothing is nothing."""
    tree = read_text("{trigger: off, a: 0123, b: 1e5, c: 2020-01-01, d: ~, e: '~', f: }", "x").tree

    assert tree == {"trigger": "off", "a": "0123", "b": "1e5", "c": "2020-01-01", "d": None, "e": "~", "f": None}


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    """Two rules may share a list."""
    text = "rules: [{name: a, agent: x, fallback: &f [y]}, {name: b, agent: x, trigger: room_started, fallback: *f}]"

    first, second = loaded(tmp_path, text).rules
    assert first.policy.targets == second.policy.targets
