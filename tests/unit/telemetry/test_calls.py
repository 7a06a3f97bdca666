"""How the calls to LiveKit and the ledger stand: what is counted, and which lines tell of it."""

import pytest

from dispatcher.client.launchers import LaunchAsked, LaunchReply
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.livekit.failures import Reason, Unavailable
from dispatcher.telemetry.calls import CallRecorder
from dispatcher.telemetry.outages import Outages
from tests.unit.desk import PROJECT, Desk


class Calls:
    """A recorder on a clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.desk = Desk()
        self.recorder = CallRecorder(self.desk.log, self.desk.metrics, self.desk.health, Outages(lambda: self.now))

    def told(self) -> list[str]:
        """The actions of all lines."""
        return [line["action"] for line in self.desk.lines]


@pytest.mark.parametrize(("reason", "level"), [(Reason.UNAUTHORIZED, "error"), (Reason.TIMEOUT, "warning")])
def test_a_failed_look_is_the_projects(reason: Reason, level: str) -> None:
    """A refused key is an error: it stays so until somebody mends it."""
    calls = Calls()
    calls.recorder.look_failed(PROJECT, Unavailable("ListRooms", reason))
    line = {name: value for name, value in calls.desk.lines[0].items() if name not in {"ts", "msg"}}
    assert line == {"level": level, "action": "look.failed", "project": PROJECT, "why": reason}


def test_a_livekit_that_is_away_is_told_as_a_state() -> None:
    """By looks and sweeps together: at once, every 30 s, and when it answers; the metric counts each failure."""
    calls = Calls()
    down = Unavailable("ListRooms", Reason.UNREACHABLE)
    for _ in range(45):
        calls.recorder.look_failed(PROJECT, down)
        calls.now += 1
    calls.recorder.sweep_failed(PROJECT, down)
    assert calls.told() == ["look.failed", "look.failed"]
    assert calls.desk.value("livekit_consecutive_failures", project=PROJECT) == 46
    calls.recorder.livekit_answered(PROJECT)
    calls.recorder.livekit_answered(PROJECT)
    assert calls.told()[2:] == ["look.recovered"]
    assert calls.desk.lines[-1].items() >= {"seconds": 45, "failures": 46}.items()
    assert calls.desk.value("livekit_consecutive_failures", project=PROJECT) == 0


def test_a_redirect_is_named() -> None:
    """Where LiveKit's address leads: a proxy that wants https, or a page to log in at."""
    calls = Calls()
    calls.recorder.sweep_failed(
        PROJECT, Unavailable("ListRooms", Reason.REDIRECTED, leads_to="https://livekit.example.com")
    )
    assert calls.desk.lines[0]["leads_to"] == "https://livekit.example.com"


def test_a_ledger_that_is_away_is_told_as_a_state() -> None:
    """Whatever asks it, and however often: at once, every 30 s, and when it answers."""
    calls = Calls()
    for _ in range(400):
        calls.recorder.ledger_called("claim", 0.1, LedgerUnavailable("Redis: ConnectionError"))
        calls.now += 0.1
    calls.recorder.ledger_called("claim", 0.001, None)
    calls.recorder.ledger_called("claim", 0.001, None)
    assert calls.told() == ["ledger.failed", "ledger.failed", "ledger.recovered"]
    first, again, _ = calls.desk.lines
    assert (first["level"], first["why"]) == ("error", "Redis: ConnectionError")
    assert again.items() >= {"seconds": 30, "failures": 301}.items()
    assert calls.desk.value("ledger_seconds_count", op="claim") == 402


def test_a_ledger_that_belongs_to_others_is_another_state() -> None:
    """Its line says whose it is, and what to do."""
    calls = Calls()
    for trouble in (LedgerUnavailable("Redis: ConnectionError"), LedgerTaken("of eu"), LedgerTaken("of eu")):
        calls.recorder.ledger_called("claim", 0.1, trouble)
    assert calls.told() == ["ledger.failed", "ledger.taken"]
    assert calls.desk.lines[1].items() >= {"why": "of eu", "hint": LedgerTaken.hint}.items()


def test_a_sweep_leaves_its_time() -> None:
    """Of the project; before the first one it is 0."""
    calls = Calls()
    calls.desk.metrics.know(agents=[], rules=[], keys={PROJECT: ["APIone"]})
    assert calls.desk.value("last_sweep_success_timestamp_seconds", project=PROJECT) == 0
    calls.recorder.swept(PROJECT)
    assert calls.desk.value("last_sweep_success_timestamp_seconds", project=PROJECT) > 1_700_000_000


def test_a_launcher_that_starts_nothing_is_told_as_a_state_of_its_address() -> None:
    """Each answer is counted by its launcher's name."""
    calls = Calls()
    full = LaunchReply(result=LaunchAsked.DECLINED, reason="at_capacity")
    for _ in range(45):
        calls.recorder.launcher_answered("avatar", "http://a", full)
        calls.now += 1
    calls.recorder.launcher_answered("avatar", "http://b", LaunchReply(result=LaunchAsked.STARTED))
    assert calls.told() == ["launcher.declined", "launcher.declined"]
    calls.recorder.launcher_answered("avatar", "http://a", LaunchReply(result=LaunchAsked.STARTED))

    [declined, _, recovered] = calls.desk.lines
    assert (declined["why"], declined["url"], declined["level"]) == ("at_capacity", "http://a", "warning")
    assert (recovered["action"], recovered["failures"]) == ("launcher.recovered", 45)
    assert calls.desk.value("launcher_requests_total", launcher="avatar", result="declined") == 45
    assert calls.desk.value("launcher_requests_total", launcher="avatar", result="started") == 2
