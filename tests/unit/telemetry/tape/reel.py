"""A tape in memory, and what stands on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tape import Files, Hiding, Line, Recorded, RecordedClaim, RecordedTerms, Tape, Writer
from dispatcher.telemetry.tape.lines import load

WITHIN = 30.0  # seconds; much longer than it takes


def mask(key: bytes | None) -> Mask:
    """One that shows marks, if it has a key."""
    made = Mask()
    made.use(key)
    return made


def hiding(*, people: bool = False, plain: bool = False) -> Hiding:
    """What is hidden: facts always, unless it is plain; people if so."""
    return Hiding(mask(b"people" if people else None), mask(b"facts"), plain=plain)


@contextmanager
def taped(hidden: Hiding) -> Iterator[tuple[Tape, list[Line]]]:
    """A tape, and its lines: all of them, once it has ended."""
    lines: list[Line] = []
    lost: list[None] = []
    writer = Writer(lines.append, lambda: lost.append(None), waiting_max=1 << 30)
    with writer:
        yield Tape(writer, hidden), lines
        writer.close(WITHIN)
    assert not lost


def recorded(line: Line, place: str = "tape:1") -> Recorded:
    """The claim of a line."""
    terms, claim = load(line.terms), load(line.claim)
    assert isinstance(terms, RecordedTerms)
    assert isinstance(claim, RecordedClaim)
    return Recorded(place=place, terms=terms, claim=claim)


def kept(folder: Path, lines: Sequence[Line]) -> Path:
    """The lines are the tape of this folder."""
    files = Files(folder)
    files.open()
    for line in lines:
        files.write(line)
    files.close()
    return folder
