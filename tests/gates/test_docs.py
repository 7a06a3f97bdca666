"""The documents name what there is, all of it, and nothing else."""

import re
import tomllib
from collections.abc import Iterable
from importlib import import_module

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.telemetry.launch_metrics import LaunchMetrics
from dispatcher.telemetry.metrics import PREFIX
from tests.gates.tree import PACKAGE, ROOT, modules, repository_files

README_LINES = 150
FACTS = "livekit.md"
LAWS = 15


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
    return set(re.findall(rf"^\| `((?:{PREFIX}|process_)[a-z_]+)", document, re.MULTILINE))


def metrics_made() -> set[str]:
    """Every metric of the registry, by the name it is exposed under."""
    registry = CollectorRegistry()
    LaunchMetrics(registry, version="any")
    return {one.name + ("_total" if one.type == "counter" else "") for one in registry.collect()}


def sections_cited(source: str) -> set[str]:
    """Sections of docs/livekit.md, each as "1" or "1.2", that a text sends its reader to."""
    citations = re.findall(rf"{re.escape(FACTS)}((?:,?\s(?:and\s)?§\d+(?:\.\d+)?)+)", source)
    return {number for one in citations for number in re.findall(r"§(\d+(?:\.\d+)?)", one)}


def sections(document: str) -> set[str]:
    """Sections that a document's headings number."""
    return set(re.findall(r"^#+ §(\d+(?:\.\d+)?) ", document, re.MULTILINE))


def named_tests(document: str) -> set[str]:
    """Every test that a document names as code."""
    return set(re.findall(r"`(test_\w+)`", document))


def defined_tests(sources: Iterable[str]) -> set[str]:
    """Every test function of these sources."""
    found = (re.findall(r"^\s*(?:async )?def (test_\w+)\(", source, re.MULTILINE) for source in sources)
    return {name for names in found for name in names}


def laws(architecture: str) -> dict[str, set[str]]:
    """Number of each law to the tests that stand below it."""
    stated = re.split(r"^(\d+)\. ", architecture.partition("## The laws\n")[2], flags=re.MULTILINE)[1:]
    return {number: named_tests(law) for number, law in zip(stated[::2], stated[1::2], strict=True)}


def settings_quoted(document: str) -> set[tuple[str, str]]:
    """Settings whose default is given in prose, as in "`join_within` (30 s)", with it."""
    return set(re.findall(r"`([a-z_.]+)` \((\d+) s\)", document))


def constants_quoted(document: str) -> dict[str, tuple[float, ...]]:
    """Constants of the code whose values stand in a table, with them: in seconds, one or more."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d., ]+) s \|", document, re.MULTILINE)
    return {name: tuple(float(value) for value in values.split(", ")) for name, values in rows}


def constants(name: str) -> set[tuple[float, ...]]:
    """The values, in seconds, that a constant in ms of this name has in the package's modules."""
    imported = [import_module(f"dispatcher.{module}") for module in modules() if module and module != "__main__"]
    found = [getattr(module, name) for module in imported if hasattr(module, name)]
    return {tuple(ms / 1000 for ms in (one if isinstance(one, tuple) else (one,))) for one in found}


def test_architecture_lists_every_module_and_no_other() -> None:
    """docs/architecture.md and `ls` say the same."""
    existing = {name for name, path in modules().items() if path.name not in {"__init__.py", "__main__.py"}}
    packages = {name for name, path in modules().items() if path.name == "__init__.py" and name}
    listed = listed_modules(text("docs/architecture.md"))
    named_packages = {one.rstrip(".") for one in listed if one.endswith(".")} & packages

    assert disagreements(listed, existing | named_packages) == set()


