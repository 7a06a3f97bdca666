"""What each field may hold, and what somebody reads who wrote something else."""

from pathlib import Path

import pytest

from dispatcher.config import CreateRate, SweepSettings
from dispatcher.config.values import show_span
from dispatcher.core.facts import PERSON_KINDS, Room, RoomSid
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.ledger.ended import EndedRooms
from tests.unit.config.files import RULE, loaded, told

DURATION = "write a duration with its unit, such as 10s, 500ms or 1m30s"
NAME = "write a name of a-z, 0-9, _ and -, at most 64 characters"
AGENT = "write the name your agent registers under, not empty, without spaces around it"
DEPLOYMENT = "must be at most 64 bytes, without spaces"
FIELDS = "write fields, such as {name: value}"
WORKER = "write http:// or dns+http://, a host and a port, such as http://agent-1:8081"
UNKNOWN = "unknown field"
KINDS = "write one of BRIDGE, CONNECTOR, INGRESS, SIP, STANDARD"
EXPRESSION = "write an expression, and put quotes round it, as in 'room.name == \"lobby\"'"
ONE_WAY = "write a name, or one of {name: …}, {launch: …}, {cel: …} and {split: […]}"
ROOM = Room(sid=RoomSid("RM_1"), name="r", metadata='{"a": 1}')
URL = "write a URL such as wss://example.livekit.cloud or http://localhost:7880"


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("agnet: x", "3: agnet: unknown field; did you mean 'agent'?"),
        ("contineu: true", "3: contineu: unknown field; did you mean 'continue'?"),
        ("go_on: true", "3: go_on: unknown field"),
        ("priority: 1", f"3: priority: {UNKNOWN}; write the rules in their order: the first that matches wins"),
        ("if: x", f"3: if: {UNKNOWN}; write when: room.name == 'lobby'"),
        ("rooms: ptt-*", f"3: rooms: {UNKNOWN}; write when: room.name.startsWith('ptt-')"),
        (
            "timeout: 10s",
            (
                f"3: timeout: {UNKNOWN}; write confirm_within: 12s, until a worker takes the job; join_within: 30s, "
                "until it is there"
            ),
        ),
        ("retries: 3", f"3: retries: {UNKNOWN}; write attempts: 3, the first included"),
        (
            "agents: [a, b]",
            f"3: agents: {UNKNOWN}; write agent: greeter, and those to ask next as fallback: [overflow]",
        ),
        ("when:", "8: when: has no value"),
        ("when: ''", f"9: when: {EXPRESSION}"),
        ("when: [a]", f"9: when: {EXPRESSION}"),
        (
            "metadata: {'a': b}",
            '13: metadata: put quotes round the whole map, and round its texts: \'{"line": "sales"}\'',
        ),
        ("metadata: room", "13: metadata: write room.metadata, which passes the room's metadata on"),
        ("trigger: join", "12: trigger: write 'participant_joined' or 'room_started'"),
        ("trigger:", "11: trigger: has no value"),
        ("per: [room]", "8: per: write 'room' or 'participant'"),
        ("worker_type: job", "16: worker_type: write 'room' or 'publisher'"),
        ("on_finish: stop", "14: on_finish: write 'done' or 'replace'"),
        ("extra_agents: keep", "17: extra_agents: write 'remove' or 'report'"),
        ("unrequested_agents: keep", "23: unrequested_agents: write 'remove' or 'report'"),
        ("continue: yes", "13: continue: write true or false"),
        ("kinds: SIP", "10: kinds: write a list, such as [one, two]"),
        ("kinds: []", "10: kinds: write at least one"),
        ("kinds:", "9: kinds: has no value"),
        ("kinds: [sip]", f"11: kinds[0]: {KINDS}; did you mean 'SIP'?"),
        ("kinds: [SIP, ROBOT]", f"16: kinds[1]: {KINDS}"),
        ("kinds: [AGENT]", "11: kinds[0]: AGENT participants never want an agent"),
        ("kinds: [EGRESS]", "11: kinds[0]: EGRESS participants never want an agent"),
        ("fallback: x", "13: fallback: write a list, such as [one, two]"),
        ("fallback: [a, b, c, d, e, f, g, h]", "13: fallback: write at most 7"),
        ("fallback: ['']", f"14: fallback[0]: {AGENT}"),
        ("fallback: [{nmae: x}]", "15: fallback[0].nmae: unknown field; did you mean 'name'?"),
        ("fallback: [{}]", f"14: fallback[0]: {ONE_WAY}"),
        ("fallback: [{name: x, nmae: x}]", "24: fallback[0].nmae: unknown field; did you mean 'name'?"),
        ("fallback: [{cel: [x]}]", f"20: fallback[0].cel: {EXPRESSION}"),
        ("fallback: [{split: [{name: x}]}]", "23: fallback[0].split[0].weight: missing"),
        ("attempts: three", "13: attempts: write a whole number from 1 to 10"),
        ("attempts: 0", "13: attempts: write a whole number from 1 to 10"),
        ("attempts: 11", "13: attempts: write a whole number from 1 to 10"),
        ("attempts: 1.5", "13: attempts: write a whole number from 1 to 10"),
        ("attempts: [3]", "13: attempts: write one value, not a list or fields"),
        ("attempts: {a: b}", "13: attempts: write one value, not a list or fields"),
        ("confirm_within: 12", f"19: confirm_within: {DURATION}"),
        ("confirm_within: ''", f"19: confirm_within: {DURATION}"),
        ("confirm_within: 1s1m", f"19: confirm_within: {DURATION}"),
        ("confirm_within: 1.5s", f"19: confirm_within: {DURATION}"),
        ("confirm_within: 99ms", "19: confirm_within: must be from 100ms to 10m"),
        ("join_within: 10m1ms", "16: join_within: must be from 100ms to 10m"),
        ("min_stay: 1h", "13: min_stay: must be from 0s to 10m"),
        ("finish_grace: 2m", "17: finish_grace: must be from 0s to 1m"),
        ("retry_every: 2h", "16: retry_every: must be from 100ms to 1h"),
    ],
)
def test_a_mistake_in_a_rule_is_told_at_its_place(tmp_path: Path, field: str, said: str) -> None:
    """The column is the value's, or the name's where the name is wrong; the reason says what to write."""
    column, _, rest = said.partition(": ")
    expected = f"bad.yaml:4:{column}: rules[0].{rest}"

    assert expected in told(tmp_path, f"rules:\n- name: all\n  agent: greeter\n  {field}\n")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{agent: x}", "9: rules[0].name: missing"),
        ("{name: x}", "9: rules[0].agent: missing"),
        ("{name: Sales Line, agent: x}", f"16: rules[0].name: {NAME}"),
        (f"{{name: {'x' * 65}, agent: x}}", f"16: rules[0].name: {NAME}"),
        ("{name: , agent: x}", "15: rules[0].name: has no value"),
        ("{name: x, agent: ''}", f"26: rules[0].agent: {AGENT}"),
        ("{name: x, agent: ' x'}", f"26: rules[0].agent: {AGENT}"),
        ('{name: x, agent: "a\\nb"}', f"26: rules[0].agent: {AGENT}"),
        ("{name: x, agent: [a]}", f"26: rules[0].agent: {FIELDS}"),
        ("{name: x, agent: {}}", f"26: rules[0].agent: {ONE_WAY}"),
        ("{name: x, agent: {name: a, cel: metadata.agent}}", f"26: rules[0].agent: {ONE_WAY}"),
        ("{name: x, agent: {name: a, by: room.name}}", "26: rules[0].agent: `by` belongs to a split"),
        ("{name: x, agent: {cel: kind, deployment: b}}", "26: rules[0].agent: `deployment` belongs to a name"),
        ("{name: x, agent: {split: []}}", "34: rules[0].agent.split: write at least one"),
        (
            "{name: x, agent: {split: [{name: a, weight: 0}]}}",
            "53: rules[0].agent.split[0].weight: write a whole number from 1 to 999999999",
        ),
        (
            "{name: x, agent: {split: [{name: a, wieght: 1, weight: 1}]}}",
            "45: rules[0].agent.split[0].wieght: unknown field; did you mean 'weight'?",
        ),
        ("{name: x, agent: {name: ''}}", f"33: rules[0].agent.name: {AGENT}"),
        ("{name: x, agent: {name: a, deployment: a b}}", f"48: rules[0].agent.deployment: {DEPLOYMENT}"),
        (f"{{name: x, agent: {{name: a, deployment: {'é' * 33}}}}}", f"48: rules[0].agent.deployment: {DEPLOYMENT}"),
        ("greeter", f"9: rules[0]: {FIELDS}"),
    ],
)
def test_a_mistake_in_what_every_rule_has_is_told(tmp_path: Path, rule: str, said: str) -> None:
    """A rule has a name and an agent."""
    assert told(tmp_path, f"rules: [{rule}]\n") == [f"bad.yaml:1:{said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: []", "1: rule: unknown field; did you mean 'rules'?"),
        ("colour: blue", "1: colour: unknown field"),
        (
            "agent: greeter",
            f"1: agent: {UNKNOWN}; it belongs to a rule: rules: [{{name: everyone, agent: greeter}}]",
        ),
        ("timeout: 10s", "1: timeout: unknown field"),
        ("instance: a:b", f"11: instance: {NAME}"),
        ("defaults:", "10: defaults: has no value"),
        ("defaults: [a]", f"11: defaults: {FIELDS}"),
        ("defaults: {attempt: 3}", "12: defaults.attempt: unknown field; did you mean 'attempts'?"),
        ("defaults: {kinds: [SIP]}", "12: defaults.kinds: unknown field"),
        ("sweep: {every: 0s}", "16: sweep.every: must be from 1s to 1h"),
        ("sweep: {looks_per_second: 0}", "27: sweep.looks_per_second: write a whole number from 1 to 1000"),
        ("ended_rooms: {keep: 59s}", "21: ended_rooms.keep: must be from 1m to 168h"),
        ("ended_rooms: {keep: 169h}", "21: ended_rooms.keep: must be from 1m to 168h"),
        ("ended_rooms: {max_rooms: 999}", "26: ended_rooms.max_rooms: write a whole number from 1000 to 1000000"),
        ("ended_rooms: {max_bytes: 15MiB}", "26: ended_rooms.max_bytes: must be 16MiB at least"),
        (
            "ended_rooms: {max_bytes: 64MB}",
            "26: ended_rooms.max_bytes: write an amount with its unit, such as 512MiB or 2GiB",
        ),
        ("sweep: {evry: 1s}", "9: sweep.evry: unknown field; did you mean 'every'?"),
        ("create_rate: on", "14: create_rate: write null, or {per_second: 50, burst: 3}"),
        ("create_rate:", "13: create_rate: has no value"),
        ("create_rate: [1]", f"14: create_rate: {FIELDS}"),
        ("create_rate: {per_second: 0}", "27: create_rate.per_second: write a whole number from 1 to 1000"),
        ("create_rate: {burst: 101}", "22: create_rate.burst: write a whole number from 1 to 100"),
        ("workers: [https://a:1]", f"11: workers[0]: {WORKER}"),
        ("workers: ['http://a']", f"11: workers[0]: {WORKER}"),
        ("workers: ['http://a:1/path']", f"11: workers[0]: {WORKER}"),
        ("workers: ['http://me:hush@a:1']", f"11: workers[0]: {WORKER}"),
        ("workers: ['dns+http://:1']", f"11: workers[0]: {WORKER}"),
        ("workers: ['http://a:x']", f"11: workers[0]: {WORKER}"),
        ("workers: ['http://a:99999']", f"11: workers[0]: {WORKER}"),
        (f"workers: [{', '.join(['http://a:1'] * 33)}]", "10: workers: write at most 32"),
        ("projects: x", "11: projects: write a list, such as [one, two]"),
        ("projects: [x]", f"12: projects[0]: {FIELDS}"),
        ("projects: [{name: A}]", f"19: projects[0].name: {NAME}"),
        ("projects: [{keys: {}}]", "19: projects[0].keys: write at least one"),
        ("projects: [{keys: x}]", f"19: projects[0].keys: {FIELDS}"),
        ("projects: [{keys: {'a b': hush}}]", "27: projects[0].keys.'a b': write the API key, without spaces"),
        ("projects: [{url: example.com}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'redis://a.example'}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'wss://'}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'wss://a:99999'}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'wss://a:0'}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'wss://[::1'}]", f"18: projects[0].url: {URL}"),
        ("projects: [{url: 'wss://a b'}]", f"18: projects[0].url: {URL}, in ASCII and without spaces"),
        ("projects: [{url: 'wss://u:hush@a'}]", f"18: projects[0].url: {URL}, without user, password, ? or #"),
        ("projects: [{url: 'wss://a?hush'}]", f"18: projects[0].url: {URL}, without user, password, ? or #"),
    ],
)
def test_a_mistake_outside_the_rules_is_told_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Every section has its own fields and bounds."""
    assert told(tmp_path, f"{RULE}{text}\n") == [f"bad.yaml:2:{said}"]


@pytest.mark.parametrize(
    ("written", "ms", "shown"),
    [
        ("500ms", 500, "500ms"),
        ("10s", 10_000, "10s"),
        ("1m30s", 90_000, "1m30s"),
        ("90s", 90_000, "1m30s"),
        ("5m", 300_000, "5m"),
        ("0h1m1s1ms", 61_001, "1m1s1ms"),
        ("1h", 3_600_000, "1h"),
    ],
)
def test_a_duration_is_read_and_shown(tmp_path: Path, written: str, ms: int, shown: str) -> None:
    """Hours, minutes, seconds and milliseconds, in this order."""
    assert loaded(tmp_path, f"{RULE}defaults: {{retry_every: {written}}}").rules[0].policy.retry_every == ms
    assert show_span(ms) == shown


@pytest.mark.parametrize(
    ("fields", "reads"),
    [
        ("agent: greeter", False),
        ("agent: greeter, when: \"room.name == 'a' && room.sid != '' && kind == 'SIP'\"", False),
        ("agent: greeter, metadata: participant_metadata", False),
        ("agent: {split: [{name: a, weight: 1}, {name: b, weight: 1}], by: participant.identity}", False),
        ("agent: greeter, when: has(metadata.vip)", True),
        ("agent: greeter, when: room.creation_time > 7", True),
        ("agent: greeter, metadata: room.metadata", True),
        ("agent: {cel: metadata.agent}", True),
        ("agent: greeter, fallback: [{cel: room.metadata}]", True),
        ("agent: {split: [{name: a, weight: 1}, {name: b, weight: 1}], by: metadata.tenant}", True),
    ],
)
def test_a_rule_knows_whether_it_reads_what_only_a_list_of_rooms_tells(
    tmp_path: Path, fields: str, *, reads: bool
) -> None:
    """A look that need not ask for the room takes one call less."""
    (one,) = loaded(tmp_path, f"rules: [{{name: all, {fields}}}]").rules
    assert one.reads_room is reads


@pytest.mark.parametrize(
    ("when", "late"),
    [
        ("metadata.plan == 'vip'", True),
        ("participant.attributes['sip.callStatus'] == 'active'", True),
        ("has(participant.metadata)", True),
        ("room.metadata != ''", True),
        ("room.name.startsWith('vip-') && kind == 'SIP' && participant.identity != 'bob'", False),
        ("participant.region == 'eu'", False),
    ],
)
def test_a_rule_knows_whether_it_reads_what_may_change_later(tmp_path: Path, when: str, *, late: bool) -> None:
    """Then whom it does not match is looked at again."""
    assert loaded(tmp_path, f'rules: [{{name: all, agent: greeter, when: "{when}"}}]').rules[0].late is late


def test_no_time_at_all_is_a_duration(tmp_path: Path) -> None:
    """A rule may take an agent for served however short it stays."""
    assert loaded(tmp_path, f"{RULE}defaults: {{min_stay: 0s}}").rules[0].policy.min_stay == 0
    assert show_span(0) == "0s"


def test_a_rule_says_no_more_than_it_must(tmp_path: Path) -> None:
    """A name and an agent make a rule; the rest are the core's own defaults."""
    config = loaded(tmp_path, RULE)

    assert config.rules == (Rule(name="all", policy=Policy(targets=(Target("greeter"),)), reads_room=False),)
    assert config.rules[0].policy.kinds == PERSON_KINDS
    assert (config.instance, config.sweep, config.create_rate) == ("default", SweepSettings(), CreateRate())


