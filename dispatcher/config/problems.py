"""What is wrong with a configuration, said so that one edit mends it: the place, the field, the reason."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from dispatcher.core.errors import DispatcherError

ENVIRONMENT: Final = "environment"  # stands where a file's name would, for what an environment variable says


class Problem(Struct, frozen=True):
    """One thing to mend. `line` and `column` count from 1; 0 where there is no place, as in the environment.

    The reason never holds a value that was written where a secret may stand.
    """

    file: str
    line: int
    column: int
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.reason) if part)


class BadConfig(DispatcherError):
    """The operator has to mend it. The text is one problem a line: the file's in order, then the environment's."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_order))
        super().__init__("\n".join(map(str, self.problems)))


def in_environment(variable: str, reason: str) -> Problem:
    """A problem with an environment variable."""
    return Problem(ENVIRONMENT, 0, 0, variable, reason)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of the known words, or nothing when none is near."""
    near = get_close_matches(word, sorted(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _order(problem: Problem) -> tuple[bool, int, int]:
    return problem.file == ENVIRONMENT, problem.line, problem.column
