"""Functions of ours."""

from pathlib import Path

import pytest

from dispatcher.expressions import functions


@pytest.mark.parametrize("name", functions.OURS)
def test_a_function_of_ours_is_known_by_its_value_alone(name: str) -> None:
    """No other module names it, but for what a comparison with its result is sure to give."""
    files = Path(functions.__file__).parent.glob("*.py")

    assert {file.stem for file in files if f'"{name}"' in file.read_text()} <= {"functions", "doubts"}
