"""The configuration shown to people, and its JSON Schema for their editors."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from dispatcher.config import load, schema, show
from dispatcher.config.document import Tree, read_text
from dispatcher.config.model import SECTIONS, names
from tests.unit.config.files import CONNECTION, written

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = Draft202012Validator(json.loads(schema()))
FILE = """
instance: blue
projects:
  - {name: eu, url: wss://eu.example, keys: {APIone: hush-one, APItwo: '${HUSH}'}, defaults: {join_within: 45s}}
  - {name: us, url: wss://us.example, keys: {APIthree: hush-three}, rules: [{name: all, agent: greeter}],
     api_rate_limit: null, paused: [old]}
rules:
  - name: sales-line
    when: kind == 'SIP'
    agent: {split: [{name: a, weight: 95}, {name: a, deployment: canary, weight: 5}], by: room.name}
    fallback: [b, {name: c, deployment: blue}, {cel: metadata.agent}]
    metadata: room.metadata
    attempts: 2
    continue: true
  - {name: everyone, agent: greeter, kinds: [STANDARD]}
defaults: {attempts: 5, min_stay: 0s}
create_rate: null
api_rate_limit: {calls_per_second: 20}
probe: {every: 5m, agents: [greeter, {name: c, deployment: blue}]}
"""
ALONE = """
projects: [{name: eu, url: wss://eu.example, keys: {APIone: hush-one}}]
rules: [{name: all, agent: greeter}]
"""
SHOWN = """\
# DISPATCHER_HOST: 0.0.0.0
# DISPATCHER_PORT: 9000
# DISPATCHER_ADMIN_PORT: not set
# REDIS_URL: set, not shown
# DISPATCHER_API_TOKEN: not set
projects:
- name: eu
  url: wss://eu.example
  keys:
    APIone: '**********'
    APItwo: '**********'
  defaults:
    join_within: 45s
- name: us
  url: wss://us.example
  keys:
    APIthree: '**********'
  rules:
  - name: all
    agent: greeter
    kinds:
    - CONNECTOR
    - SIP
    - STANDARD
    trigger: participant_joined
    per: room
    worker_type: room
    continue: false
  paused:
  - old
  api_rate_limit: null
rules:
- name: sales-line
  agent:
    split:
    - name: a
      weight: 95
    - name: a
      deployment: canary
      weight: 5
    by: room.name
  fallback:
  - b
  - name: c
    deployment: blue
  - cel: metadata.agent
  kinds:
  - CONNECTOR
  - SIP
  - STANDARD
  when: kind == 'SIP'
  metadata: room.metadata
  trigger: participant_joined
  per: room
  worker_type: room
  continue: true
  attempts: 2
- name: everyone
  agent: greeter
  kinds:
  - STANDARD
  trigger: participant_joined
  per: room
  worker_type: room
  continue: false
defaults:
  attempts: 5
  confirm_within: 12s
  confirm_early: true
  join_within: 30s
  min_stay: 0s
  retry_every: 30s
  on_finish: replace
  finish_grace: 3s
  extra_agents: remove
  unrequested_agents: report
instance: blue
sweep:
  every: 30s
  looks_per_second: 50
ended_rooms:
  keep: 24h
  max_rooms: 10000
  max_bytes: 64MiB
create_rate: null
api_rate_limit:
  calls_per_second: 20
  burst: 8
probe:
  every: 5m
  agents:
  - greeter
  - name: c
    deployment: blue
ui:
  enabled: true
  scopes:
  - read
redact_identities: false
concurrency: 256
launchers: {}
"""
ENVIRON = {"HUSH": "hush-two", "DISPATCHER_PORT": "9000", "REDIS_URL": "redis://:hush@redis"}


def edited(tree: Tree) -> object:
    """A file as an editor's YAML 1.2 has it: `on` is a text, 3 a number, true a truth."""
    if isinstance(tree, dict):
        return {name: edited(value) for name, value in tree.items()}
    if isinstance(tree, tuple):
        return [edited(item) for item in tree]
    if tree in {"true", "false"}:
        return tree == "true"
    return int(tree) if tree is not None and tree.isdecimal() else tree


def complaints(text: str) -> list[str]:
    """What an editor underlines, by its place."""
    tree = read_text(text, "x").tree
    return [error.json_path for error in SCHEMA.iter_errors(edited(tree))]


def test_what_is_in_force_is_shown_without_secrets(tmp_path: Path) -> None:
    """Every default filled in, and a rule's own limits in it; the environment's own settings as comments."""
    shown = show(written(tmp_path, FILE), ENVIRON)

    assert shown == SHOWN
    assert "hush" not in shown


def test_the_environments_word_is_shown(tmp_path: Path) -> None:
    """It wins over the file, and can say it all."""
    alone = yaml.safe_load(show(None, CONNECTION | {"DISPATCHER_AGENT": "greeter"}))
    over = yaml.safe_load(show(written(tmp_path, ALONE), CONNECTION))

    assert [(rule["name"], rule["agent"]) for rule in alone["rules"]] == [("default", "greeter")]
    assert alone["projects"] == [
        {"name": "default", "url": CONNECTION["LIVEKIT_URL"], "keys": {"APIenv": "**********"}}
    ]
    assert over["projects"][0]["url"] == CONNECTION["LIVEKIT_URL"]
    assert list(over["projects"][0]["keys"]) == ["APIenv"]


def test_what_is_shown_is_a_configuration_that_says_the_same(tmp_path: Path) -> None:
    """Shown, read and shown again, nothing has changed."""
    once = show(written(tmp_path, FILE), ENVIRON)

    assert show(written(tmp_path, once), ENVIRON) == once
    again, first = (load(written(tmp_path, text), ENVIRON) for text in (once, FILE))
    assert [rule.policy for rule in again.rules_in_force] == [rule.policy for rule in first.rules_in_force]
    assert [(one.api_rate_limit, one.paused) for one in again.projects] == [
        (one.api_rate_limit, one.paused) for one in first.projects
    ]


def test_the_published_schema_is_the_models() -> None:
    """`dispatcher schema > deploy/dispatcher.schema.json` makes it anew."""
    assert (ROOT / "deploy" / "dispatcher.schema.json").read_text() == schema()


def test_the_schema_has_every_field_of_the_model() -> None:
    """Section by section, and no other."""
    document = json.loads(schema())
    agent = document["$defs"]["Agent"]["anyOf"][1]
    ui = document["$defs"]["UiFields"]["anyOf"][1]
    probed = document["$defs"]["ProbedAgent"]["anyOf"][1]
    short: Mapping[str, object] = {"Agent": agent, "UiFields": ui, "ProbedAgent": probed}
    sections: Mapping[str, object] = {**document["$defs"], "File": document, **short}

    for section in SECTIONS.values():
        known = sections[section.__name__]
        assert isinstance(known, dict)
        assert set(known["properties"]) == set(names(section))


def test_the_sample_and_the_recipes_satisfy_the_schema() -> None:
    """An editor underlines nothing in them, nor in what is shown; and the sample names its schema."""
    sample = (ROOT / "deploy" / "dispatcher.sample.yaml").read_text()
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("rules.md", "recipes.md"))
    recipes = re.findall(r"```yaml\n(.*?)```", pages, re.DOTALL)

    assert recipes
    assert [complaints(text) for text in (sample, FILE, SHOWN, *recipes)] == [[]] * (3 + len(recipes))
    assert sample.startswith("# yaml-language-server: $schema=dispatcher.schema.json\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("rule: []", "$"),
        ("rules: [{name: a}]", "$.rules[0]"),
        ("rules: [{name: a, agnet: b}]", "$.rules[0]"),
        ("rules: [{name: a, agent: {name: b, cel: kind}}]", "$.rules[0].agent"),
        ("rules: [{name: a, agent: {split: [{name: b}]}}]", "$.rules[0].agent"),
        ("rules: [{name: a, agent: {name: b, launch: c}}]", "$.rules[0].agent"),
        ("rules: [{name: a, agent: {split: [{name: b, launch: c, weight: 1}]}}]", "$.rules[0].agent"),
        ("launchers: {avatar: {command: [a]}}", "$.launchers.avatar"),
        ("rules: [{name: a, agent: b, trigger: join}]", "$.rules[0].trigger"),
        ("rules: [{name: a, agent: b, when: [x]}]", "$.rules[0].when"),
        ("defaults: {confirm_within: 12}", "$.defaults.confirm_within"),
        ("defaults: {confirm_within: 12 s}", "$.defaults.confirm_within"),
        ("defaults: {attempts: many}", "$.defaults.attempts"),
        ("create_rate: on", "$.create_rate"),
    ],
)
def test_the_schema_sees_what_an_editor_can(text: str, place: str) -> None:
    """Misspelt and missing fields, wrong shapes, durations without a unit."""
    assert place in complaints(text)
