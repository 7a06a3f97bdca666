"""docs/notices.md says what the code does: its types, its reasons, its examples."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config import Secret
from dispatcher.config.receivers import signing_key
from dispatcher.core.notices import SUBSCRIBABLE, effect_of
from dispatcher.notices.post import NotDelivered
from dispatcher.notices.signature import signed
from tests.unit.notices.tell import SECRET

DOCS = Path(__file__).resolve().parents[3] / "docs"
DOCUMENT = (DOCS / "notices.md").read_text()
BODY = '{"type":"room.starved","room":"caf\u00e9 \U0001f600"}'


def code(language: str) -> str:
    """The document's example in this language."""
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return found[1]


def headers(age_s: int = 0) -> dict[str, str]:
    """Of the body, signed so long ago."""
    return dict(signed("msg_1", BODY.encode(), signing_key(Secret(SECRET)), (int(time.time()) - age_s) * 1_000))


CASES: list[tuple[int, dict[str, str], str, bool]] = [  # how old, what of the headers is another, the body
    (0, {}, BODY, True),
    (0, {}, BODY + " ", False),
    (600, {}, BODY, False),
    (0, {"webhook-id": "msg_2"}, BODY, False),
    (0, {"webhook-signature": "v1,x v2,y"}, BODY, False),
]
IDS = ["right", "another body", "old", "another id", "another signature"]


@pytest.mark.parametrize(("age_s", "others", "body", "right"), CASES, ids=IDS)
def test_the_python_example_verifies(age_s: int, others: dict[str, str], body: str, right: bool) -> None:
    """What we have signed, and nothing else."""
    made: dict[str, Any] = {}
    exec(code("python"), made)  # noqa: S102 - our own document

    assert made["verified"](SECRET, headers(age_s) | others, body.encode()) is right


@pytest.mark.parametrize(("age_s", "others", "body", "right"), CASES, ids=IDS)
def test_the_node_example_verifies(age_s: int, others: dict[str, str], body: str, right: bool) -> None:
    """Where there is a Node to try it with."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    arguments = json.dumps([SECRET, headers(age_s) | others, body])
    script = f"{code('javascript')}\nconsole.log(verified(...{arguments}))"

    assert (
        subprocess.run([node, "-e", script], check=True, capture_output=True, text=True).stdout.strip()
        == str(right).lower()
    )


def test_every_type_is_documented_with_its_effect_and_the_reverse() -> None:
    """In the order of the code."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| (opens|closes|tells) \|", DOCUMENT, re.MULTILINE)

    assert rows == [(kind.value, effect_of(kind).value) for kind in SUBSCRIBABLE]


def test_every_reason_is_documented_and_the_reverse() -> None:
    """As the log shows them."""
    table = DOCUMENT[DOCUMENT.index("| `why` |") : DOCUMENT.index("**Private addresses.**")]
    named = re.findall(r"`([a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:] if "|" in row))

    assert named == [why.value for why in NotDelivered]


def test_a_notice_and_the_alert_of_the_same_name_each_other() -> None:
    """Who reads of one finds the other."""
    rows = re.findall(r"^\| `([a-z_.]+)`.*\| \[(\w+)\]\(alerts\.md#(\w+)\) \|$", DOCUMENT, re.MULTILINE)
    sections = (DOCS / "alerts.md").read_text().split("\n### ")[1:]
    named = [(re.search(r"of the same: `([a-z_.]+)`", one), one.partition("\n")[0]) for one in sections]

    assert rows
    assert all(anchor == alert.lower() for _, alert, anchor in rows)
    assert {(kind, alert) for kind, alert, _ in rows} == {(found[1], alert) for found, alert in named if found}
