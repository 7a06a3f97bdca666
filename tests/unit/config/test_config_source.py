"""What must be watched to know that a configuration has changed."""

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
    assert [rule.name for rule in source.load().rules] == ["all"]
    file.write_text("rules: [{name: other, agent: x}]")
    assert [rule.name for rule in source.load().rules] == ["other"]
    file.write_text("rules: []")
    with pytest.raises(BadConfig):
        source.load()


def test_the_environments_files_are_those_it_reads() -> None:
    """All of them, and no others."""

    class Asked(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # asked with a default only
            names.add(key)
            return default

    names: set[str] = set()
    read_environment(Asked())

    assert {name for name in names if name.endswith("_FILE")} == set(SECRET_FILES)
