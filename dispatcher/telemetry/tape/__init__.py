"""Records drives, with what they were given, asked for and were answered: for `dispatcher replay`."""

from dispatcher.telemetry.tape.files import Files
from dispatcher.telemetry.tape.hiding import HIDDEN, Hiding
from dispatcher.telemetry.tape.lines import (
    Ended,
    Exchange,
    Hides,
    Judged,
    Line,
    RecordedClaim,
    RecordedRule,
    RecordedTerms,
    UnreadableLine,
)
from dispatcher.telemetry.tape.reading import Recorded, UnreadLine, read
from dispatcher.telemetry.tape.recorder import RecordedDrive, Tape
from dispatcher.telemetry.tape.writer import Writer

__all__ = [
    "HIDDEN",
    "Ended",
    "Exchange",
    "Files",
    "Hides",
    "Hiding",
    "Judged",
    "Line",
    "Recorded",
    "RecordedClaim",
    "RecordedDrive",
    "RecordedRule",
    "RecordedTerms",
    "Tape",
    "UnreadLine",
    "UnreadableLine",
    "Writer",
    "read",
]
