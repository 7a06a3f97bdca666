"""What the environment says, alone and together with a file."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dispatcher.config import Config, LedgerAt, Secret, load
from dispatcher.config.environment import HOST, read_environment, service_url
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.ledger.redis import address
from tests.unit.config.files import CONNECTION, RULE, complaints, loaded, told

AGENT = {"DISPATCHER_AGENT": "greeter"}
NAME = "write the name your agent registers under, not empty, without spaces around it"
KUBERNETES = "ignored: Kubernetes sets it for a Service named dispatcher; `enableServiceLinks: false` keeps it out"
PAIRS = "write it as LiveKit does: `key: secret`, one pair a line, with the space"
QUOTES = "is in quotes, which count as part of it here, as for docker's --env-file: leave them out"
PORT = "write a whole number from 0 to 65535"
URL = "write a URL such as wss://example.livekit.cloud or http://localhost:7880"
SHORT = "environment: DISPATCHER_API_TOKEN: under 16 characters can be guessed; take some of `openssl rand -hex 32`"
NO_URL = "environment: LIVEKIT_URL: missing; where your LiveKit answers, such as wss://example.livekit.cloud"
NO_KEY = "environment: LIVEKIT_API_KEY: missing; set it and LIVEKIT_API_SECRET (or LIVEKIT_KEYS)"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is an empty one."""
    monkeypatch.chdir(tmp_path)


def alone(environ: Mapping[str, str]) -> Config:
    """The environment, an agent and no file."""
    return load(None, {**AGENT, **environ})


def keys(config: Config) -> list[tuple[str, str, str, str]]:
    """Project, url, key and secret of each key, in order."""
    return [
        (project.name, project.url, key, secret.get_secret_value())
        for project in config.projects
        for key, secret in project.keys.items()
    ]


def test_one_agent_in_every_room_needs_no_file() -> None:
    """DISPATCHER_AGENT is one rule named default."""
    config = alone(CONNECTION)

    assert config.rules == (Rule(name="default", policy=Policy(targets=(Target("greeter"),)), reads_room=False),)
    assert keys(config) == [("default", "wss://livekit.example", "APIenv", "hush-env")]
    assert (config.host, config.port, config.instance) == ("0.0.0.0", 8080, "default")  # noqa: S104  the default
    assert (config.ledger, config.api_token, config.file, config.warnings) == (None, None, None, ())


