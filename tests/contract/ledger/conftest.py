from collections.abc import AsyncIterator

import pytest

from dispatcher.ledger.interface import Ledger
from tests.contract.ledger.homes import HOMES, Home


@pytest.fixture(params=list(HOMES.values()), ids=list(HOMES))
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    """Each of the ledger's homes, empty."""
    opened: Home = request.param()
    yield opened
    await opened.aclose()


@pytest.fixture
def ledger(home: Home) -> Ledger:
    """Its ledger, for tests in which time stands still and nothing is lost."""
    return home.ledger
