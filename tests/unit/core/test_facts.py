import pytest

from dispatcher.core import timing
from dispatcher.core.facts import INVITED, Participant
from tests.unit.core.world import agent, person


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        pytest.param({"lk.agent_name": "greeter"}, "greeter", id="stamped-by-the-server"),
        pytest.param({"lk.agent.name": "greeter"}, "greeter", id="said-by-the-SDK"),
        pytest.param({"lk.agent_name": "greeter", "lk.agent.name": "liar"}, "greeter", id="the-server-is-believed"),
        pytest.param({"lk.agent_name": "", "lk.agent.name": "greeter"}, "greeter", id="an-empty-stamp-says-nothing"),
        pytest.param({}, "", id="I8-unnamed-worker"),
    ],
)
def test_an_agent_has_the_name_its_worker_registered_under(attributes: dict[str, str], name: str) -> None:
    """The server's stamp counts before what the SDK says of itself."""
    assert agent(attributes=attributes).agent_name == name


@pytest.mark.parametrize(
    ("one", "is_agent"),
    [
        pytest.param(agent(), True, id="agent"),
        pytest.param(agent(attributes={"lk.publish_on_behalf": "agent-AJ_1"}), False, id="avatar"),
        pytest.param(person(), False, id="standard"),
        pytest.param(person(kind="SIP"), False, id="sip"),
        pytest.param(person(kind="EGRESS"), False, id="T1-egress"),
    ],
)
def test_an_agent_in_its_own_right_is_no_avatar(one: Participant, is_agent: bool) -> None:
    """An avatar publishes on behalf of an agent and is none itself."""
    assert one.is_agent is is_agent


JOINED_AT = person().joined_at


@pytest.mark.parametrize(
    ("written", "at"),
    [
        pytest.param(str(JOINED_AT - 4_200), JOINED_AT - 4_200, id="4-s-before-the-joining"),
        pytest.param(str(JOINED_AT), JOINED_AT, id="in-the-same-millisecond"),
        pytest.param(str(JOINED_AT - timing.INVITED_MS), JOINED_AT - timing.INVITED_MS, id="rang-for-long"),
        pytest.param(str(JOINED_AT - timing.INVITED_MS - 1), 0, id="too-long-ago"),
        pytest.param(str(JOINED_AT + 1), 0, id="after-the-joining"),
        pytest.param(str(JOINED_AT // 1000), 0, id="in-seconds"),
        pytest.param("0", 0, id="zero"),
        pytest.param(f"-{JOINED_AT}", 0, id="negative"),
        pytest.param(f"{JOINED_AT}.5", 0, id="a-fraction"),
        pytest.param(f" {JOINED_AT}", 0, id="spaced"),
        pytest.param("\u0661" * 13, 0, id="digits-of-another-script"),
        pytest.param("9" * 5_000, 0, id="longer-than-any-instant"),
        pytest.param("yesterday", 0, id="words"),
        pytest.param("", 0, id="empty"),
        pytest.param(None, 0, id="unsaid"),
    ],
)
def test_when_a_call_came_in_is_believed_if_it_could_be_true(written: str | None, at: int) -> None:
    """By LiveKit's SIP service, in milliseconds since 1970."""
    attributes = {} if written is None else {INVITED: written}

    assert person(kind="SIP", attributes=attributes).invited_at == at


def test_only_a_telephone_is_believed_to_have_called() -> None:
    """Whoever joins from a browser may have any attribute."""
    assert person(attributes={INVITED: str(JOINED_AT - 9)}).invited_at == 0