def test_every_variable_reaches_the_configuration() -> None:
    """What is set is what holds."""
    config = alone(
        CONNECTION
        | {
            "REDIS_URL": "rediss://:hush@redis.example/0",
            "DISPATCHER_HOST": "::1",
            "DISPATCHER_PORT": "0",
            "DISPATCHER_API_TOKEN": "t0ken",
        },
    )

    assert config.ledger == LedgerAt("redis", address.read("rediss://:hush@redis.example/0"))
    assert config.api_token == Secret("t0ken")
    assert (config.host, config.port) == ("::1", 0)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"LIVEKIT_URL": "livekit.example"}, [f"environment: LIVEKIT_URL: {URL}"]),
        ({"LIVEKIT_URL": " "}, [NO_URL]),
        ({"LIVEKIT_API_SECRET": ""}, ["environment: LIVEKIT_API_SECRET: missing; LIVEKIT_API_KEY is set"]),
        ({"LIVEKIT_API_KEY": ""}, ["environment: LIVEKIT_API_KEY: missing; LIVEKIT_API_SECRET is set"]),
        ({"LIVEKIT_API_KEY": "", "LIVEKIT_API_SECRET": ""}, [NO_KEY]),
        ({"LIVEKIT_API_KEY": "a b"}, ["environment: LIVEKIT_API_KEY: write the API key, without spaces"]),
        (
            {"LIVEKIT_API_SECRET": "hush\nhush"},
            ["environment: LIVEKIT_API_SECRET: has line ends inside; a secret is one line"],
        ),
        (
            {"LIVEKIT_API_SECRET_FILE": "x"},
            ["environment: LIVEKIT_API_SECRET_FILE: LIVEKIT_API_SECRET is set too; set one of them"],
        ),
        (
            {"LIVEKIT_API_SECRET": "", "LIVEKIT_API_SECRET_FILE": "none"},
            ["environment: LIVEKIT_API_SECRET_FILE: cannot read none: No such file or directory"],
        ),
        ({"LIVEKIT_KEYS": "APIhush:hush"}, [f"environment: LIVEKIT_KEYS: {PAIRS}"]),
        ({"LIVEKIT_KEYS": "{}"}, [f"environment: LIVEKIT_KEYS: {PAIRS}"]),
        ({"LIVEKIT_KEYS": "APIx: "}, [f"environment: LIVEKIT_KEYS: {PAIRS}"]),
        ({"LIVEKIT_KEYS": "APIx: [hush]"}, [f"environment: LIVEKIT_KEYS: {PAIRS}"]),
        ({"LIVEKIT_KEYS": "APIx: hush\nAPIx: hush"}, [f"environment: LIVEKIT_KEYS: {PAIRS}"]),
        ({"LIVEKIT_KEYS": "API x: hush"}, ["environment: LIVEKIT_KEYS: write the API key, without spaces"]),
        (
            {"LIVEKIT_KEYS": "APIenv: hush"},
            ["environment: LIVEKIT_KEYS: has another secret for the key of LIVEKIT_API_KEY"],
        ),
        ({"REDIS_URL": "localhost:6379"}, ["environment: REDIS_URL: write a URL such as redis://localhost:6379/0"]),
        (
            {"REDIS_URL": "redis://a/hush", "DISPATCHER_PORT": "http"},
            ["environment: DISPATCHER_PORT: " + PORT, "environment: REDIS_URL: the database is a number, as in /0"],
        ),
        (
            {"DISPATCHER_AGENT": "a\nb"},
            [f"environment: DISPATCHER_AGENT: {NAME}"],
        ),
        (
            {"DISPATCHER_AGENT": ""},
            ["environment: DISPATCHER_AGENT: missing; set it to your agent's name, or write rules in a file"],
        ),
        ({"DISPATCHER_PORT": "http"}, [f"environment: DISPATCHER_PORT: {PORT}"]),
        ({"DISPATCHER_PORT": "65536"}, [f"environment: DISPATCHER_PORT: {PORT}"]),
        ({"DISPATCHER_PORT": "-1"}, [f"environment: DISPATCHER_PORT: {PORT}"]),
        ({"DISPATCHER_ADMIN_PORT": "x"}, [f"environment: DISPATCHER_ADMIN_PORT: {PORT}"]),
        (
            {"DISPATCHER_ADMIN_PORT": "8080"},
            ["environment: DISPATCHER_ADMIN_PORT: is the webhooks' port too; take another, or leave it out"],
        ),
        ({"LIVEKIT_URL": '"wss://a"'}, [f"environment: LIVEKIT_URL: {QUOTES}"]),
        ({"LIVEKIT_API_KEY": "'APIenv'"}, [f"environment: LIVEKIT_API_KEY: {QUOTES}"]),
        ({"DISPATCHER_API_TOKEN": "'hush-hush-hush-hush'"}, [f"environment: DISPATCHER_API_TOKEN: {QUOTES}"]),
        ({"DISPATCHER_CONFIG": "none.yaml"}, ["none.yaml: cannot be read: No such file or directory"]),
        (
            {"DISPATCHER_API_TOKEN": "a b"},
            [
                "environment: DISPATCHER_API_TOKEN: write a token of ASCII letters, digits and signs, without spaces",
            ],
        ),
    ],
)
def test_a_mistake_in_the_environment_is_told(variables: dict[str, str], said: list[str]) -> None:
    """The variable, and what to write instead; never what it holds."""
    assert complaints(None, CONNECTION | AGENT | variables) == said


