"""The ledger's Lua scripts: one file for each operation, each behind the same preamble and the interface's numbers."""

from enum import StrEnum
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Final

from msgspec import Struct

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.ledger import changes, ended, interface

# A session's keys outlive its logical end, which the scripts judge by their own clock, and the indexes it stands in
# outlive the youngest session: so whatever stands in an index can still be read when it is taken out.
INDEX_TTL_MS: Final[Ms] = max(interface.LIVE_TTL_MS, ended.KEEP_MAX_MS) + 3_600_000
SPARE_TTL_MS: Final[Ms] = INDEX_TTL_MS + 3_600_000
OWN_MS: Final[Ms] = 600_000  # a process that has not asked for its keys for so long has them no more
PARTITIONS: Final = 16  # an installation's sessions in as many cluster slots; part of the keys' names
LATE_MS: Final[Ms] = 60_000  # as much later than they mean other keys go: the next master's clock may be behind

_FOLDER: Final = Path(__file__).with_name("lua")
_NUMBERS: Final = {
    "LEASE_MS": timing.LEASE_MS,
    "INBOX_MAX": interface.INBOX_MAX,
    "LIVES_MAX": interface.LIVES_MAX,
    "KEEP_MAX_MS": ended.KEEP_MAX_MS,
    "OVER_FINAL_MS": ended.OVER_FINAL_MS,
    "LIVE_TTL_MS": interface.LIVE_TTL_MS,
    "ADJUST_TTL_MS": interface.ADJUST_TTL_MS,
    "MEMO_TTL_MS": interface.MEMO_TTL_MS,
    "NOTICES_MAX": interface.NOTICES_MAX // PARTITIONS,
    "NOTICES_TTL_MS": interface.NOTICES_TTL_MS,
    "DEDUPE_MS": interface.DEDUPE_MS,
    "CHANGES_MAX": changes.CHANGES_MAX // PARTITIONS,
    "WATCH_MS": changes.WATCH_MS,
    "INDEX_TTL_MS": INDEX_TTL_MS,
    "SPARE_TTL_MS": SPARE_TTL_MS,
    "LATE_MS": LATE_MS,
    "OWN_MS": OWN_MS,
}


class Op(StrEnum):
    """A script, by the name of its file."""

    ADJUST = "adjust"
    CHANGES = "changes"
    CLAIM = "claim"
    COUNTS = "counts"
    DELIVER = "deliver"
    DISCARD = "discard"
    FIND = "find"
    LIST = "list"
    LIVES = "lives"
    MEMOS = "memos"
    NOW = "now"
    OWN = "own"
    PACE = "pace"
    PEEK = "peek"
    POSTED = "posted"
    RELEASE = "release"
    RENEW = "renew"
    REPLACE_MEMO = "replace_memo"
    SAVE = "save"
    STANDINGS = "standings"
    TOUCH = "touch"
    TURN = "turn"


class Script(Struct, frozen=True):
    """A script's text, and the name that Redis knows it by once it has seen it."""

    text: str
    sha: str


@cache
def script(op: Op) -> Script:
    """The operation's script."""
    numbers = "".join(f"local {name} = {number}\n" for name, number in _NUMBERS.items())
    text = numbers + (_FOLDER / "preamble.lua").read_text() + (_FOLDER / f"{op}.lua").read_text()
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
