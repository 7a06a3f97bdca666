"""`python -m tests.chaos.later serve …`: the service as a later release may be. Its records are of the next version.

They hold more than ours, a session's MOOD; those of the version before it reads, as a release must.
"""

import json
from typing import Final

from dispatcher.cli.main import main
from dispatcher.core.facts import RoomSid
from dispatcher.core.session import Session
from dispatcher.ledger import record as records

OURS: Final = records.VERSION
LATER: Final = OURS + 1
MOOD: Final = {"mood": "good"}

_dump, _load = records.dump, records.load


def dump(session: Session) -> bytes:
    """The record with what only this release knows."""
    made = json.loads(_dump(session))
    return json.dumps({"v": LATER, "s": made["s"] | MOOD}).encode()


def load(record: bytes | None, room: str, sid: RoomSid) -> Session:
    """The session of a record of either version."""
    return _load(record and json.dumps(json.loads(record) | {"v": OURS}).encode(), room, sid)


if __name__ == "__main__":
    records.dump, records.load = dump, load
    records.is_newer = lambda record: False  # noqa: ARG005 - there is none
    raise SystemExit(main())
