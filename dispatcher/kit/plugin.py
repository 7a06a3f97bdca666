"""What pytest finds by the entry point `pytest11`: the fixtures.

It is imported in every run of pytest where the package is installed, also in those that use none of it. So it imports
the rest only for those that do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatcher.kit.livekit import TestLiveKit
    from dispatcher.kit.service import TestDispatcher


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings of pytest's own configuration file."""
    parser.addini("dispatcher_config", "the dispatcher's configuration file", default="dispatcher.yaml")
    parser.addini("dispatcher_speed", "how much faster than in production all spans are", default="20")


@pytest.fixture
def livekit(pytestconfig: pytest.Config) -> Iterator[TestLiveKit]:
    """A fake LiveKit of the test's own, on loopback, without workers."""
    from dispatcher.kit.livekit import started  # noqa: PLC0415 see above

    with started(speed=float(pytestconfig.getini("dispatcher_speed"))) as fake:
        yield fake


@pytest.fixture
def dispatcher_config(pytestconfig: pytest.Config) -> Path | str:
    """The configuration that `dispatcher` runs by: a file, or YAML as text. Override it where a test needs another."""
    return pytestconfig.rootpath / str(pytestconfig.getini("dispatcher_config"))


@pytest.fixture
def dispatcher(
    livekit: TestLiveKit, dispatcher_config: Path | str, tmp_path: Path, pytestconfig: pytest.Config
) -> Iterator[TestDispatcher]:
    """The service, running by `dispatcher_config`; its log is in the test's output."""
    from dispatcher.kit.service import served  # noqa: PLC0415 see above

    if isinstance(dispatcher_config, str):
        file = tmp_path / "dispatcher.yaml"
        file.write_text(dispatcher_config)
    else:
        file = dispatcher_config
    with served(livekit, file, speed=float(pytestconfig.getini("dispatcher_speed"))) as running:
        yield running
