"""A process for a launcher's tests: `python launched_child.py BEHAVIOUR`. Of ours it imports `participant` alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "dispatcher" / "testing"))
import participant  # type: ignore[import-not-found]


def joined() -> None:
    """It is in the room."""
    participant.stay(participant.join(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"]))


def stubborn() -> None:
    """It is in the room, and ignores SIGTERM."""
    connection = participant.join(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while connection.recv(4096):
        pass
    time.sleep(3600)


def forking() -> None:
    """It starts processes: one in its session, and one that leaves it; both ignore SIGTERM."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(3600)"
    subprocess.Popen([sys.executable, "-S", "-c", deaf])
    subprocess.Popen([sys.executable, "-S", "-c", deaf], start_new_session=True)
    joined()


def flooding() -> None:
    """It writes without end, its token, too."""
    participant.join(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    while True:
        print("x" * 1000, os.environ["LIVEKIT_TOKEN"])  # noqa: T201


def eating() -> None:
    """It takes more and more memory."""
    participant.join(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    eaten = []
    while True:
        eaten.append(bytearray(8 << 20))
        time.sleep(0.02)


def failing() -> None:
    """It ends at once, with an error."""
    sys.exit(3)


def absent() -> None:
    """It never joins."""
    time.sleep(3600)


def slow() -> None:
    """It is in the room after so many seconds."""
    time.sleep(float(sys.argv[2]))
    joined()


def once() -> None:
    """It fails the first time, and joins the second."""
    mark = Path(sys.argv[2]) / os.environ["DISPATCHER_LAUNCH"]
    if not mark.exists():
        mark.touch()
        sys.exit(3)
    joined()


def telling() -> None:
    """It writes what it was told: its environment's names, its arguments, and its standard input."""
    print("environment", sorted(os.environ))  # noqa: T201
    print("arguments", sys.argv[1:])  # noqa: T201
    print("line", sys.stdin.readline().strip())  # noqa: T201
    joined()


def ahead() -> None:
    """It waits for its order."""
    participant.main()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
