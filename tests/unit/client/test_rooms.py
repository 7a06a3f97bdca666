from dispatcher.client.agents import CIRCUITS
from dispatcher.client.rooms import STATES
from dispatcher.core.session import State
from dispatcher.core.targets import Circuit


def test_the_words_of_the_client_are_the_service_s() -> None:
    """It imports nothing of the service, so it has them for itself."""
    assert tuple(State) == STATES
    assert tuple(Circuit) == CIRCUITS
