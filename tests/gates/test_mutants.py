"""The mistakes that are made on purpose still fit the code: who runs them finds out about the tests, not about them."""

from collections.abc import Mapping, Sequence

import pytest

from tests.gates.tree import ROOT
from tests.mutants import core, launched, ledger, redis
from tests.mutants.run import Mutant, broken


@pytest.mark.parametrize(
    "made", [core.MUTANTS, launched.MUTANTS, ledger.MUTANTS, redis.MUTANTS], ids=["core", "launched", "ledger", "redis"]
)
def test_every_mutant_fits_its_module(made: Mapping[str, Sequence[Mutant]]) -> None:
    """Its text is there, once, and changed."""
    sources = {module: (ROOT / module).read_text() for module in made}
    for module, mutants in made.items():
        for mutant in mutants:
            assert broken(sources[module], mutant) != sources[module], mutant.name
