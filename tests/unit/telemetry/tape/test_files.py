"""Where a tape lies: bounded, its owner's alone, and whole again after whatever has interrupted it."""

import errno
import os
from pathlib import Path

import pytest

from dispatcher.telemetry.tape import Files, Line
from dispatcher.telemetry.tape.files import tapes

TERMS = b'{"terms":1}\n'
OTHER = b'{"terms":2}\n'


def line(number: int, terms: bytes = TERMS) -> Line:
    """A claim's line of 20 bytes."""
    return Line(terms, b'{"claim":%10d}\n' % number)


def opened(folder: Path, **bounds: int) -> Files:
    """Ready to be written."""
    files = Files(folder, **bounds)
    files.open()
    return files


def test_terms_stand_once_in_each_file_before_the_first_claim_that_needs_them(tmp_path: Path) -> None:
    """Each file can be read by itself."""
    files = opened(tmp_path, file_max=100)
    for number in range(3):
        files.write(line(number))
    files.write(line(3, OTHER))
    files.write(line(4))
    files.close()

    first, second = (path.read_bytes().splitlines(keepends=True) for path in tapes(tmp_path))
    assert first == [TERMS, line(0).claim, line(1).claim, line(2).claim]
    assert second == [OTHER, line(3).claim, TERMS, line(4).claim]


def test_the_oldest_file_makes_room(tmp_path: Path) -> None:
    """However much is written there are so many files of so many bytes at most, and the newest claims are on them."""
    files = opened(tmp_path, file_max=100, files_max=3)
    for number in range(50):
        files.write(line(number))
        assert sum(path.stat().st_size for path in tapes(tmp_path)) <= 3 * 100
    files.close()

    left = [one for path in tapes(tmp_path) for one in path.read_bytes().splitlines(keepends=True) if one != TERMS]
    assert left == [line(number).claim for number in range(50 - len(left), 50)]
    assert len(tapes(tmp_path)) == 3


def test_what_was_recorded_before_stays_and_counts(tmp_path: Path) -> None:
    """The next process goes on in the newest file; what is no tape is left alone."""
    (tmp_path / "notes.txt").write_text("mine")
    for number in range(12):
        files = opened(tmp_path, file_max=100, files_max=2)
        files.write(line(number))
        files.close()

    assert len(tapes(tmp_path)) == 2
    assert sum(path.stat().st_size for path in tapes(tmp_path)) <= 2 * 100
    assert tapes(tmp_path)[-1].read_bytes().rstrip().endswith(line(11).claim.rstrip())
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_two_processes_in_one_folder_overwrite_nothing(tmp_path: Path) -> None:
    """It is not meant to be, and costs no line."""
    one, other = opened(tmp_path, file_max=200), opened(tmp_path, file_max=200)
    for number in range(0, 20, 2):
        one.write(line(number))
        other.write(line(number + 1))
    one.close()
    other.close()

    written = b"".join(path.read_bytes() for path in tapes(tmp_path))
    assert all(written.count(line(number).claim) == 1 for number in range(20))


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Whatever the umask, and of a file that was there already; the folder that it makes is closed, too."""
    folder = tmp_path / "made" / "here"
    before = os.umask(0)
    try:
        opened(folder).close()
        (tmp_path / "tape-000001.jsonl").touch(0o666)
        opened(tmp_path).close()
    finally:
        os.umask(before)

    modes = [path.stat().st_mode & 0o777 for path in (folder, *tapes(folder), *tapes(tmp_path))]
    assert modes == [0o700, 0o600, 0o600]


def test_after_a_line_that_was_torn_the_next_one_is_whole(tmp_path: Path) -> None:
    """A process was killed in mid-line: what follows begins on a line of its own, after its terms."""
    (tmp_path / "tape-000001.jsonl").write_bytes(TERMS + b'{"claim":  ')
    files = opened(tmp_path)
    files.write(line(1))
    files.close()

    assert tapes(tmp_path)[0].read_bytes() == TERMS + b'{"claim":  \n' + TERMS + line(1).claim


def test_after_a_write_that_failed_the_next_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full in mid-line; its terms may be lost, so they stand there again."""
    files = opened(tmp_path)
    real, room = os.write, iter([5])

    def full(fd: int, data: memoryview) -> int:
        space = next(room, None)
        if space is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data[:space])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        files.write(line(1))
    monkeypatch.setattr(os, "write", real)
    files.write(line(2))
    files.close()

    assert tapes(tmp_path)[0].read_bytes() == TERMS[:5] + b"\n" + TERMS + line(2).claim


def test_a_file_that_somebody_has_taken_away_is_begun_anew(tmp_path: Path) -> None:
    """And so is the folder: nothing is written where nobody finds it."""
    folder = tmp_path / "tape"
    files = opened(folder)
    files.write(line(1))
    tapes(folder)[0].unlink()
    folder.rmdir()
    files.write(line(2))
    files.close()

    assert tapes(folder)[0].read_bytes() == TERMS + line(2).claim


def test_a_folder_that_cannot_be_had_says_so_at_once(tmp_path: Path) -> None:
    """Before anything is served."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileExistsError):
        Files(tmp_path / "taken").open()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nobody makes us write into another file."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "tape-000001.jsonl").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        Files(tmp_path).open()
