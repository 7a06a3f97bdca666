"""Which processes belong to a launch, and who reaps those whose parents have died."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from dispatcher.launcher import kin

OURS = f"ours-{os.getpid()}"  # the mark is looked for on the whole machine, where other tests run, too
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def marked() -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a session of its own that bears the mark `ours`."""
    with subprocess.Popen(SLEEP, env={kin.MARK: OURS}, start_new_session=True) as process:
        until(lambda: kin.mark_of(process.pid) == OURS)
        yield process
        process.kill()


def until(claim: Callable[[], object]) -> None:
    """The claim is true."""
    end = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_process_is_known_by_its_mark_or_its_session(marked: "subprocess.Popen[bytes]") -> None:
    """And by nothing else; one that is gone has no mark and no start."""
    assert [one.pid for one in kin.census({})[OURS]] == [marked.pid]
    assert [one.pid for one in kin.census({marked.pid: "another"})[OURS]] == [marked.pid]
    assert kin.belongs(marked.pid, OURS, None)
    assert kin.belongs(marked.pid, "another", marked.pid)
    assert not kin.belongs(marked.pid, "another", None)
    assert kin.started_at(marked.pid) >= kin.started_at(os.getpid())
    marked.kill()
    marked.wait()
    assert kin.mark_of(marked.pid) == ""
    with pytest.raises(OSError, match=str(marked.pid)):
        kin.started_at(marked.pid)
    kin.send(marked.pid, OURS, None, signal.SIGTERM)  # to nobody


def test_a_signal_reaches_nobody_else(marked: "subprocess.Popen[bytes]") -> None:
    """Whoever has the number."""
    kin.send(marked.pid, "another", None, signal.SIGKILL)
    assert marked.poll() is None
    kin.send(marked.pid, OURS, None, signal.SIGTERM)
    assert marked.wait() == -signal.SIGTERM


@pytest.fixture
def adopting() -> Iterator[None]:
    """This process adopts orphans, as the launcher does, until the test ends."""
    kin.adopt_orphans()
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("adopting")
def test_orphans_are_adopted_and_reaped() -> None:
    """The living and the leaders are left alone; who is not a child can be reaped by nobody here."""
    assert kin.adopts_orphans()
    orphan = int(subprocess.check_output(["/bin/sh", "-c", "sleep 0.2 >/dev/null & echo $!"]))
    until(lambda: orphan in list(kin.orphans([])))
    assert orphan not in list(kin.orphans([orphan]))
    kin.reap(orphan)
    assert orphan not in list(kin.orphans([]))
    kin.reap(orphan)


def test_nobody_adopts_orphans_unasked() -> None:
    """Which the launcher's command asks for."""
    assert not kin.adopts_orphans()


def test_where_the_system_has_no_such_thing_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an OSError, which the command tells of."""

    class Refusing:
        def prctl(self, *_: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_more: Refusing())
    with pytest.raises(OSError, match="prctl"):
        kin.adopt_orphans()
