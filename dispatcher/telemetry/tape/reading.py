"""Reading a tape: its claims, oldest file first, and each line that cannot be read, with its place."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from dispatcher.telemetry.tape.files import FILE_MAX, tapes
from dispatcher.telemetry.tape.lines import RecordedClaim, RecordedTerms, UnreadableLine, load


class Recorded(Struct, frozen=True, kw_only=True):
    """A claim as it was recorded, with its terms. `place` is file:line."""

    place: str
    terms: RecordedTerms
    claim: RecordedClaim


class UnreadLine(Struct, frozen=True):
    """A line that is passed over, and why."""

    place: str
    why: str


def read(folder: Path) -> Iterator[Recorded | UnreadLine]:
    """Read everything on the tape. Raises OSError."""
    for file in tapes(folder):
        yield from _file(file)


def _file(file: Path) -> Iterator[Recorded | UnreadLine]:
    known: dict[str, RecordedTerms] = {}
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(FILE_MAX):  # no line of ours is longer
            number += 1
            place = f"{file}:{number}"
            try:
                written = load(line) if line.strip() else None
            except UnreadableLine as unread:
                yield UnreadLine(place, str(unread))
                continue
            match written:
                case RecordedTerms():
                    known[written.id] = written
                case RecordedClaim() if written.terms in known:
                    yield Recorded(place=place, terms=known[written.terms], claim=written)
                case RecordedClaim():
                    yield UnreadLine(place, f"its terms, {written.terms}, do not stand before it")
                case None:
                    pass
