"""Workers and faults as text: what is understood, and what is said of what is not."""

import re

import pytest

from dispatcher.testing import JobOutcome
from dispatcher.testing.faults import ApiFault, Armed, Fail, Faults, LoseReply, Repeat, WebhookFault
from dispatcher.testing.workers import Behaviour
from dispatcher.testing.written import FAULTS, NotWritten, arm, written_worker
from tests.gates.tree import ROOT


@pytest.mark.parametrize(
    ("text", "outcomes", "behaviour"),
    [
        ("greeter", [], {}),
        (" greeter : drop=1 ", [], {"drop": 1}),
        ("greeter:rejects,serves", [JobOutcome.REJECTS, JobOutcome.SERVES], {}),
        (
            "greeter:leaves,stay=0.5,per_publisher=true,deployment=canary",
            [JobOutcome.LEAVES],
            {"stay": 0.5, "per_publisher": True, "deployment": "canary"},
        ),
    ],
)
def test_a_worker_is_its_name_its_outcomes_and_its_behaviour(
    text: str, outcomes: list[JobOutcome], behaviour: dict[str, object]
) -> None:
    """Each setting in its own type."""
    assert written_worker(text) == ("greeter", outcomes, behaviour)


def test_a_fault_is_a_call_of_its_method() -> None:
    """With its settings, and its defaults."""
    calls: Armed[ApiFault] = Armed()
    webhooks: Armed[WebhookFault] = Armed()
    faults = Faults(calls, webhooks)
    for text in ("lose_replies:method=CreateDispatch,hang=true", "fail:method=ListRooms,status=503,retry_after=2"):
        arm(faults, text)
    arm(faults, "duplicate_webhooks:copies=3,event=room_started")

    assert calls.take("CreateDispatch") == LoseReply(hangs=True)
    assert calls.take("ListRooms") == Fail(503, 2.0)
    assert webhooks.take("room_started") == Repeat(3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a worker has a name"),
        ("greeter:sleeps", "no outcome is called 'sleeps'; there are serves, drops, rejects"),
        ("greeter:dorp=1", "no setting is called 'dorp'; there are deployment, drop, drop_rate"),
        ("greeter:drop=one", "drop: Expected `int`"),
    ],
)
def test_what_is_wrong_with_a_worker_is_said(text: str, says: str) -> None:
    """With what there is."""
    with pytest.raises(NotWritten) as wrong:
        written_worker(text)
    assert says in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("loose_webhooks", "no fault is called 'loose_webhooks'; there are lose_replies, reset"),
        ("clear", "no fault is called 'clear'"),
        ("reset:CreateDispatch", "write 'CreateDispatch' as a setting, as in lose_replies:method=CreateDispatch"),
        ("reset", "missing a required argument: 'method'"),
        ("slow:method=ListRooms,seconds=long", "seconds: Expected `float`"),
        ("lose_webhooks:count=2", "no setting is called 'count'; there are times, event"),
    ],
)
def test_what_is_wrong_with_a_fault_is_said(text: str, says: str) -> None:
    """With what there is."""
    with pytest.raises(NotWritten) as wrong:
        arm(Faults(Armed(), Armed()), text)
    assert says in str(wrong.value)


def test_the_documentation_has_every_word() -> None:
    """Outcomes, settings of workers, and faults."""
    documented = set(re.findall(r"`(\w+)", (ROOT / "docs" / "testing.md").read_text()))

    assert {*JobOutcome, *FAULTS, *Behaviour.__annotations__} <= documented


def test_every_fault_has_its_name() -> None:
    """That of its method."""
    assert {"lose_replies", "reset", "slow", "fail", "refuse", "lose_webhooks", "delay_webhooks"} < set(FAULTS)
