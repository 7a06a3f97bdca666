import pytest

from dispatcher.core.facts import Participant
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