EVERY_FIELD = """
rules:
  - name: callers
    kinds: [SIP, BRIDGE]
    agent: {name: sales, deployment: blue}
    fallback: [overflow, {name: voicemail}, {name: sales}]
    trigger: participant_joined
    per: participant
    worker_type: publisher
    continue: true
    attempts: 2
    confirm_within: 1s
    confirm_early: false
    join_within: 2s
    min_stay: 3s
    retry_every: 4s
    on_finish: done
    finish_grace: 1s
    extra_agents: report
    unrequested_agents: remove
"""


def test_everything_that_a_rule_says_reaches_it(tmp_path: Path) -> None:
    """No field is read and forgotten; for expressions see test_config_expressions.py."""
    rule = loaded(tmp_path, EVERY_FIELD).rules[0]

    assert (rule.name, rule.go_on, rule.when) == ("callers", True, None)
    assert rule.policy == Policy(
        targets=(Target("sales", "blue"), Target("overflow"), Target("voicemail"), Target("sales")),
        kinds=frozenset({"SIP", "BRIDGE"}),
        per="participant",
        worker_type="publisher",
        attempts=2,
        confirm_within=1_000,
        confirm_early=False,
        join_within=2_000,
        min_stay=3_000,
        retry_every=4_000,
        on_finish="done",
        finish_grace=1_000,
        extra_agents="report",
        unrequested_agents="remove",
    )