def test_every_room_has_its_line_in_the_map_and_in_the_layers() -> None:
    """A room is a folder; rooms to come have their layer already, and the layers drawn are those that are held."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    layers = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}

    assert set(re.findall(r"^\| \*\*([a-z]+)\*\* \|", text("docs/architecture.md"), re.MULTILINE)) == rooms
    assert rooms <= placed
    drawn = re.findall(r"^    cli \| kit → (?:.*\n)+?$", text("docs/architecture.md"), re.MULTILINE)[0]
    assert set(re.findall(r"[a-z]+", drawn)) == placed - {"__main__"}


def test_where_a_change_goes_names_files_that_are_there() -> None:
    """Whoever follows the table of changes finds the files; a room to come may be named as a folder."""
    table = text("docs/architecture.md").partition("## Where a change goes\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*/?)`", table)) - {"observe"}
    rooms = {f"{name}/" for name in ("notices",)} | {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}

    assert named
    assert {name.replace("/", ".") for name in named - rooms if not name.startswith("tests/")} - set(modules()) == set()


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


def test_every_fact_cited_is_there() -> None:
    """Whoever follows a citation of docs/livekit.md finds its section."""
    known = sections(text(f"docs/{FACTS}"))
    sources = {path: path.read_text(errors="replace") for path in repository_files()}
    cited = {(str(path.relative_to(ROOT)), one) for path, source in sources.items() for one in sections_cited(source)}

    assert cited
    assert [(path, one) for path, one in sorted(cited) if one not in known] == []


def test_every_test_that_a_document_names_exists() -> None:
    """A promise or a law is proved by tests that are there."""
    defined = defined_tests(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    documents = ("guarantees", "architecture", "redis", "reload", "projects", "process", "replay", "agents")
    named = {test for name in documents for test in named_tests(text(f"docs/{name}.md"))}
    named |= set(named_tests(text("SECURITY.md")))

    assert sorted(named - defined) == []


def test_every_threat_has_what_stands_against_it_and_its_tests() -> None:
    """SECURITY.md's table holds each threat that the service was built against; the tests it names exist."""
    table = text("SECURITY.md").partition("## The threats\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-zA-Z][^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", table, re.MULTILINE)[1:]

    assert {threat.partition(":")[0] for threat, _, _ in rows} == {
        *("forged webhooks", "replay", "key theft", "SSRF", "log leaks", "exhaustion", "untrusted participants")
    }
    assert [threat for threat, _, tests in rows if not named_tests(tests)] == []


def test_every_law_has_its_test() -> None:
    """Below each law in docs/architecture.md stands a test."""
    stated = laws(text("docs/architecture.md"))

    assert sorted(stated, key=int) == [str(number + 1) for number in range(LAWS)]
    assert [number for number, tests in stated.items() if not tests] == []


def test_the_numbers_promised_are_the_codes() -> None:
    """Defaults in docs/guarantees.md are those of docs/configuration.md, constants those of the code."""
    promised, configuration = text("docs/guarantees.md"), text("docs/configuration.md")
    defaults = set(re.findall(r"^\| `(?:defaults\.)?([a-z_.]+)` \| `(\d+)s` \|", configuration, re.MULTILINE))
    quoted = constants_quoted(promised)

    assert settings_quoted(promised) <= defaults
    assert {name: constants(name) for name in quoted} == {name: {values} for name, values in quoted.items()}


@pytest.mark.parametrize(
    ("listed", "existing", "wrong"),
    [
        ({"app", "core.plan"}, {"app", "core.plan"}, set()),
        ({"app"}, {"app", "reconciler"}, {"reconciler"}),
        ({"app", "reconciler"}, {"app"}, {"reconciler"}),
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
    assert metrics_named("| `livekit_dispatcher_assignments{state}` | x |\n`livekit_dispatcher_other`") == {
        "livekit_dispatcher_assignments"
    }
    assert targets_named("`make demo`, make sense\n```\nmake e2e-long\n```") == {"demo", "e2e-long"}
    assert targets("demo: x  ## y\n$(BIN)/uv:\nclean:\n") == {"demo"}
    assert relative_links("[a](b.md#c) [d](https://e.f) [g](../h)") == ["b.md", "../h"]


def test_a_citation_is_read_with_all_its_sections() -> None:
    """One or several, in code or in prose; a section that no heading numbers is found missing."""
    cited = sections_cited(f"# as seen (docs/{FACTS} §1.4)\n{FACTS} §0, §2 and §9.9.\n§7, and {FACTS} has more")

    assert cited == {"1.4", "0", "2", "9.9"}
    assert cited - sections("## §0 Seen\n## §1 Webhooks\n### §1.4 Delivery\n## §2 Dispatch\nsee §9.9 there") == {"9.9"}


def test_a_test_is_named_as_code_and_defined_as_a_function() -> None:
    """Neither a file's name nor a call is taken for a test."""
    defined = defined_tests(
        ["async def test_a() -> None:\n    test_b()\n", "class T:\n    def test_c(self) -> None:\n"]
    )

    assert defined == {"test_a", "test_c"}
    assert named_tests("`test_a`, `tests/test_b.py`, test_c, `test_gone`") - defined == {"test_gone"}
    assert laws("1. x\n## The laws\n\n1. One.\n   `test_a`\n2. Two.\n") == {"1": {"test_a"}, "2": set()}


def test_numbers_are_read_with_their_names() -> None:
    """A setting from prose, constants from a table, their values in ms from the code."""
    assert settings_quoted("`a.b` (30 s), `c` (2 ms), d (1 s)") == {("a.b", "30")}
    assert constants_quoted("| `A_MS` | 1, 2.5 s | x |\n| `b` | 1 s | y |") == {"A_MS": (1.0, 2.5)}
    assert constants("LEASE_MS") == {(10.0,)}
    assert constants("NOBODY_MS") == set()
