"""Functions of ours."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.expressions import functions
from dispatcher.expressions.phone import PHONE_MAX, phone
from dispatcher.expressions.shapes import text


@pytest.mark.parametrize("name", functions.OURS)
def test_a_function_of_ours_is_known_by_its_value_alone(name: str) -> None:
    """No other module names it, but for what a comparison with its result is sure to give."""
    files = Path(functions.__file__).parent.glob("*.py")

    assert {file.stem for file in files if f'"{name}"' in file.read_text()} <= {"functions", "doubts"}


@example("1" * PHONE_MAX)
@given(st.text("+0123456789 ()-;@sip:٣", max_size=2 * PHONE_MAX))
def test_what_phone_gives_is_no_longer_than_its_cost_says(written: str) -> None:
    """What it is compared with, or looked for in, is paid for by that."""
    made, _ = functions.OURS["phone"].cost(text(len(written.encode())))

    assert len(phone(written).encode()) <= made.long
