"""What drives were given, asked for and were answered, recorded: for `dispatcher replay`."""

from dispatcher.tape.files import Files
from dispatcher.tape.hiding import HIDDEN, Hiding
from dispatcher.tape.lines import (
    Ended,
    Exchange,
    Hides,
    Judged,
    Line,
    RecordedClaim,
    RecordedRule,
    RecordedTerms,
    Unread,
)
from dispatcher.tape.reading import Recorded, UnreadLine, read
from dispatcher.tape.recorder import RecordedDrive, Tape
from dispatcher.tape.writer import Writer

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
    "Unread",
    "UnreadLine",
    "Writer",
    "read",
]
