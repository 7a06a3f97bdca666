"""Launches on disk: written whole, read again, bounded."""

import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from dispatcher.launcher.launch import Launch
from dispatcher.launcher.output import LOG, OLD_LOG, PIPE
from dispatcher.launcher.records import FILES, LOCK, RECORD, Records, StateInUse


def test_one_process_at_a_time_has_the_folder(tmp_path: Path) -> None:
    """Until it lets go of it."""
    records = Records(tmp_path / "new" / "state")
    with records.held():
        assert records.root.stat().st_mode & 0o777 == 0o700
        with pytest.raises(StateInUse, match="another launcher works in"), Records(records.root).held():
            pass
    with records.held():
        pass
    descriptor = os.open(records.root / LOCK, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_what_was_written_is_read_the_oldest_first(tmp_path: Path) -> None:
    """And what cannot be read is named: a folder without a record, and a record of somebody else's."""
    records = Records(tmp_path)
    made = [records.make() for _ in range(4)]
    newer, older = (Launch(id=made[at], launcher="avatar", room="r", accepted_at=9 - at) for at in (0, 1))
    records.save(newer)
    records.save(older)
    (records.folder(made[2]) / RECORD).write_text('{"id": 7}')
    (tmp_path / LOCK).touch()
    launches, broken = records.read()

    assert launches == [older, newer]
    assert sorted(broken) == sorted(made[2:])
    assert [path.name for path in records.folder(newer.id).iterdir()] == [RECORD]


def test_what_else_lies_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    """Whoever names a folder of theirs for launches keeps what is in it; a record is of its own folder alone."""
    records = Records(tmp_path)
    made = records.make()
    (records.folder(made) / RECORD).write_bytes(msgspec.json.encode(Launch(id="../photos", launcher="avatar")))
    for path in ("photos", "0123", made.upper()):
        (tmp_path / path).mkdir()
    (tmp_path / ("a" * 32)).symlink_to(tmp_path / "photos", target_is_directory=True)

    assert records.read() == ([], [made])


def test_files_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    """Nor do they stand in the way of the next ones."""
    records = Records(tmp_path)
    folder = records.folder(records.make())
    (folder / FILES / "1").mkdir(parents=True)  # where the second one would be

    with pytest.raises(OSError, match="directory"):
        records.put_files(folder.name, {"a": b"one", "b": b"two"})
    assert list(folder.iterdir()) == []


def test_what_only_the_process_needed_goes_with_it(tmp_path: Path) -> None:
    """Then its log, then everything; what is not there is no error."""
    records = Records(tmp_path)
    launch_id = records.make()
    folder = records.folder(launch_id)
    records.save(Launch(id=launch_id, launcher="avatar"))
    paths = records.put_files(launch_id, {"../../image": b"one", "b": b"two"})
    for name in (PIPE, LOG, OLD_LOG):
        (folder / name).touch()

    assert {name: Path(path).read_bytes() for name, path in paths.items()} == {"../../image": b"one", "b": b"two"}
    assert {Path(path).parent for path in paths.values()} == {folder / FILES}
    for forget, left in (
        (records.tidy, {RECORD, LOG, OLD_LOG}),
        (records.forget_log, {RECORD}),
    ):
        for _ in range(2):
            forget(launch_id)
            assert {path.name for path in folder.iterdir()} == left
    for _ in range(2):
        records.forget(launch_id)
        assert not folder.exists()
