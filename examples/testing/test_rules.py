"""A test-suite of somebody who uses the dispatcher: the real service, real rules, and a LiveKit that loses things.

pip install livekit-dispatcher pytest
pytest examples/testing
"""

import json

import pytest

from dispatcher.kit.livekit import TestLiveKit
from dispatcher.kit.service import TestDispatcher

CALLER = {"sip.trunkPhoneNumber": "+442079460000", "sip.phoneNumber": "+447700900123"}


def test_a_caller_is_answered_by_sales(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """With the number they call from."""
    livekit.worker("sales")

    livekit.join("call-1", "caller", kind="SIP", attributes=CALLER)

    dispatcher.wait_for_agent("call-1", "sales")
    [metadata] = livekit.metadata_of("call-1", "sales")
    assert json.loads(metadata) == {"caller": "+447700900123"}


def test_when_sales_is_busy_the_voicemail_answers(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """And nobody else."""
    livekit.worker("sales:rejects")
    livekit.worker("voicemail")

    livekit.join("call-1", "caller", kind="SIP", attributes=CALLER)

    dispatcher.wait_for_agent("call-1", "voicemail")
    assert livekit.agents_in("call-1") == ["voicemail"]


FAULTS = {
    "all webhooks of the room are lost": ["lose_webhooks:times=2"],
    "each webhook comes three times": ["duplicate_webhooks:copies=3,times=2"],
    "nobody hears whether the dispatch was made": ["lose_replies:method=CreateDispatch"],
    "LiveKit is overloaded": ["fail:method=CreateDispatch,status=503,times=2"],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_whatever_goes_wrong_there_is_one_greeter(
    livekit: TestLiveKit, dispatcher: TestDispatcher, faults: list[str]
) -> None:
    """Neither none nor two."""
    livekit.worker("greeter")
    for fault in faults:
        livekit.fault(fault)

    livekit.join("lobby", "alice")

    dispatcher.wait_for_agent("lobby", "greeter")
    assert livekit.agents_in("lobby") == ["greeter"]


def test_a_dispatch_that_is_lost_is_made_again(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """LiveKit says nothing of it, and `explain` does."""
    livekit.worker("greeter:drop=1")

    livekit.join("lobby", "alice")

    dispatcher.wait_for_agent("lobby", "greeter")
    assert "attempt 2" in dispatcher.explain("lobby")


@pytest.mark.parametrize(
    "dispatcher_config", ["rules: [{name: all, agent: greeter, when: room.name.startsWith('vip-')}]"]
)
def test_other_rules_than_those_of_the_file(livekit: TestLiveKit, dispatcher: TestDispatcher) -> None:
    """Whoever matches no rule has no agent."""
    livekit.worker("greeter")

    livekit.join("vip-1", "alice")
    livekit.join("other", "bob")

    dispatcher.wait_for_agent("vip-1", "greeter")
    assert livekit.agents_in("other") == []