def test_a_rule_passes_the_rooms_metadata_on_when_it_says_so(tmp_path: Path) -> None:
    """`room.metadata` is the room's metadata as it stands; a rule that says nothing sends none."""
    text = "rules: [{name: a, agent: x, trigger: room_started, metadata: room.metadata}, {name: b, agent: x}]"
    rules = loaded(tmp_path, text).rules

    assert rules[0].metadata is not None
    assert rules[0].metadata(ROOM, None) == ROOM.metadata
    assert rules[1].metadata is None


@pytest.mark.parametrize(
    ("agents", "targets"),
    [
        ("agent: {cel: metadata.agent}", (Target(""),)),
        ("agent: {cel: metadata.agent}, fallback: [b, {cel: kind}]", (Target("b"),)),
        (
            "agent: {split: [{name: a, weight: 1}, {name: a, deployment: c, weight: 1}]}, fallback: [a]",
            (Target("a"), Target("a", "c")),
        ),
    ],
)
def test_a_computed_agent_leaves_what_is_named_outright(
    tmp_path: Path, agents: str, targets: tuple[Target, ...]
) -> None:
    """The names that may be metric labels, each once; what an assignment gets is computed."""
    rule = loaded(tmp_path, f"rules: [{{name: x, {agents}}}]").rules[0]

    assert rule.policy.targets == targets
    assert rule.aim is not None


