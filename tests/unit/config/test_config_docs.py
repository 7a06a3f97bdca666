"""docs/configuration.md and the sample say what the model says: all of it, and nothing else."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dispatcher.config import CreateRate, SweepSettings, load
from dispatcher.config.document import Tree, read_text
from dispatcher.config.environment import read_environment
from dispatcher.config.fields import Origin, Section
from dispatcher.config.model import SECTIONS, LimitFields, names
from dispatcher.core.rules import Policy, Target
from tests.unit.config.files import CONNECTION, complaints, written

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "configuration.md").read_text()
ORIGIN = Origin({"EU_SECRET": "x"}, ROOT)
NEEDED: Mapping[str, dict[str, Tree]] = {  # what else must stand beside a field, by its place or by its name
    "rules[]": {"name": "x", "agent": "x"},
    "rules[].agent.deployment": {"name": "x"},
    "rules[].agent.by": {"split": ({"name": "x", "weight": "1"},)},
    "rules[].agent.split[]": {"name": "x", "weight": "1"},
    "rules[].agent.split[].launch": {"weight": "1"},
    "api_tokens[]": {"name": "x", "token": "x", "scopes": ("read",)},
    "notices[]": {"name": "x", "url": "https://x", "secret": "whsec_" + "A" * 32},
    "notices[].url": {"name": "x", "secret": "whsec_" + "A" * 32},
    "launchers.NAME": {"command": ("x",), "limit": "1"},
    "probe.every": {"agents": ("x",)},
    "probe.agents[]": {"name": "x"},
    "api_rate_limit.burst": {"calls_per_second": "9"},
}
ROWS = re.findall(r"^\| `([^`]+)` \|(?: (none|required|`[^`]+`) \|)? .* \| (`[^`]+`)? ?\|$", DOCUMENT, re.MULTILINE)
FIELDS = [row for row in ROWS if row[0] != row[0].upper()]
VARIABLES = {name: example.strip("`") for name, _, example in ROWS if name == name.upper()}


class Asked(dict[str, str]):
    """An environment that knows what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # asked with a default only
        """Nothing is set."""
        self.names.add(key)
        return default


def modelled() -> Iterator[str]:
    """Every field of the model; what stands in two places is documented at one."""
    for place, section in SECTIONS.items():
        if place.startswith("rules[].fallback[]"):
            continue
        elsewhere = set(names(LimitFields)) if place == "rules[]" else set()
        yield from (f"{place}.{name}".lstrip(".") for name in names(section) if name not in elsewhere)


def read(field: str, text: str) -> object:
    """What the model makes of a field with that text."""
    place, _, name = field.rpartition(".")
    section = SECTIONS[place]
    tree = read_text(f"{name}: {text}", field).tree
    assert tree is not None
    beside = NEEDED.get(field, NEEDED.get(place, {}))
    return getattr(section.model_validate({**beside, **tree}, context=ORIGIN), attribute(section, name))


def attribute(section: type[Section], name: str) -> str:
    """The model's own name of a field."""
    return next(own for own, field in section.model_fields.items() if name in {own, field.alias})


def test_every_field_is_documented_and_every_documented_field_exists() -> None:
    """Both directions."""
    documented = [field for field, _, _ in FIELDS]

    assert sorted(documented) == sorted(modelled())


@pytest.mark.parametrize(("field", "default", "example"), FIELDS, ids=[row[0] for row in FIELDS])
def test_a_documented_default_holds_and_an_example_is_read(field: str, default: str, example: str) -> None:
    """A default is written as one would write it; `none` is nothing, `required` has none."""
    place, _, name = field.rpartition(".")
    section = SECTIONS[place]
    model = section.model_fields[attribute(section, name)]

    assert model.is_required() == (default == "required")
    if default == "none":
        assert not model.default
    if default.startswith("`"):
        assert read(field, default.strip("`")) == model.default
    if example:
        assert read(field, example.strip("`")) != model.default


def test_every_variable_is_documented_and_every_documented_variable_exists() -> None:
    """Both directions."""
    asked = Asked()
    read_environment(asked)

    assert set(VARIABLES) == asked.names


def test_the_examples_of_variables_are_right() -> None:
    """Each can be set as it is shown."""
    shown = {name: example for name, example in VARIABLES.items() if not name.endswith("_FILE")}
    environment = read_environment(shown)

    assert all(shown.values())
    assert environment.given == shown.keys()
    assert environment.problems == ()


def test_the_report_shown_is_the_one_that_is_given(tmp_path: Path) -> None:
    """The documented mistakes are told in the documented words."""
    file = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    report = re.search(r"```text\n(.*?)```", DOCUMENT, re.DOTALL)
    assert file
    assert report

    assert complaints(written(tmp_path, file[1]), {"DISPATCHER_PORT": "http"}) == report[1].splitlines()


def test_the_projects_of_the_sample_are_right_where_they_are_taken_in(tmp_path: Path) -> None:
    """Without the # before them they say the same as the variables."""
    sample = (ROOT / "deploy" / "dispatcher.sample.yaml").read_text()
    before, _, after = sample.partition("# projects:\n")
    projects, _, rest = after.partition("\n\n")
    lines = [line.removeprefix("# ") for line in projects.splitlines()]
    (tmp_path / "livekit_old").write_text("old")
    text = "\n".join([before, "projects:", *lines, "", rest]).replace("/run/secrets", str(tmp_path))
    config = load(written(tmp_path, text), {"LIVEKIT_API_SECRET_NEW": "new"})

    assert list(config.projects[0].keys) == ["APInew", "APIold"]


def test_the_sample_is_a_configuration(tmp_path: Path) -> None:
    """It loads without a warning, and its defaults are the defaults."""
    sample = (ROOT / "deploy" / "dispatcher.sample.yaml").read_text()
    config = load(written(tmp_path, sample), CONNECTION)

    assert config.warnings == ()
    assert [rule.name for rule in config.rules] == ["sales-line", "everyone-else", "scribe"]
    assert config.rules[1].policy == Policy(targets=(Target("greeter"), Target("greeter", "canary")))
    assert (config.sweep, config.create_rate) == (SweepSettings(), CreateRate())
    assert config.rules[0].policy.attempts == 1
    assert set(re.findall(r"^  (\w+):", sample.partition("\ndefaults:")[2].partition("\n\n")[0], re.MULTILINE)) == {
        *names(LimitFields)
    }
