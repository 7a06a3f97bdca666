"""A pytest plugin for whoever has minutes (`make attack`, `make e2e-long`): hypothesis tries DEEPER times as much."""

from typing import Final

from hypothesis import settings

from tests.examples import USUAL

DEEPER: Final = 20

settings.register_profile("deep", max_examples=DEEPER * USUAL, deadline=None)
settings.load_profile("deep")