def test_a_rules_own_limit_wins_over_the_defaults(tmp_path: Path) -> None:
    """Even where it says what would hold without any defaults."""
    text = "rules: [{name: a, agent: x, attempts: 3}]\ndefaults: {attempts: 5, extra_agents: report}"
    policy = loaded(tmp_path, text).rules[0].policy

    assert (policy.attempts, policy.extra_agents) == (3, "report")


def test_the_rest_of_the_file_reaches_the_configuration(tmp_path: Path) -> None:
    """The sections that are not rules."""
    text = "instance: blue\nsweep: {every: 10s, looks_per_second: 7}\ncreate_rate: {per_second: 9, burst: 1}\n"
    text += "ended_rooms: {keep: 72h, max_rooms: 5000, max_bytes: 1GiB}\n"
    config = loaded(tmp_path, RULE + text)

    assert config.instance == "blue"
    assert config.sweep == SweepSettings(every=10_000, looks_per_second=7)
    assert config.create_rate == CreateRate(per_second=9, burst=1)
    assert config.ended_rooms == EndedRooms(keep=72 * 3_600_000, max_rooms=5_000, max_bytes=1 << 30)
    assert config.file == tmp_path / "bad.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules: [{name: a, agent: x, on: room}]",
            "1:29: rules[0].on: is called `trigger` now: participant_joined or room_started",
        ),
        ("rules: [{name: a, agent: x, worker: publisher}]", "1:29: rules[0].worker: is called `worker_type` now"),
        ("rules: [{name: a, agent: x, surplus: report}]", "1:29: rules[0].surplus: is called `extra_agents` now"),
        (RULE + "defaults: {surplus: report}", "2:12: defaults.surplus: is called `extra_agents` now"),
        (RULE + "pace: off", "2:1: pace: is called `create_rate` now; null instead of off"),
        (RULE + "pace: {per_second: 50}", "2:1: pace: is called `create_rate` now; null instead of off"),
        (RULE + "limit: {calls_per_second: 20}", "2:1: limit: is called `api_rate_limit` now; null instead of off"),
        (
            RULE + "projects: [{limit: off}]",
            "2:13: projects[0].limit: is called `api_rate_limit` now; null instead of off",
        ),
        (
            "projects: [{rules: [{name: a, agent: x, on: participant}]}]",
            "1:41: projects[0].rules[0].on: is called `trigger` now: participant_joined or room_started",
        ),
        (RULE + "max_sessions_at_once: 64", "2:1: max_sessions_at_once: is called `concurrency` now"),
        (RULE + "log: {identities: masked}", "2:1: log: is called `redact_identities` now: true or false"),
        (RULE + "create_rate: off", "2:14: create_rate: write null, or {per_second: 50, burst: 3}"),
        (RULE + "sweep: {limit: 1}", "2:9: sweep.limit: unknown field"),
    ],
)
def test_an_old_name_is_told_the_new_one(tmp_path: Path, text: str, said: str) -> None:
    """Each at its place, with what to write; a name that was never there is only unknown."""
    assert told(tmp_path, text) == [f"bad.yaml:{said}"]


@pytest.mark.parametrize("null", ["null", "~", "Null"])
def test_pacing_can_be_switched_off(tmp_path: Path, null: str) -> None:
    """With YAML's null, however it is written; absent, it has its default."""
    assert loaded(tmp_path, RULE + f"create_rate: {null}").create_rate is None
    assert loaded(tmp_path, RULE).create_rate == CreateRate()


def test_workers_are_where_they_are_asked(tmp_path: Path) -> None:
    """Without a slash at the end; none are configured unless somebody writes them."""
    text = "rules: [{name: a, agent: x}]\n"

    assert loaded(tmp_path, text).workers == ()
    assert loaded(tmp_path, text + "workers: ['http://a:1/', 'dns+http://[::1]:8081']\n").workers == (
        "http://a:1", "dns+http://[::1]:8081"
    )  # fmt: skip
