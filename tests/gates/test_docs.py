"""The documents name what there is, all of it, and nothing else."""

import re

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.metrics import PREFIX, Metrics
from tests.gates.tree import ROOT, modules

README_LINES = 150


def text(name: str) -> str:
    """A document's text."""
    return (ROOT / name).read_text()


def listed_modules(architecture: str) -> set[str]:
    """First column of the table of modules, dotted; a package that stands for all that is in it ends in a dot."""
    return {cell.replace("/", ".") for cell in re.findall(r"^\| `([a-z_/]+)` \|", architecture, re.MULTILINE)}


def disagreements(listed: set[str], existing: set[str]) -> set[str]:
    """Modules that are listed and do not exist, or exist and are not listed."""
    packages = {name for name in listed if name.endswith(".")}
    covered = {name for name in existing for package in packages if f"{name}.".startswith(package)}
    absent = {package for package in packages if package.rstrip(".") not in existing}
    return (listed - packages) ^ (existing - covered) | absent


def targets_named(document: str) -> set[str]:
    """Every `make TARGET` in code, be it a span or a block."""
    code = re.findall(r"```.*?```|`[^`\n]+`", document, re.DOTALL)
    return set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", " ".join(code)))


def targets(makefile: str) -> set[str]:
    """Every target that `make` lists."""
    return set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))


def metrics_named(document: str) -> set[str]:
    """Every metric that stands first in a row of a table."""
    return set(re.findall(rf"^\| `({PREFIX}[a-z_]+)", document, re.MULTILINE))


def metrics_made() -> set[str]:
    """Every metric of the registry, by the name it is exposed under."""
    registry = CollectorRegistry()
    Metrics(registry)
    return {one.name + ("_total" if one.type == "counter" else "") for one in registry.collect()}


def test_architecture_lists_every_module_and_no_other() -> None:
    """docs/architecture.md and `ls` say the same."""
    existing = {name for name, path in modules().items() if path.name not in {"__init__.py", "__main__.py"}}
    packages = {name for name, path in modules().items() if path.name == "__init__.py" and name}
    listed = listed_modules(text("docs/architecture.md"))
    named_packages = {one.rstrip(".") for one in listed if one.endswith(".")} & packages

    assert disagreements(listed, existing | named_packages) == set()


def test_every_metric_is_documented_and_every_documented_metric_exists() -> None:
    """docs/metrics.md and the registry hold the same names."""
    assert metrics_named(text("docs/metrics.md")) == metrics_made()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_named_exists(document: str) -> None:
    """No document sends its reader to a target that is not there."""
    assert targets_named(text(document)) <= targets(text("Makefile"))


def test_every_make_target_is_explained_to_contributors() -> None:
    """CONTRIBUTING.md names each target that `make` lists, but for the list itself."""
    assert targets(text("Makefile")) - targets_named(text("CONTRIBUTING.md")) == {"help"}


def test_the_readme_is_short() -> None:
    """README.md is read to its end."""
    assert len(text("README.md").splitlines()) <= README_LINES


def test_every_decision_is_in_the_list_of_decisions() -> None:
    """docs/adr/README.md links each decision, and no other file."""
    folder = ROOT / "docs" / "adr"
    linked = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())

    assert linked == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_every_relative_link_leads_somewhere() -> None:
    """A link from one document to a file of the repository finds it."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(document, link) for document in documents for link in relative_links(document.read_text())]

    assert [(str(document), link) for document, link in links if not (document.parent / link).exists()] == []


def relative_links(document: str) -> list[str]:
    """Targets of the links that stay in the repository, without their fragments."""
    return [link for link in re.findall(r"\]\(([^)#\s]+)", document) if "://" not in link]


@pytest.mark.parametrize(
    ("listed", "existing", "wrong"),
    [
        ({"app", "core.plan"}, {"app", "core.plan"}, set()),
        ({"app"}, {"app", "driver"}, {"driver"}),
        ({"app", "driver"}, {"app"}, {"driver"}),
        ({"config."}, {"config", "config.load"}, set()),
        ({"config."}, {"config", "configuration"}, {"configuration"}),
        ({"config."}, set(), {"config."}),
    ],
)
def test_a_module_that_is_listed_or_exists_alone_is_found(
    listed: set[str], existing: set[str], wrong: set[str]
) -> None:
    """Both directions count; a package stands for what is in it."""
    assert disagreements(listed, existing) == wrong


def test_what_the_documents_name_is_read_from_their_tables_and_code() -> None:
    """Modules and metrics come from tables, make targets and links from wherever they stand."""
    assert listed_modules("| `core/plan` | x |\n| `config/` | y |\n`app`") == {"core.plan", "config."}
    assert metrics_named("| `dispatcher_wants{state}` | x |\n`dispatcher_other`") == {"dispatcher_wants"}
    assert targets_named("`make demo`, make sense\n```\nmake e2e-long\n```") == {"demo", "e2e-long"}
    assert targets("demo: x  ## y\n$(BIN)/uv:\nclean:\n") == {"demo"}
    assert relative_links("[a](b.md#c) [d](https://e.f) [g](../h)") == ["b.md", "../h"]
