"""What must be watched to know that a configuration has changed."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from dispatcher.config import BadConfig, Source
from dispatcher.config.environment import SECRET_FILES, read_environment
from tests.unit.config.files import CONNECTION, RULE, written


def test_every_file_that_is_read_is_watched(tmp_path: Path) -> None:
    """The configuration's, the secrets' wherever they are referred to, the environment's."""
    keys = "keys: {a: file:one, b: file:/two, c: three}"
    file = written(tmp_path, f"{RULE}projects: [{{url: wss://eu, {keys}}}]\n")
    source = Source(file, {"REDIS_URL_FILE": " /run/redis ", "LIVEKIT_KEYS_FILE": "", "OTHER_FILE": "/x"})

    assert source.files() == {file, tmp_path / "one", Path("/two"), Path("/run/redis")}


@pytest.mark.parametrize("text", ["rules: [", "", "rules: [{name: a, agent: x}]"])
def test_a_file_that_is_wrong_or_gone_is_watched(tmp_path: Path, text: str) -> None:
    """It may be mended."""
    file = written(tmp_path, text)
    assert Source(file, {}).files() == {file}
    file.unlink()
    assert Source(file, {}).files() == {file}


def test_without_a_file_the_secrets_are_watched() -> None:
    """The environment itself cannot change."""
    assert Source(None, {"DISPATCHER_API_TOKEN_FILE": "token"}).files() == {Path("token")}


def test_it_is_read_as_it_is_now(tmp_path: Path) -> None:
    """Each time anew; what is wrong with it is told."""
    file = written(tmp_path, RULE)
    source = Source(file, CONNECTION)
    assert [rule.name for rule in source.read().rules] == ["all"]
    file.write_text("rules: [{name: other, agent: x}]")
    assert [rule.name for rule in source.read().rules] == ["other"]
    file.write_text("rules: []")
    with pytest.raises(BadConfig):
        source.read()


def test_the_file_once_found_stays_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it gone, the environment alone could be a whole configuration, and another one."""
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, "instance: blue\n").rename(tmp_path / "dispatcher.yaml")
    source = Source(None, CONNECTION | {"DISPATCHER_AGENT": "greeter"})
    assert source.read().instance == "blue"
    file.unlink()
    with pytest.raises(BadConfig, match="cannot be read"):
        source.read()


def in_place(file: Path) -> None:
    """Written over."""
    file.write_text(file.read_text() + "# longer\n")


def touched(file: Path) -> None:
    """Written anew, of the same length."""
    seen = file.stat()
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))


def renamed(file: Path) -> None:
    """Another file takes its place, with the same time and length."""
    seen, other = file.stat(), file.with_name("other")
    other.write_text(file.read_text())
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.rename(file)


def swapped(file: Path) -> None:
    """The folder behind its symlink is another one, as a ConfigMap does it."""
    folder = file.parent
    new = folder.with_name("..2026_2")
    new.mkdir()
    (new / file.name).write_text(RULE)
    link = folder.with_name("..data_tmp")
    link.symlink_to(new.name)
    link.rename(folder)


def gone(file: Path) -> None:
    """There is none."""
    file.unlink()


@pytest.mark.parametrize("change", [in_place, touched, renamed, swapped, gone])
@pytest.mark.parametrize("name", ["bad.yaml", "secret"])
def test_a_change_of_any_kind_is_seen_once_it_stands_still(
    tmp_path: Path, change: Callable[[Path], None], name: str
) -> None:
    """Of the file, or of a secret's: at the second asking, until it is read."""
    (tmp_path / "..2026_1").mkdir()
    folder = tmp_path / "..data"
    folder.symlink_to("..2026_1")
    source = Source(written(folder, f"{RULE}projects: [{{url: ws://a, keys: {{a: file:secret}}}}]\n"), {})
    (folder / "secret").write_text("one\n")
    source.read()
    assert [source.changed(), source.changed()] == [False, False]
    change(folder / name)
    assert [source.changed(), source.changed(), source.changed()] == [False, True, True]
    with suppress(BadConfig):
        source.read()
    assert [source.changed(), source.changed()] == [False, False]


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """Each time it is asked it has grown; then it stands still."""
    file = written(tmp_path, RULE)
    source = Source(file, CONNECTION)
    source.read()
    for _ in range(3):
        in_place(file)
        assert not source.changed()
    assert source.changed()


def test_a_secret_that_a_bad_file_asks_for_is_waited_for(tmp_path: Path) -> None:
    """The file is right once the secret is there: nobody has to touch it again."""
    file = written(tmp_path, f"{RULE}projects: [{{url: ws://a, keys: {{a: file:secret}}}}]\n")
    source = Source(file, {})
    with pytest.raises(BadConfig, match="secret"):
        source.read()
    (tmp_path / "secret").write_text("one")
    assert [source.changed(), source.changed()] == [False, True]
    assert source.read().projects[0].keys["a"].get_secret_value() == "one"


@pytest.mark.parametrize("rules", ["", "projects: [{name: eu, url: ws://a, keys: {a: secret}}]\n"])
def test_who_dispatches_agents_needs_rules_where_a_launcher_does_not(tmp_path: Path, rules: str) -> None:
    """A file of launchers alone is right for `dispatcher launcher`, and has nothing to serve by."""
    file = written(tmp_path, f"{rules}launchers: {{avatar: {{command: [python, avatar.py], limit: 8}}}}\n")
    environ = {} if rules else CONNECTION
    with pytest.raises(BadConfig) as caught:
        Source(file, environ, ruled=True).read()

    assert str(caught.value).startswith(f"{file}:1:1: rules: missing; write a rule")
    assert [one.name for one in Source(file, environ).read().launchers] == ["avatar"]
    file.write_text(RULE + file.read_text())
    assert len(Source(file, environ, ruled=True).read().rules) == 1


def test_the_environments_files_are_those_it_reads() -> None:
    """All of them, and no others."""

    class Asked(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # asked with a default only
            names.add(key)
            return default

    names: set[str] = set()
    read_environment(Asked())

    assert {name for name in names if name.endswith("_FILE")} == set(SECRET_FILES)
