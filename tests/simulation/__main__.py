"""Many random lives: `python -m tests.simulation --lives 15000 --seed 1`.

Prints the smallest life of each kind that went wrong, and the worst cases.
"""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import msgspec

from tests.simulation.life import Life
from tests.simulation.walker import life_of, shrunk
from tests.simulation.world import Outcome, live

CHUNK = 50
PROGRESS = 1_000  # lives


def say(text: str) -> None:
    """A line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def lived(seeds: range) -> list[tuple[int, Outcome]]:
    """The lives of these seeds."""
    return [(seed, live(life_of(seed))) for seed in seeds]


def walk(first: int, lives: int, jobs: int) -> Iterator[tuple[int, Outcome]]:
    """So many lives, from this seed on, over so many processes."""
    chunks = [range(at, min(at + CHUNK, first + lives)) for at in range(first, first + lives, CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from lived(chunk)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for outcomes in pool.map(lived, chunks):
            yield from outcomes


def kind(outcome: Outcome) -> str:
    """What broke first, without its particulars."""
    first = outcome.violations[0]
    words = [word for word in first.what.split("(")[0].split() if not any(digit in word for digit in "0123456789")]
    return f"law {first.law}: {' '.join(words)[:70]}"


def same_kind(wanted: str, life: Life) -> bool:
    """Whether the life goes wrong in the same way."""
    outcome = live(life)
    return bool(outcome.violations) and kind(outcome) == wanted


def show(life: Life) -> str:
    """The life as one line."""
    return msgspec.json.encode(life).decode()


def main() -> int:
    """The number of lives that went wrong, 1 at most."""
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--lives", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first; each further life has the next")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--one", help="a life as printed, lived again")
    asked = parser.parse_args()
    if asked.one:
        outcome = live(msgspec.json.decode(asked.one, type=Life))
        say(f"{outcome}")
        return int(not outcome.well)
    began, kinds, examples, worst = time.monotonic(), Counter[str](), dict[str, int](), dict[str, tuple[int, int]]()
    for number, (seed, outcome) in enumerate(walk(asked.seed, asked.lives, asked.jobs), 1):
        for name in outcome.worst.__struct_fields__:
            worst[name] = max(worst.get(name, (-1, 0)), (getattr(outcome.worst, name), seed))
        for name in ("excused", "left_alone"):
            worst[name] = max(worst.get(name, (-1, 0)), (getattr(outcome, name), seed))
        if not outcome.well:
            kinds[kind(outcome)] += 1
            examples.setdefault(kind(outcome), seed)
        if number % PROGRESS == 0:
            sys.stderr.write(f"{number} lived, {sum(kinds.values())} went wrong\n")
    for name, seed in sorted(examples.items(), key=lambda one: kinds[one[0]]):
        smallest = shrunk(life_of(seed), partial(same_kind, name))
        say(f"\n{kinds[name]} x {name} (seed {seed})\n  {show(smallest)}")
        say("\n".join(f"  at {one.at}: law {one.law}: {one.what}" for one in live(smallest).violations[:3]))
    say("\nworst: " + ", ".join(f"{name} {value} (seed {seed})" for name, (value, seed) in worst.items()))
    say(f"{asked.lives} lives, {sum(kinds.values())} went wrong, {time.monotonic() - began:.0f} s")
    return int(bool(kinds))


if __name__ == "__main__":
    raise SystemExit(main())
