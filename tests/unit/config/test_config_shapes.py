"""Whatever stands in a field, loading gives a configuration or says what is wrong with it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dispatcher.config import BadConfig, Config, Problem, load
from dispatcher.config.document import read_text
from dispatcher.config.model import SECTIONS, names
from tests.examples import examples
from tests.unit.config.files import CONNECTION

Json: TypeAlias = "str | list[Json] | dict[str, Json] | None"

WORDS = [name for section in SECTIONS.values() for name in names(section)]
SCALARS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "room", "participant", "off", "3", "10s", "ws://a"]), st.text()
)
KEYS = st.sampled_from(WORDS) | st.text(max_size=3)
TREES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4))


def configuration_or_report(file: Path) -> Config | tuple[Problem, ...]:
    """What loading gives, or what it raises BadConfig with."""
    try:
        return load(file, CONNECTION)
    except BadConfig as bad:
        return bad.problems


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(st.sampled_from(sorted(names(SECTIONS[""]))), TREES, max_size=4))
@example(tree={"rules": [{"name": ["a"], "agent": {"name": ["a"], "deployment": {}}, "fallback": {}}]})
@example(tree={"projects": [{"keys": [], "name": {}}, {"keys": {"": None}}, None]})
def test_any_tree_is_a_configuration_or_a_report(tmp_path: Path, tree: dict[str, Json]) -> None:
    """Nothing but BadConfig is raised, and it names at least one problem."""
    file = tmp_path / "any.yaml"
    file.write_text(json.dumps(tree))
    outcome = configuration_or_report(file)

    assert isinstance(outcome, Config) or (outcome and all(problem.reason for problem in outcome))


@settings(max_examples=examples(200), deadline=None)
@given(text=st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#~<\n\t \\0\x00\ufeff\u2028\ud800") | st.text())
def test_any_text_is_a_document_or_a_report(text: str) -> None:
    """No text breaks the reader, and what is not read has a problem."""
    document = read_text(text, "x")

    assert (document.tree is None) <= bool(document.problems)
    with suppress(BadConfig):
        load(None, {"LIVEKIT_KEYS": text, "LIVEKIT_URL": text, "DISPATCHER_PORT": text, "REDIS_URL": text})
