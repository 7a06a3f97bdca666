"""`python -m tests.chaos`: every fault, on Valkey and on Debian's Redis, with real replicas, and a table of it all.

Some 20 minutes for both. Exit code 0: nothing was lost, nothing is left over, and every claim of the audit is true.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.deaths import around_every_call
from tests.chaos.faults import CASES, NEEDS_TLS
from tests.chaos.play import HEADER, Row, play
from tests.real.redis_servers import debian_redis, valkey

MAKES = {"valkey": valkey, "redis": debian_redis}
KILLED = "killed around each call of a join"


def say(text: str) -> None:
    """A line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def well(row: Row) -> bool:
    """Nothing is lost, left over or untrue."""
    return not (row.lost or row.complaints)


async def kill(make: str) -> int:
    """A row for the deaths around every call; the number that went wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        deaths = await around_every_call(Path(scratch), MAKES[make]())
    slowest = max(deaths, key=lambda death: death.recovery)
    wrong = [death for death in deaths if death.wrong]
    say(
        f"{KILLED:38}{len(deaths):5}{len(deaths):7}  one agent in {len(deaths) - len(wrong)};"
        f" the slowest {slowest.at}, {slowest.call}: {slowest.recovery:.1f} s"
    )
    for death in wrong:
        say(f"    {death}")
    return len(wrong)


async def main() -> int:
    """The number of cases that went wrong, 1 at most."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--make", choices=MAKES, nargs="+", default=list(MAKES))
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--runs", type=int, default=0, help="how often each harm is done; default: as the case says")
    parser.add_argument("--keep", type=Path, help="where to put the logs; default: they are gone at the end")
    chosen = parser.parse_args()
    ill = 0
    for make in chosen.make:
        say(f"\n{make}\n{HEADER}")
        if (chosen.only or "") in KILLED:
            ill += await kill(make)
        for name, case in CASES.items():
            if (chosen.only or "") not in name or (name == NEEDS_TLS and make == "valkey"):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(chosen.keep or scratch) / f"{make}-{time.monotonic_ns()}"
                folder.mkdir(parents=True)
                row = await play(name, case, MAKES[make](), folder, runs=chosen.runs)
            say(f"{row}")
            for complaint in row.complaints[:10]:
                say(f"    {complaint[:1000]}")
            ill += not well(row)
    return int(ill > 0)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
