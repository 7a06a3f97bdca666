"""Configurations in a line: a file, an environment, what loading them says."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from dispatcher.config import BadConfig, Config, load

CONNECTION = {"LIVEKIT_URL": "wss://livekit.example", "LIVEKIT_API_KEY": "APIenv", "LIVEKIT_API_SECRET": "hush-env"}
RULE = "rules: [{name: all, agent: greeter}]\n"


def written(folder: Path, text: str) -> Path:
    """The text in a file named bad.yaml."""
    file = folder / "bad.yaml"
    file.write_text(dedent(text))
    return file


def loaded(folder: Path, text: str, environ: Mapping[str, str] = CONNECTION) -> Config:
    """What a file gives."""
    return load(written(folder, text), environ)


def complaints(path: Path | None, environ: Mapping[str, str] = CONNECTION) -> list[str]:
    """What loading says is wrong, a line each, without the file's folder."""
    with pytest.raises(BadConfig) as caught:
        load(path, environ)
    return [line.replace(f"{path.parent}/" if path else "", "") for line in str(caught.value).splitlines()]


def told(folder: Path, text: str, environ: Mapping[str, str] = CONNECTION) -> list[str]:
    """What a file's text is told."""
    return complaints(written(folder, text), environ)
