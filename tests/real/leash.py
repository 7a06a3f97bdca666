"""`python -m tests.real.leash SIGNAL COMMAND…` becomes COMMAND, which gets SIGNAL when whoever started it dies.

So a killed pytest leaves no server and no worker behind. On Linux only; elsewhere COMMAND runs unleashed. The kernel
means the *thread* that started it: start from the main thread.
"""

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """This process is COMMAND now."""
    _, signal, program, *arguments = sys.argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal))
    os.execvp(program, [program, *arguments])  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    main()
