"""What a check has found, and how it is told."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from dispatcher.core.text import visible


class Grade(StrEnum):
    OK = "ok"
    SKIPPED = "skipped"  # nobody looked: `remedy` says how to have it checked
    WARNING = "warning"  # it will run, and not as well as it could
    ERROR = "error"  # it will not run, or will lose what it has promised to keep


class Finding(Struct, frozen=True):
    """What one check has found. `remedy` says what to do, if there is something to do."""

    grade: Grade
    about: str
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.grade:8} {self.about}: {self.says}{self.remedy and f'; {self.remedy}'}"


class _Report(Struct, frozen=True):
    findings: Sequence[Finding]


def as_line(finding: Finding) -> str:
    """The finding, safe to show."""
    return f"{visible(str(finding))}\n"


def as_json(findings: Sequence[Finding]) -> str:
    """One object, for programs."""
    return msgspec.json.encode(_Report(findings)).decode() + "\n"