def test_nothing_at_all_says_what_is_needed() -> None:
    """Somebody who has set nothing reads what to set."""
    assert complaints(None, {}) == [
        "environment: DISPATCHER_AGENT: missing; set it to your agent's name, or write rules in a file",
        NO_URL,
        NO_KEY,
    ]


def test_keys_may_be_given_as_livekit_takes_them() -> None:
    """LIVEKIT_KEYS has a pair a line; values are text whatever they look like."""
    variables = {"LIVEKIT_URL": "ws://a:7880/", "LIVEKIT_KEYS": "APInew: 0123\nAPIold: yes\n"}

    assert keys(alone(variables)) == [
        ("default", "ws://a:7880", "APInew", "0123"),
        ("default", "ws://a:7880", "APIold", "yes"),
    ]


def test_the_single_key_comes_before_the_others() -> None:
    """The first key signs our own calls."""
    pairs = {"LIVEKIT_KEYS": "{APIold: hush, APIenv: hush-env}"}

    assert [row[2] for row in keys(alone(CONNECTION | pairs))] == ["APIenv", "APIold"]


def test_secrets_may_be_in_files(tmp_path: Path) -> None:
    """Each secret has a `_FILE` form; the line break at a file's end is no part of it."""
    contents = {
        "LIVEKIT_API_SECRET": "one\n",
        "LIVEKIT_KEYS": "APIold: two\nAPIolder: three\n",
        "REDIS_URL": "redis://redis.example\n",
        "DISPATCHER_API_TOKEN": "t0ken\n",
    }
    environ = {"LIVEKIT_URL": "ws://a", "LIVEKIT_API_KEY": "APIenv"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        environ[f"{name}_FILE"] = str(tmp_path / name)
    config = alone(environ)

    assert [row[2:] for row in keys(config)] == [("APIenv", "one"), ("APIold", "two"), ("APIolder", "three")]
    assert config.ledger == LedgerAt("redis", address.read("redis://redis.example"))
    assert config.api_token == Secret("t0ken")


def test_what_kubernetes_sets_by_itself_is_no_port() -> None:
    """A Service named dispatcher makes it set DISPATCHER_PORT; that stops nobody, and is said."""
    config = alone(CONNECTION | {"DISPATCHER_PORT": "tcp://10.0.0.1:8080"})

    assert config.port == 8080
    assert [str(warning) for warning in config.warnings] == [f"environment: DISPATCHER_PORT: {KUBERNETES}"]


@pytest.mark.parametrize("service", ["DISPATCHER", "DISPATCHER_ADMIN"])
def test_services_of_kubernetes_stop_no_command(service: str) -> None:
    """Whatever Services there are, and whoever asks for the port."""
    links = {f"{service}_PORT": "tcp://10.0.0.1:80", f"{service}_SERVICE_HOST": "10.0.0.1"}
    links |= {f"{service}_PORT_80_TCP_ADDR": "10.0.0.1", "LIVEKIT_PORT": "tcp://10.0.0.2:7880"}
    config = alone(CONNECTION | links)

    assert (config.port, config.admin_port) == (8080, None)
    assert [warning.field for warning in config.warnings] == [f"{service}_PORT"]
    assert service_url(links) == service_url(links, admin=True) == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("variables", "webhooks", "admin"),
    [
        ({}, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ({"DISPATCHER_PORT": "9000"}, "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ({"DISPATCHER_ADMIN_PORT": "9001"}, "http://127.0.0.1:8080", "http://127.0.0.1:9001"),
        ({"DISPATCHER_HOST": HOST}, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ({"DISPATCHER_HOST": "::"}, "http://[::1]:8080", "http://[::1]:8080"),
        ({"DISPATCHER_HOST": "10.0.0.7"}, "http://10.0.0.7:8080", "http://10.0.0.7:8080"),
        ({"DISPATCHER_HOST": "fd00::7", "DISPATCHER_PORT": "1"}, "http://[fd00::7]:1", "http://[fd00::7]:1"),
        ({"DISPATCHER_PORT": "http"}, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_commands_ask_the_service_where_it_listens(variables: dict[str, str], webhooks: str, admin: str) -> None:
    """On the same machine, with the same environment."""
    assert (service_url(variables), service_url(variables, admin=True)) == (webhooks, admin)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DISPATCHER_AGENTS", "DISPATCHER_AGENT"),
        ("DISPATCHER_AGENT_NAME", "DISPATCHER_AGENT"),
        ("DISPATCHER_TOKEN", "DISPATCHER_API_TOKEN"),
        ("DISPATCHER_REDIS_URL", "REDIS_URL"),
        ("DISPATCHER_CONFIG_FILE", "DISPATCHER_CONFIG"),
        ("LIVEKIT_SECRET", "LIVEKIT_API_SECRET"),
        ("LIVEKIT_API_SECRET_FLIE", "LIVEKIT_API_SECRET_FILE"),
        ("LIVEKIT_WS_URL", "LIVEKIT_URL"),
    ],
)
def test_a_variable_that_resembles_ours_is_warned_of(written: str, meant: str) -> None:
    """It would be passed over in silence; its value is not shown."""
    warnings = alone(CONNECTION | {written: "hush"}).warnings
    said = f"ignored: no variable of ours; is {meant} meant?"

    assert [str(warning) for warning in warnings] == [f"environment: {written}: {said}"]


@pytest.mark.parametrize("other", ["LIVEKIT_AGENT_NAME", "LIVEKIT_LOG_LEVEL", "DISPATCHER_URL", "REDIS_URI"])
def test_others_variables_are_nothing_to_us(other: str) -> None:
    """LiveKit's programs have their own, and so have whoever starts us."""
    assert alone(CONNECTION | {other: "x"}).warnings == ()


def test_the_file_is_the_one_named_else_that_of_the_environment_else_the_usual_one(tmp_path: Path) -> None:
    """The command line comes before DISPATCHER_CONFIG, and that before dispatcher.yaml."""
    for name in ("usual", "variable", "named"):
        (tmp_path / f"{name}.yaml").write_text(f"{RULE}instance: {name}\n")
    (tmp_path / "usual.yaml").rename(tmp_path / "dispatcher.yaml")
    variable = CONNECTION | {"DISPATCHER_CONFIG": "variable.yaml"}

    assert load(None, CONNECTION).instance == "usual"
    assert load(None, CONNECTION).file == Path("dispatcher.yaml")
    assert load(None, variable).instance == "variable"
    assert load(Path("named.yaml"), variable).instance == "named"


def test_an_agent_and_a_file_with_rules_contradict_each_other(tmp_path: Path) -> None:
    """Nobody should have to guess which of them holds."""
    assert told(tmp_path, RULE, CONNECTION | AGENT) == [
        "environment: DISPATCHER_AGENT: bad.yaml has rules; unset it, or take them out",
    ]


@pytest.mark.parametrize(("rules", "place"), [("", "1:1"), ("rules: []\n", "3:8")])
def test_an_agent_goes_with_a_file_without_rules(tmp_path: Path, rules: str, place: str) -> None:
    """The file's other fields hold, its defaults too; without the agent the file assignments rules."""
    text = f"instance: blue\ndefaults: {{attempts: 5}}\n{rules}"
    config = loaded(tmp_path, text, CONNECTION | AGENT)

    assert (config.instance, config.rules[0].name, config.rules[0].policy.attempts) == ("blue", "default", 5)
    assert told(tmp_path, text) == [
        f"bad.yaml:{place}: rules: missing; write a rule, or set DISPATCHER_AGENT to your agent's name",
    ]


TWO = (
    RULE
    + "projects:\n- {name: eu, url: wss://eu, keys: {APIeu: one}}\n- {name: us, url: wss://us, keys: {APIus: two}}\n"
)


def test_the_environment_wins_over_the_only_project(tmp_path: Path) -> None:
    """Its url and all its keys are replaced; its name stays."""
    text = RULE + "projects: [{name: eu, url: wss://eu, keys: {APIeu: one}}]"

    assert keys(loaded(tmp_path, text)) == [("eu", "wss://livekit.example", "APIenv", "hush-env")]
    assert keys(loaded(tmp_path, text, {"LIVEKIT_URL": "ws://b"})) == [("eu", "ws://b", "APIeu", "one")]
    assert keys(loaded(tmp_path, text, {"LIVEKIT_KEYS": "a: b"})) == [("eu", "wss://eu", "a", "b")]
    assert keys(loaded(tmp_path, text, {})) == [("eu", "wss://eu", "APIeu", "one")]


def test_of_several_projects_the_environment_can_mean_none(tmp_path: Path) -> None:
    """Told of each variable, even where one is named default; without these variables nothing is wrong."""
    reason = "the file has several projects; write each one's url and keys there, as ${VARIABLE} or file:/path"
    every = [f"environment: {name}: {reason}" for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")]

    assert told(tmp_path, TWO) == every
    assert told(tmp_path, TWO.replace("name: us, ", "")) == every
    assert told(tmp_path, TWO, {"LIVEKIT_KEYS": "a: b"}) == [f"environment: LIVEKIT_KEYS: {reason}"]
    assert len(keys(loaded(tmp_path, TWO, {}))) == 2


@pytest.mark.parametrize(
    ("projects", "environ", "said"),
    [
        (
            "[{name: eu}]",
            {},
            [
                "bad.yaml:2:12: projects[0].url: missing; or set LIVEKIT_URL",
                "bad.yaml:2:12: projects[0].keys: missing; or set LIVEKIT_KEYS",
            ],
        ),
        ("[{name: eu}]", {"LIVEKIT_URL": "ws://a"}, ["bad.yaml:2:12: projects[0].keys: missing; or set LIVEKIT_KEYS"]),
        (
            "[{name: eu}]",
            {"LIVEKIT_URL": "x"},
            ["bad.yaml:2:12: projects[0].keys: missing; or set LIVEKIT_KEYS", f"environment: LIVEKIT_URL: {URL}"],
        ),
        (
            "[{url: 'ws://a', keys: {c: d}}, {name: eu, keys: {a: b}}, {name: us, url: 'ws://b'}]",
            {},
            ["bad.yaml:2:43: projects[1].url: missing", "bad.yaml:2:69: projects[2].keys: missing"],
        ),
    ],
)
def test_every_project_has_a_url_and_keys_of_its_own(
    tmp_path: Path, projects: str, environ: dict[str, str], said: list[str]
) -> None:
    """From the file, or for one of them from the environment."""
    assert told(tmp_path, f"{RULE}projects: {projects}\n", environ) == said


def test_a_list_without_projects_is_none(tmp_path: Path) -> None:
    """The environment then says all of it."""
    assert keys(loaded(tmp_path, f"{RULE}projects: []\n"))[0][0] == "default"
    assert told(tmp_path, f"{RULE}projects: []\n", {}) == [NO_URL, NO_KEY]


def test_the_environment_is_only_read() -> None:
    """A value that is wrong has none, and is known to have been given."""
    environment = read_environment({"LIVEKIT_URL": "x"})

    assert environment.url is None
    assert environment.given == {"LIVEKIT_URL"}


@pytest.mark.parametrize(("token", "told"), [("x" * 16, []), ("x" * 15, [SHORT])])
@pytest.mark.parametrize("in_file", [False, True])
def test_a_short_token_is_warned_of(tmp_path: Path, token: str, told: list[str], *, in_file: bool) -> None:
    """It holds; nothing slows down who guesses, and it is never shown."""
    (tmp_path / "token").write_text(token)
    variable = {"DISPATCHER_API_TOKEN_FILE": str(tmp_path / "token")} if in_file else {"DISPATCHER_API_TOKEN": token}
    config = alone(CONNECTION | variable)

    assert config.api_token is not None
    assert config.api_token.get_secret_value() == token
    assert [str(warning) for warning in config.warnings] == told
