"""The fixtures for users' tests, as pytest finds them by the package's entry point."""

from pathlib import Path

import pytest

from dispatcher.config import BadConfig, load_offline
from dispatcher.kit.livekit import TestLiveKit
from dispatcher.kit.service import TestDispatcher, at_home, hastened, served
from dispatcher.testing import JobOutcome, NeverSeen
from tests.gates.tree import ROOT

EXAMPLE = ROOT / "examples" / "testing"
OWN_RULES = """
projects:
  - name: eu
    url: wss://eu.example
    keys: {APIeu: a-secret-of-32-characters-or-more}
    rules: [{name: own, agent: sales}]
  - {name: us, url: "wss://us.example", keys: {APIus: a-secret-of-32-characters-or-more}}
rules: [{name: all, agent: greeter, confirm_within: 10s, min_stay: 2s}]
sweep: {every: 60s}
notices: [{name: ops, url: "https://hooks.example/services/ops", format: slack}]
"""


@pytest.fixture
def dispatcher_config() -> Path:
    """The example's rules."""
    return EXAMPLE / "dispatcher.yaml"


def test_a_room_gets_its_agent_and_keeps_it_until_it_closes(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """People come and go, and the test reads who is there."""
    livekit.worker("greeter")

    livekit.join("lobby", "alice")
    livekit.join("lobby", "bob")

    dispatcher.wait_for_agent("lobby", "greeter")
    livekit.leave("lobby", "bob")
    assert livekit.agents_in("lobby") == ["greeter"]
    assert livekit.metadata_of("lobby", "greeter") == [""]
    livekit.close("lobby")
    assert livekit.agents_in("lobby") == []


def test_who_never_came_is_told_with_what_happened(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """The failed test shows the room, the calls, and what `explain` says."""
    livekit.worker("greeter", JobOutcome.NEVER_SHOWS)
    livekit.join("lobby", "alice")

    with pytest.raises(NeverSeen) as never:
        dispatcher.wait_for_agent("lobby", "greeter", within=0.5)

    assert "greeter in lobby: not seen within 0.5 s" in str(never.value)
    assert "CreateDispatch" in str(never.value)
    assert "alice" in str(never.value)


def test_a_room_that_nobody_knows_is_told_as_such(dispatcher: TestDispatcher) -> None:
    """It is no error of the test's."""
    assert dispatcher.explain("nowhere") == "unknown_room"


def test_a_webhook_that_is_lost_is_made_up_for(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """By a sweep that comes twenty times as often as in production."""
    livekit.fault("lose_webhooks:times=2")
    livekit.worker("greeter")

    livekit.join("lobby", "alice")

    dispatcher.wait_for_agent("lobby", "greeter")
    assert dispatcher.config.sweep.every == 1500


@pytest.mark.parametrize("dispatcher_config", ["rules: [{name: all, agent: sales}]"])
def test_the_rules_may_be_text(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """For a test that needs other ones."""
    livekit.worker("sales")
    livekit.join("lobby", "alice")
    dispatcher.wait_for_agent("lobby", "sales")


def test_rules_that_are_wrong_are_told(livekit: TestLiveKit, tmp_path: Path) -> None:
    """As `dispatcher check` tells them."""
    (tmp_path / "dispatcher.yaml").write_text("rules: [{name: all}]")
    with pytest.raises(BadConfig, match="agent"), served(livekit, tmp_path / "dispatcher.yaml", speed=1):
        pass


def test_the_rules_are_those_of_the_file_for_this_livekit_alone(livekit: TestLiveKit, tmp_path: Path) -> None:
    """Neither addresses nor keys of production, nobody there is told, and every span shortened alike."""
    (tmp_path / "dispatcher.yaml").write_text(OWN_RULES)
    read = load_offline(tmp_path / "dispatcher.yaml", {})
    config = hastened(at_home(read, livekit), speed=10)

    [project] = config.projects
    assert (project.name, project.url, list(project.keys)) == ("eu", livekit.url, [livekit.api_key])
    assert [rule.name for rule in config.rules_in_force] == ["own"]
    assert project.rules is not None
    assert [rule.policy.confirm_within for rule in project.rules] == [1200]
    assert [(rule.policy.confirm_within, rule.policy.min_stay) for rule in config.rules] == [(1000, 200)]
    assert (config.sweep.every, config.port, config.ledger) == (6000, 0, None)
    assert ([one.name for one in read.receivers], config.receivers) == (["ops"], ())
