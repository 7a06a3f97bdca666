"""How many examples hypothesis tries. Each test says what `make test` has time for; `-p tests.deep` has far more."""

from typing import Final

from hypothesis import settings

USUAL: Final = 100  # hypothesis's own number, of tests that name none


def examples(number: int) -> int:
    """So many, where the profile in force tries USUAL; else as many times more as it does."""
    return max(1, number * settings().max_examples // USUAL)
