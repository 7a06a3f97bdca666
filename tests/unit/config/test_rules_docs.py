"""docs/rules.md is held to what it says: every sample loads, every case holds, every name and reason exists."""

import re
from pathlib import Path

import pytest

from dispatcher.config import load, load_offline
from dispatcher.expressions import FailureReason
from dispatcher.expressions.messages import PARTICIPANT_FIELDS, ROOM_FIELDS
from dispatcher.expressions.phone import phone
from dispatcher.offline import explain, rehearse
from tests.unit.config.files import CONNECTION

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "rules.md").read_text()
RECIPES = (ROOT / "docs" / "recipes.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
CONSOLE = dict(re.findall(r"```console\n\$ dispatcher (rules \w+).*?\n(.*?)```", DOCUMENT, re.DOTALL))


def file(folder: Path, name: str, text: str) -> Path:
    """The text in a file."""
    path = folder / name
    path.write_text(text)
    return path


def rows(heading: str) -> dict[str, str]:
    """The first table below a heading: first column, second column."""
    section = DOCUMENT.partition(f"{heading}\n")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| (`.+?) \| (.+?) \|$", section, re.MULTILINE))


@pytest.mark.parametrize("recipe", BLOCKS)
def test_every_sample_of_the_document_loads(tmp_path: Path, recipe: str) -> None:
    """Without a mistake and without a warning."""
    config = load(file(tmp_path, "dispatcher.yaml", recipe), CONNECTION)

    assert config.rules
    assert config.warnings == ()


def test_the_cases_shown_give_the_report_shown(tmp_path: Path) -> None:
    """With the rules of the first recipe."""
    rules = load_offline(file(tmp_path, "dispatcher.yaml", BLOCKS[0]), {}).rules
    shown = re.search(r"```yaml cases\n(.*?)```", DOCUMENT, re.DOTALL)
    assert shown
    failed, report = rehearse(rules, [file(tmp_path, "cases.yaml", shown[1])])

    assert (failed, "\n".join(report) + "\n") == (0, CONSOLE["rules test"])


def test_a_table_holds_as_many_numbers_as_the_document_says(tmp_path: Path) -> None:
    """500 of them load, and the last is found in time."""
    lines = ", ".join(f"'+4420794{number:05}': 'a{number:03}'" for number in range(500))
    table = f"{{{lines}}}[?phone(participant.attributes['to'])].orValue('reception')"
    rules = f"rules:\n- name: lines\n  agent:\n    cel: |\n      {table}\n"
    case = "participant: {attributes: {to: '+442079400499'}}, expect: {rule: lines, agent: a499}"
    config = load_offline(file(tmp_path, "dispatcher.yaml", rules), {})

    assert "up to about 500" in RECIPES
    assert rehearse(config.rules, [file(tmp_path, "cases.yaml", f"cases: [{{case: it, {case}}}]")])[0] == 0


def test_the_shares_shown_are_those_of_the_canary(tmp_path: Path) -> None:
    """They depend on nothing but the weights."""
    section = RECIPES.partition("### A canary\n")[2]
    rules = load_offline(file(tmp_path, "dispatcher.yaml", section.partition("```yaml\n")[2].partition("```")[0]), {})
    case = "cases: [{case: somebody at a browser, participant: {}, expect: {rule: everyone}}]"
    shown = section.partition("$ dispatcher rules test cases.yaml\n")[2].partition("```")[0]

    assert "\n".join(rehearse(rules.rules, [file(tmp_path, "cases.yaml", case)])[1]) + "\n" == shown


def test_the_explanation_shown_is_the_one_that_is_given(tmp_path: Path) -> None:
    """Of the recorded caller, by the rules of the first recipe."""
    rules = load_offline(file(tmp_path, "dispatcher.yaml", BLOCKS[0]), {}).rules
    body = ROOT / "tests" / "recorded" / "05-participant_joined-sip.json"

    assert "\n".join(explain(rules, body)) + "\n" == CONSOLE["rules explain"]


def test_the_numbers_shown_are_what_phone_gives() -> None:
    """Each notation of the table, without a country and with one."""
    section = DOCUMENT.partition("### phone()\n")[2].partition("\n#")[0]
    shown = re.findall(r"^\| (`.+?) \| (\S+) \| (\S+) \|$", section, re.MULTILINE)

    assert len(shown) == 7
    for written, plain, british in shown:
        for one in re.findall(r"`([^`]+)`", written):
            given = [f"`{number}`" if number else "empty" for number in (phone(one), phone(one, "GB"))]
            assert given == [plain, british], one
    assert (phone("2025550123"), phone("2025550123", "US")) == ("2025550123", "+12025550123")


def test_every_name_and_field_is_documented() -> None:
    """Of LiveKit's messages those that expressions see, and no others."""
    table = rows("## Expressions")

    variables = {"`room`", "`participant`", "`metadata`", "`participant_metadata`", "`kind`"}
    assert set(table) == variables | {"`phone(text)`, `phone(text, 'GB')`"}
    assert set(re.findall(r"`(\w+)`", table["`room`"])) == set(ROOM_FIELDS)
    assert set(re.findall(r"`(\w+)`", table["`participant`"])) == set(PARTICIPANT_FIELDS)


def test_every_reason_is_documented() -> None:
    """Both directions."""
    section = DOCUMENT.partition("| `reason` | means |")[2].partition("\n\n")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(FailureReason)
