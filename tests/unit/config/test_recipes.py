"""docs/recipes.md: every recipe loads without a mistake or a doubt, and every case shown below it holds."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.config import load_offline
from dispatcher.offline import rehearse
from dispatcher.offline.situation import project_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "recipes.md").read_text()
RECIPES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE))
AT_LEAST = 20


def file(folder: Path, name: str, text: str) -> Path:
    """The text in a file."""
    path = folder / name
    path.write_text(text)
    return path


def rules_of(recipe: str) -> str:
    """The configuration."""
    [text] = re.findall(r"```yaml\n(.*?)```", recipe, re.DOTALL)
    return str(text)


def cases_of(recipe: str) -> dict[str | None, str]:
    """The cases, by the project whose rules they try; None where there is but one."""
    return {
        project or None: cases for project, cases in re.findall(r"```yaml cases ?(\w*)\n(.*?)```", recipe, re.DOTALL)
    }


def expected(recipe: str) -> list[list[dict[str, Any]]]:
    """What each case expects: a list of what is wanted, empty where nothing is."""
    found = [case["expect"] for cases in cases_of(recipe).values() for case in yaml.safe_load(cases)["cases"]]
    return [[] if one == "none" else one if isinstance(one, list) else [one] for one in found]


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_asks_for_what_its_cases_say(title: str, tmp_path: Path) -> None:
    """For whom, and for nobody else; it loads without a warning."""
    config = load_offline(file(tmp_path, "dispatcher.yaml", rules_of(RECIPES[title])), {})

    assert (config.warnings, config.hints) == ((), ())
    for project, cases in cases_of(RECIPES[title]).items():
        failed, report = rehearse(config.rules_of(project_of(config, project)), [file(tmp_path, "cases.yaml", cases)])
        assert failed == 0, "\n".join(report)


@pytest.mark.parametrize("title", RECIPES)
def test_each_rule_of_a_recipe_is_shown_at_work(title: str, tmp_path: Path) -> None:
    """By somebody whom it is for; and each recipe shows two outcomes at least, such as an agent and none."""
    config = load_offline(file(tmp_path, "dispatcher.yaml", rules_of(RECIPES[title])), {})
    shown = expected(RECIPES[title])
    outcomes = {str([(one["rule"], one.get("agent"), one.get("deployment")) for one in wanted]) for wanted in shown}

    assert {rule.name for project in config.projects for rule in config.rules_of(project)} == {
        one["rule"] for wanted in shown for one in wanted
    }
    assert len(outcomes) > 1


def test_there_are_recipes_for_what_people_ask_for() -> None:
    """Twenty and more, by every kind of thing that a rule may go by."""
    whole = "".join(map(rules_of, RECIPES.values()))
    words = (
        "phone(",
        "sip.ruleID",
        "kind_details",
        "cel:",
        "split:",
        "by:",
        "per: participant",
        "continue:",
        "paused:",
    )

    assert len(RECIPES) >= AT_LEAST
    assert [word for word in (*words, "trigger: room_started", "getHours('", "projects:") if word not in whole] == []
