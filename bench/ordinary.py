"""Ordinary things that happen in rooms: `python -m bench.ordinary`, on a real livekit-server with real agents.

For each, the seconds until somebody has an agent (again); `>40` where none came in 40 s. Two rows mean something else:
for a grant no agent should come (`>10`), and for deleted rooms it is how long an agent sits in one of them alone.
`tests/e2e/ordinary.py` says what happens in each. Everything takes about 20 minutes.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from livekit.api import DeleteRoomRequest, ListRoomsRequest, ServerError, ServerErrorCode

from tests.e2e.ordinary import ALONE_S, SITUATIONS, WRONGLY_S, Scene, Seconds, Situation, scene

WITHIN_S: Final = 40.0
UNSEEN_S: Final = 100.0  # for targets that no worker serves
LIMITS: Final = {"granted": WRONGLY_S, "deleted": ALONE_S, "absent": UNSEEN_S, "telephone": UNSEEN_S}


async def measure(name: str, situation: Situation, runs: int, directory: Path) -> None:
    """A line for each row of the situation, each run with a service that knows nothing yet."""
    limit = LIMITS.get(name, WITHIN_S)
    waits: dict[str, list[Seconds]] = {row: [] for row in situation.rows}
    async with scene(directory, situation, within=limit) as here:
        for run in range(runs):
            with here.service():
                for number, (row, play) in enumerate(situation.rows.items()):
                    waits[row].append(await play(here, f"{name}-{run}-{number}"))
                    await close(here)
    for row, seconds in waits.items():
        shown = " ".join(f"{'>' + format(limit, '.0f') if one is None else format(one, '.1f'):>6}" for one in seconds)
        print(f"{row:38} {shown}  load {os.getloadavg()[0]:.1f}", flush=True)


async def close(here: Scene) -> None:
    """No room is left."""
    for room in (await here.api.room.list_rooms(ListRoomsRequest())).rooms:
        try:
            await here.api.room.delete_room(DeleteRoomRequest(room=room.name))
        except ServerError as error:
            if error.code != ServerErrorCode.NOT_FOUND:  # else it has just ended by itself
                raise


async def main(names: Sequence[str], runs: int, keep: Path | None) -> None:
    """A table of these situations; with `keep`, what everybody wrote stays in that directory."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            directory = (keep or Path(scratch)) / name
            directory.mkdir(parents=True, exist_ok=True)
            await measure(name, SITUATIONS[name], runs, directory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("situations", nargs="*", default=list(SITUATIONS), help=f"of {', '.join(SITUATIONS)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a directory for configurations and logs")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.situations, chosen.runs, chosen.keep))
