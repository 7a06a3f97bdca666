"""Whether anything is traced."""

import subprocess
import sys

import pytest

from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tracing import in_force


def test_without_a_provider_nothing_is_traced() -> None:
    """As in the tests, where nobody has configured any."""
    assert in_force(Mask()) is None


def test_without_opentelemetry_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: its absence is no error."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "dispatcher.telemetry.tracing.spans", raising=False)
    assert in_force(Mask()) is None


def test_the_service_starts_without_opentelemetry() -> None:
    """Nothing that it imports at its start needs the extra."""
    code = "import sys; sys.modules['opentelemetry'] = None; import dispatcher.cli.main"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
