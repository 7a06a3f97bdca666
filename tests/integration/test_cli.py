"""The commands as somebody types them: what they print, and with which code they end."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp
import pytest

from dispatcher.cli.main import main
from dispatcher.livekit.webhook import sign
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings
from tests.integration.house import SPEED
from tests.real.server import free_port

KEY, SECRET = next(iter(DEV_KEYS.items()))
NOWHERE = "http://127.0.0.1:9"  # nothing listens there
ENVIRONMENT = {
    "LIVEKIT_URL": NOWHERE,
    "LIVEKIT_API_KEY": KEY,
    "LIVEKIT_API_SECRET": SECRET,
    "DISPATCHER_AGENT": "greeter",
    "DISPATCHER_HOST": "127.0.0.1",
}
OURS = ("LIVEKIT_", "DISPATCHER_", "REDIS_")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An empty folder to work in, and an environment that says all that is needed."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)
    yield monkeypatch
    logging.getLogger().handlers[:] = handlers


# check --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shell")
def test_check_says_that_the_environment_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Which projects and rules there are; never a secret."""
    assert main(["check"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "environment: right. Projects: default. Rules: default.\n"
    assert printed.err == ""


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_short_secret_is_one_line(
    shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Of `check` and of `doctor`, which names the key; nowhere Python's own warning at each token."""
    shell.setenv("LIVEKIT_API_SECRET", "secret")
    main([command])
    printed = capsys.readouterr()
    (line,) = [line for line in (printed.out + printed.err).splitlines() if "under 32 bytes" in line]
    assert KEY in line
    assert "InsecureKeyLength" not in printed.err


def test_a_variable_that_is_misspelt_is_warned_of(
    shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops nobody."""
    shell.setenv("DISPATCHER_TOKEN", "hush")
    assert main(["check"]) == 0
    said = "ignored: no variable of ours; is DISPATCHER_API_TOKEN meant?"
    assert capsys.readouterr().err == f"environment: DISPATCHER_TOKEN: {said}\n"


def test_a_proxy_that_we_cannot_go_by_is_refused(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Aloud: calls that went past it would go where somebody does not want them."""
    shell.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    assert main(["check"]) == 2
    said = "only http:// proxies are known here; unset it for this process, or name one"
    assert capsys.readouterr().err == f"environment: HTTPS_PROXY: {said}\n"


def test_check_says_where_the_ledger_is(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In Redis by which name, and that a dry run's is not there."""
    shell.setenv("REDIS_URL", "redis://:hush@127.0.0.1:9")
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1:] == ["Ledger: Redis, as instance default; of a dry run: in memory, its own."]
    assert "hush" not in printed


def test_check_says_where_launchers_are_asked(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that rules may name; one that this file only starts is not."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "dispatcher.yaml").write_text(
        "launchers: {own: {command: [a], limit: 1}, avatar: {urls: ['http://a:8089', 'http://b:8089']}}\n"
        "rules: [{name: all, agent: greeter, fallback: [{launch: avatar}]}]\n"
    )
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    assert "asks launch:avatar after" in printed
    assert printed.splitlines()[-1] == "Launcher avatar: asked at http://a:8089, http://b:8089."


def test_check_names_the_file(shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one given, else the one in the folder; what is odd about it is said beside."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "dispatcher.yaml").write_text(
        "rules: [{name: all, kinds: [SIP], agent: greeter}, {name: never, kinds: [SIP], agent: other}]\n"
    )
    for arguments in (["check"], ["check", "--config", "dispatcher.yaml"]):
        assert main(arguments) == 0
        printed = capsys.readouterr()
        assert printed.out == "dispatcher.yaml: right. Projects: default. Rules: all, never.\n"
        warning, hint, *_ = printed.err.splitlines()
        assert "rules[1].name: never used" in warning
        assert hint.startswith("hint: dispatcher.yaml:1:16: rules[0].name: matches outbound calls, too")


def test_check_says_by_when_each_fallback_is_asked(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one and the last, with the rule's own limits; nothing where there is none."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "dispatcher.yaml").write_text("""
rules:
- {name: alone, when: "room.name == 'a'", agent: a}
- {name: usual, when: "room.name == 'b'", agent: a, fallback: [b, c, {name: d, deployment: blue}]}
- {name: quick, when: "room.name == 'c'", agent: a, fallback: [b], attempts: 1, join_within: 12s}
- name: odd
  agent: a
  fallback: [{cel: metadata.agent}, {split: [{name: x, weight: 1}, {name: y, weight: 1}]}]
""")
    assert main(["check"]) == 0
    silent, no_show = "at the latest if no worker takes the job", "if one does and no agent joins"
    and_so = f"after 92 s and 184 s {no_show}"
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"Rule usual: asks b and d@blue after 38 s and 114 s {silent}, after 92 s and 276 s {no_show}.",
        f"Rule quick: asks b after 12 s {silent}, after 12 s {no_show}.",
        f"Rule odd: asks an agent that is computed and one of a split after 38 s and 76 s {silent}, {and_so}.",
    ]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_law_12_a_wrong_file_is_refused_with_every_problem(
    command: str, shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its place; nothing is started."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "odd.yaml").write_text("rules:\n  - {name: all, agnet: greeter}\nsweeep: {}\n")
    assert main([command, "--config", "odd.yaml"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "odd.yaml:2" in printed.err
    assert "odd.yaml:3" in printed.err


def test_a_missing_setting_is_named(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as of a wrong file."""
    shell.delenv("LIVEKIT_URL")
    assert main(["check"]) == 2
    assert "LIVEKIT_URL" in capsys.readouterr().err


def test_check_prints_what_is_in_force(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file and the environment together, defaults filled in; never a secret."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "dispatcher.yaml").write_text("rules: [{name: all, agent: {cel: metadata.agent}}]\n")
    assert main(["check", "--print"]) == 0
    printed = capsys.readouterr().out
    assert "    cel: metadata.agent" in printed
    assert "  url: http://127.0.0.1:9" in printed
    assert "retry_every: 30s" in printed
    assert SECRET not in printed


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """For an editor; no configuration is needed for it."""
    assert main(["schema"]) == 0
    assert "RuleFields" in json.loads(capsys.readouterr().out)["$defs"]


# rules --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ruled(shell: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with rules, and an environment that says nothing of any LiveKit."""
    for name in ENVIRONMENT:
        shell.delenv(name)
    (tmp_path / "dispatcher.yaml").write_text("rules: [{name: lobby, when: room.name == 'lobby', agent: greeter}]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("case", "code", "last"),
    [
        ("{case: a, participant: {}, room: {name: lobby}, expect: {rule: lobby}}", 0, "1 cases, 0 failed"),
        ("{case: a, participant: {}, room: {name: other}, expect: {rule: lobby}}", 1, "1 cases, 1 failed"),
    ],
)
def test_rules_are_tested(ruled: Path, case: str, code: int, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and 1 when a case fails; for CI, which has no LiveKit."""
    (ruled / "cases.yaml").write_text(f"cases: [{case}]\n")
    assert main(["rules", "test", "cases.yaml"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_cases_that_cannot_be_run_are_exit_code_2(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So are rules that cannot be read."""
    (ruled / "cases.yaml").write_text("cases: [{case: a}]\n")
    assert main(["rules", "test", "cases.yaml"]) == 2
    (ruled / "odd.yaml").write_text("rules: [{name: a, agent: x, when: foo}]\n")
    assert main(["rules", "test", "cases.yaml", "--config", "odd.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "cases.yaml:1:9: cases[0].expect: missing",
        "odd.yaml:1:35: rules[0].when: unknown name 'foo'; a text has quotes of its own: 'foo'",
    ]


@pytest.mark.usefixtures("ruled")
def test_rules_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """One recorded webhook, and each rule's answer."""
    recorded = Path(__file__).parents[1] / "recorded" / "02-participant_joined-standard.json"
    assert main(["rules", "explain", "--event", str(recorded)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  lobby  no: false: room.name == 'lobby'"]


@pytest.mark.usefixtures("ruled")
def test_rules_are_explained_for_a_room_that_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    """By options; what makes no sense is code 2, and a service that is not there 1."""
    assert main(["rules", "explain", "--room", "lobby", "--kind", "SIP", "--attribute", "a=b"]) == 0
    assert main(["rules", "explain", "--room", "lobby", "--kind", "phone"]) == 2
    assert main(["rules", "explain", "--live", "lobby", "--url", "http://127.0.0.1:9"]) == 1
    told, wrong = capsys.readouterr()
    described, rule, nobody = told.splitlines()
    assert (described, rule) == ("participant_joined in lobby: somebody, SIP", "  lobby  yes: greeter")
    assert nobody.endswith("is the service running there?")
    assert wrong.startswith("--kind phone: one of ")


# the command line ---------------------------------------------------------------------------------------------------


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else is printed."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{version('livekit-dispatcher')}\n"


def test_python_m_dispatcher_is_dispatcher() -> None:
    """The same command by another name."""
    done = subprocess.run([sys.executable, "-m", "dispatcher", "--version"], capture_output=True, text=True, check=True)
    assert version("livekit-dispatcher") in done.stdout


@pytest.mark.parametrize("arguments", [["sing"], ["serve", "--log", "xml"], ["check", "--dry-run"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With how it is written right."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: dispatcher" in capsys.readouterr().err


def test_explain_without_the_file_it_is_told_of(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The variable is named, and the reason."""
    shell.setenv("DISPATCHER_API_TOKEN_FILE", "nowhere/token")
    assert main(["explain", "lobby", "--url", NOWHERE]) == 2
    assert capsys.readouterr().err == "environment: DISPATCHER_API_TOKEN_FILE: No such file or directory\n"


def test_explain_says_when_nobody_answers(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks a running service, and there is none: exit code 1, and never the token."""
    (tmp_path / "token").write_text("a-token-of-ours\n")
    shell.setenv("DISPATCHER_API_TOKEN_FILE", "token")
    assert main(["explain", "lobby", "--url", NOWHERE]) == 1
    printed = capsys.readouterr()
    assert "is the service running there?" in printed.out
    assert "a-token-of-ours" not in printed.out + printed.err


# serve --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "serve"])
def test_law_12_a_wrong_redis_url_is_refused(
    command: str, shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with it is named, and what it holds is not."""
    shell.setenv("REDIS_URL", "redis://:hush@127.0.0.1:six/0")
    assert main([command]) == 2
    told = "environment: REDIS_URL: a port is a number up to 65535, after the host and a colon\n"
    assert capsys.readouterr().err == told


def test_serve_needs_its_port(shell: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """One that is taken is exit code 1, and named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shell.setenv("DISPATCHER_PORT", str(taken.getsockname()[1]))
        assert main(["serve"]) == 1
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (line["level"], line["action"], line["host"]) == ("error", "address.refused", "127.0.0.1")


def test_serve_refuses_a_file_of_launchers_alone(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else it would serve by no rules, and nobody would get an agent."""
    shell.delenv("DISPATCHER_AGENT")
    (tmp_path / "dispatcher.yaml").write_text("launchers: {avatar: {command: [python, avatar.py], limit: 8}}\n")

    assert main(["serve"]) != 0
    assert "dispatcher.yaml:1:1: rules: missing" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_goes_on_until_it_is_told_to_stop(
    number: signal.Signals, shell: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says where it serves, that it stops and that it has stopped: exit code 0."""
    port = free_port()
    shell.setenv("DISPATCHER_PORT", str(port))
    shell.setenv("REDIS_URL", "redis://127.0.0.1:9")  # nobody is there, and a dry run is ready all the same
    teller = threading.Thread(target=_stop_when_ready, args=(port, number))
    teller.start()
    assert main(["serve", "--dry-run"]) == 0
    teller.join()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    serving = next(line for line in lines if line["action"] == "service.started")
    assert (serving["url"], serving["dry_run"]) == (f"http://127.0.0.1:{port}/webhook", True)
    assert (serving["ledger"], serving["instance"]) == ("memory", "default")
    assert [line["level"] for line in lines if line["action"] == "redis.unused"] == ["warning"]
    assert [line["action"] for line in lines][-2:] == ["service.stopping", "service.stopped"]


def _stop_when_ready(port: int, number: signal.Signals) -> None:
    """The signal is sent once /readyz says 200: its handler is there by then. Else nothing is, and nobody is hurt."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                os.kill(os.getpid(), number)
                return
        except (URLError, OSError):
            time.sleep(0.02)


class Process:
    """A running `dispatcher serve`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def told(self, action: str) -> dict[str, Any]:
        """The next line of this action."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                self.lines.append(json.loads(line))
                if self.lines[-1]["action"] == action:
                    return self.lines[-1]
        raise AssertionError(f"{action} was not told, but {self.lines}")


@asynccontextmanager
async def serving(folder: Path, livekit: FakeLiveKit, *options: str) -> AsyncIterator[Process]:
    """The service runs in a process of its own, and has LiveKit's webhooks; at the end it is gone, however."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatcher", "serve", *options),
        cwd=folder,
        env={**kept, **ENVIRONMENT, "LIVEKIT_URL": livekit.url, "DISPATCHER_PORT": str(free_port())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    service = Process(process)
    try:
        livekit.webhook_url = (await service.told("service.started"))["url"]
        yield service
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_told_to_stop_in_mid_create_it_ends_within_ten_seconds(tmp_path: Path) -> None:
    """LiveKit hangs: what can be known is saved, webhooks are recorded or put off, never refused; exit code 0."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, serving(tmp_path, livekit) as service:
        livekit.faults.lose_replies("CreateDispatch", hang=True)
        await livekit.rooms.join("lobby", "alice")
        await livekit.wait_until(lambda: livekit.create_calls)
        began = time.monotonic()
        service.process.terminate()
        await service.told("service.stopping")
        assert livekit.webhook_url is not None
        async with aiohttp.ClientSession() as http:
            body = b'{"event":"room_started","id":"EV_late","room":{"sid":"RM_late","name":"late"}}'
            token = sign(body, key=KEY, secret=SECRET, now=int(time.time() * 1000))
            late = await http.post(livekit.webhook_url, data=body, headers={"Authorization": token})
            assert late.status in {200, 503}
            readiness = await http.get(livekit.webhook_url.replace("/webhook", "/readyz"))
            assert (readiness.status, (await readiness.json())["reason"]) == (503, "draining")
        await service.told("service.stopped")
        assert await service.process.wait() == 0
        assert time.monotonic() - began < 10
        assert [line["reason"] for line in service.lines if line["action"] == "dispatch.unanswered"] == ["timeout"]
        assert len(livekit.create_calls) == 1


async def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    """SIGHUP, as daemons have it: the process goes on."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, serving(tmp_path, livekit) as service:
        service.process.send_signal(signal.SIGHUP)
        assert (await service.told("config.reloaded"))["projects"] == ["default"]
        service.process.terminate()
        await service.told("service.stopped")
