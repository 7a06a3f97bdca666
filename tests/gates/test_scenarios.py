"""The ids in the names of tests have their meaning in docs/scenarios.md, and each line there has a test."""

import re

from tests.gates.test_docs import defined_tests, text
from tests.gates.tree import ROOT


def ids_borne(tests: set[str]) -> set[str]:
    """Ids of scenarios in the names of tests, in capitals: a letter and a number between underscores."""
    return {one.upper() for test in tests for one in re.findall(r"(?<=_)[a-zA-Z]\d{1,2}(?=_|$)", test)}


def ids_explained(document: str) -> list[str]:
    """Ids that stand first in a row of a table, in their order."""
    return re.findall(r"^\| ([A-Z]\d{1,2}) \| [^|]+ \| [^|]+ \|$", document, re.MULTILINE)


def test_every_id_that_a_test_bears_is_explained_and_the_reverse() -> None:
    """Whoever reads `test_d3_…` finds out what D3 is; no scenario is without a test."""
    explained = ids_explained(text("docs/scenarios.md"))
    borne = ids_borne(defined_tests(path.read_text() for path in (ROOT / "tests").rglob("*.py")))

    assert set(explained) == borne
    assert len(explained) == len(set(explained))


def test_ids_are_read_wherever_they_stand_in_a_name() -> None:
    """Small or capital, one or several, behind a law's number; neither a version nor a law is one."""
    assert ids_borne({"test_d1_d4_a_drop", "test_law_2_W1_any_order", "test_law_8_caps", "test_2fa_v", "test_l1"}) == {
        "D1",
        "D4",
        "W1",
        "L1",
    }
    assert ids_explained("| id | a | b |\n|---|---|---|\n| D1 | a | b |\n| `D2` | a | b |\n| D10 | c | d |\n") == [
        "D1",
        "D10",
    ]
