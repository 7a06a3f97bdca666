"""Launches on disk: a folder for each, with its record, its log and its files. One launcher at a time has them.

A record is written before its process is started, and again when anything in it changes: whole, or not at all. So
whenever the launcher is killed, the next one knows of every process that may run.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.core.errors import DispatcherError
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.output import LOG, OLD_LOG, PIPE

LOCK: Final = "lock"
RECORD: Final = "launch.json"
FILES: Final = "files"
_DECODER: Final = msgspec.json.Decoder(Launch)
_ID: Final = re.compile(r"[0-9a-f]{32}")


class StateInUse(DispatcherError):
    """Another launcher works in the same folder."""


class Records:
    """The folder of all launches. What is in it is readable for its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the folder for this process alone, as long as it lives. Raises StateInUse, or OSError."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.root / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateInUse(f"another launcher works in {self.root}") from None
            yield
        finally:
            os.close(descriptor)

    def folder(self, launch_id: str) -> Path:
        """A launch's own folder."""
        return self.root / launch_id

    def make(self) -> str:
        """A new launch's id, whose folder is there. Nobody can guess it, and nobody else has it."""
        launch_id = secrets.token_hex(16)
        self.folder(launch_id).mkdir(mode=0o700)
        return launch_id

    def begin(self, launch: Launch, files: Mapping[str, bytes]) -> Mapping[str, str]:
        """Write a new launch's record, and what came with its request; gives the files' paths.

        It gets an id unless it has one. Raises OSError: there is no space for all of it.
        """
        launch.id = launch.id or self.make()
        paths = self.put_files(launch.id, files)
        self.save(launch)
        return paths

    def save(self, launch: Launch) -> None:
        """Write the record."""
        path = self.folder(launch.id) / RECORD
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(launch))
        part.replace(path)

    def put_files(self, launch_id: str, files: Mapping[str, bytes]) -> Mapping[str, str]:
        """Write what came with a request; gives their paths. Their names are ours: a sender's may be any path.

        Raises OSError: there is no space for all of them, and none is left.
        """
        folder = self.folder(launch_id) / FILES
        paths = {name: folder / str(number) for number, name in enumerate(files)}
        try:
            for name, path in paths.items():
                folder.mkdir(mode=0o700, exist_ok=True)
                path.write_bytes(files[name])
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return {name: str(path) for name, path in paths.items()}

    def tidy(self, launch_id: str) -> None:
        """Remove what only the process needed: its log and its record stay."""
        folder = self.folder(launch_id)
        shutil.rmtree(folder / FILES, ignore_errors=True)
        (folder / PIPE).unlink(missing_ok=True)

    def forget_log(self, launch_id: str) -> None:
        """Remove what the process wrote."""
        for name in (LOG, OLD_LOG):
            (self.folder(launch_id) / name).unlink(missing_ok=True)

    def forget(self, launch_id: str) -> None:
        """Remove everything of a launch."""
        shutil.rmtree(self.folder(launch_id), ignore_errors=True)

    def read(self) -> tuple[list[Launch], list[str]]:
        """All launches, the oldest first; and the ids of those whose record cannot be read.

        What else lies in the folder is nobody's launch, whatever it is.
        """
        launches, broken = list[Launch](), list[str]()
        for folder in self.root.iterdir():
            if not _ID.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
                continue
            launch = _read(folder / RECORD)
            if launch is not None and launch.id == folder.name:
                launches.append(launch)
            else:
                broken.append(folder.name)
        return sorted(launches, key=lambda one: one.accepted_at), broken


def _read(record: Path) -> Launch | None:
    try:
        return _DECODER.decode(record.read_bytes())
    except (OSError, ValueError):  # killed between the folder and its record; or a later release's
        return None
