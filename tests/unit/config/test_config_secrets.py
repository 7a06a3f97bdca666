"""Law 11 for the configuration: secrets never show; and where they may stand."""

import json
import traceback
from pathlib import Path

import pytest

from dispatcher.config import BadConfig, Config, load
from tests.unit.config.files import CONNECTION, RULE, loaded, told, written

HUSH = "hush-0123456789"


def secret(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """A project's secret, written so."""
    config = loaded(folder, f"{RULE}projects: [{{url: 'ws://a', keys: {{APIa: {text}}}}}]", environ or {})
    return config.projects[0].keys["APIa"].get_secret_value()


@pytest.mark.parametrize("text", ["0123", "1e5", "yes", "'null'", "2020-01-01", "a#b", "$x", "pa$$word"])
def test_a_secret_may_stand_in_the_file(tmp_path: Path, text: str) -> None:
    """It is text, whatever it looks like."""
    assert secret(tmp_path, text) == text.strip("'")


def test_a_secret_may_come_from_the_environment(tmp_path: Path) -> None:
    """As `${VARIABLE}`, and not read again."""
    assert secret(tmp_path, "'${EU}'", {"EU": "file:x"}) == "file:x"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """By its full path, or from the folder of the configuration."""
    (tmp_path / "key").write_text("hush\n")

    assert secret(tmp_path, f"file:{tmp_path}/key") == "hush"
    assert secret(tmp_path, "file:key") == "hush"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'${NOPE}'", "${NOPE} is not set in the environment"),
        ("'${EMPTY}'", "${EMPTY} is not set in the environment"),
        ("'a${EU}'", "write ${VARIABLE} alone, with nothing around it"),
        ("'${LINES}'", "has line ends inside; a secret is one line"),
        ("''", "has no value"),
        ("", "has no value"),
        ("[hush]", "write one value, not a list or fields"),
        ("file:none", "cannot read {folder}/none: No such file or directory"),
        ("file:folder", "cannot read {folder}/folder: Is a directory"),
        ("file:blank", "{folder}/blank is empty"),
        ("file:latin", "{folder}/latin is not UTF-8"),
        ("file:lines", "has line ends inside; a secret is one line"),
        ("file:huge", "{folder}/huge is over 64 KiB"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told(tmp_path: Path, text: str, said: str) -> None:
    """The place, the reason and the path; never the content."""
    (tmp_path / "folder").mkdir()
    for name, content in (
        ("blank", b"\n"),
        ("latin", b"hush\xe9"),
        ("lines", b"hush\nhush\n"),
        ("huge", b"h" * 65_537),
    ):
        (tmp_path / name).write_bytes(content)
    file = f"{RULE}projects:\n- url: ws://a\n  keys:\n    APIa: {text}\n"
    line = "bad.yaml:5:{}: projects[0].keys.APIa: {}".format(11 if text else 10, said.replace("{folder}/", ""))

    assert told(tmp_path, file, {"EMPTY": "", "EU": "hush", "LINES": "hush\nhush"}) == [line]


def test_no_secret_shows_in_a_configuration(tmp_path: Path) -> None:
    """Neither its repr nor its text, nor that of any part."""
    text = f"{RULE}projects:\n- {{name: eu, url: 'ws://a', keys: {{APIa: {HUSH}}}}}\n"
    variables = {
        "LIVEKIT_API_SECRET": f"{HUSH}1",
        "LIVEKIT_KEYS": f"APIb: {HUSH}2",
        "REDIS_URL": f"redis://:{HUSH}@a",
        "DISPATCHER_API_TOKEN": HUSH,
    }
    of_file = loaded(tmp_path, text, {})
    config = loaded(tmp_path, text, CONNECTION | variables)
    keys = [*of_file.projects[0].keys.values(), *config.projects[0].keys.values()]

    assert [key.get_secret_value() for key in keys] == [HUSH, f"{HUSH}1", f"{HUSH}2"]
    for shown in (of_file, config, *config.projects, *keys, config.ledger, config.api_token):
        assert HUSH not in f"{shown!r} {shown}"


@pytest.mark.parametrize(
    "text",
    [
        f"{RULE}projects: [{{url: 'ws://u:{HUSH}@a', keys: {{APIa: {HUSH}, APIb: [{HUSH}]}}}}]\nx: {HUSH}\n",
        f"{RULE}projects: [{{url: {HUSH}, name: {HUSH}!, keys: {HUSH}}}]\ncreate_rate: {HUSH}\n",
        f"rules: [{{name: A{HUSH}, agent: [{HUSH}], trigger: {HUSH}, attempts: {HUSH}, when: {HUSH}}}]\n",
        f"rules: [{{name: A{HUSH}, agent: [{HUSH}], kinds: [{HUSH}]}}]\n",
        f"projects: [{{keys: {{APIa: {HUSH}: {HUSH}}}}}]\n",
        f"projects: [{{keys: {{APIa: *{HUSH}}}}}]\n",
        f"projects: [{{keys: {{APIa: !{HUSH}}}}}]\n",
        f"projects: [{{keys: {{APIa: !{HUSH}!x}}}}]\n",
        f"projects: [{{keys: {{APIa: &{HUSH} x, APIb: &{HUSH} x}}}}]\n",
        f"projects: [{{keys: {{APIa: '{HUSH}",
        f'projects: [{{keys: {{APIa: "\\q{HUSH}"}}}}]\n',
        f"projects: [{{keys: {{APIa: {HUSH}\x07}}}}]\n",
        HUSH,
    ],
)
def test_no_secret_shows_in_a_report(tmp_path: Path, text: str) -> None:
    """Not in the text, not in the problems, not in the traceback that somebody logs; nor do the variables' values."""
    variables = (
        "LIVEKIT_URL LIVEKIT_KEYS REDIS_URL DISPATCHER_PORT DISPATCHER_API_TOKEN LIVEKIT_API_KEY LIVEKIT_API_SECRET"
    )
    with pytest.raises(BadConfig) as caught:
        load(written(tmp_path, text), dict.fromkeys(variables.split(), f"{HUSH}\n{HUSH}"))

    trace = "".join(traceback.format_exception(caught.value))
    assert HUSH not in f"{caught.value} {caught.value!r} {caught.value.problems!r} {trace}"


SOURCES = ("variable", "file", "reference", "place", "named file", "pairs")


def secret_from(tmp_path: Path, source: str, text: str) -> Config:
    """A configuration whose one secret comes from there."""
    (tmp_path / "secret").write_text(text)
    written_there = {"reference": "${EU}", "place": json.dumps(text), "named file": "file:secret"}
    if source in written_there:
        file = f"{RULE}projects:\n- url: ws://a\n  keys:\n    APIa: {written_there[source]}\n"
        return loaded(tmp_path, file, {"EU": text})
    variables = {
        "variable": {"LIVEKIT_API_KEY": "APIa", "LIVEKIT_API_SECRET": text},
        "file": {"LIVEKIT_API_KEY": "APIa", "LIVEKIT_API_SECRET_FILE": str(tmp_path / "secret")},
        "pairs": {"LIVEKIT_KEYS": f"APIa: {json.dumps(text)}"},
    }
    return loaded(tmp_path, RULE, {"LIVEKIT_URL": "ws://a", **variables[source]})


@pytest.mark.parametrize("source", SOURCES)
def test_the_space_around_a_secret_is_no_part_of_it(tmp_path: Path, source: str) -> None:
    """From every source alike: `echo` adds a line end, and editors do."""
    (key,) = secret_from(tmp_path, source, f" {HUSH}\n").projects[0].keys.values()
    assert key.get_secret_value() == HUSH


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("text", "said"),
    [(f'"{HUSH}"', "is in quotes"), (f"'{HUSH}'\n", "is in quotes"), (f"{HUSH}\n{HUSH}", "has line ends inside")],
)
def test_a_secret_in_quotes_or_of_several_lines_is_a_mistake(tmp_path: Path, source: str, text: str, said: str) -> None:
    """From every source alike: LiveKit would refuse each call, and nobody would see why."""
    with pytest.raises(BadConfig, match=said) as caught:
        secret_from(tmp_path, source, text)
    assert HUSH not in str(caught.value)


def test_short_secrets_are_known_by_their_keys(tmp_path: Path) -> None:
    """Under 32 bytes, which is what HS256 wants."""
    text = f"{RULE}projects:\n- url: ws://a\n  keys: {{APIa: {'x' * 31}, APIb: {'x' * 32}}}\n"
    assert loaded(tmp_path, text, {}).projects[0].weak_keys == ("APIa",)
