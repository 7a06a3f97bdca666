"""The keys of one installation, and the calls that name them: no key of another installation's begins as they do."""

import zlib
from collections.abc import Callable

from dispatcher.core.facts import Ms
from dispatcher.ledger.installation import UNNAMED
from dispatcher.ledger.interface import Key
from dispatcher.ledger.redis.client import Argument, ScriptCall
from dispatcher.ledger.redis.scripts import PARTITIONS, Op


class Keys:
    """The keys of the installation called `instance`. `clock`, for tests, is told to the scripts as Redis's own."""

    def __init__(self, instance: str = UNNAMED, clock: Callable[[], Ms] | None = None) -> None:
        whose = "" if instance == UNNAMED else f"{instance}/"
        # In braces is what a cluster puts into one slot.
        self.bases = tuple(f"ld:{{{whose}{number}}}:".encode() for number in range(PARTITIONS))
        self._clock = clock

    def base(self, project: str, name: str) -> bytes:
        """What all keys of the name's partition begin with."""
        return self.bases[zlib.crc32(f"{project}\0{name}".encode()) % PARTITIONS]

    def call(self, op: Op, base: bytes, *args: Argument, key: bytes = b"") -> ScriptCall:
        """The script, on the partition; `key` is the one that is asked for first, if there is one."""
        now = self._clock() if self._clock else ""
        return ScriptCall(op, base, key or base + b"age", (now, *args))

    def on(self, key: Key, op: Op, *args: Argument) -> ScriptCall:
        """The script, on one session."""
        base, name = self.base(key.project, key.room), session_id(key)
        return self.call(op, base, name, *args, key=base + b"s:" + name)

    def named(self, kind: str, name: str, op: Op, *args: Argument) -> ScriptCall:
        """The script, on the one key of this kind and name."""
        base = self.base("", name)
        return self.call(op, base, *args, key=base + f"{kind}{name}".encode())

    def everywhere(self, op: Op, *args: Argument) -> list[ScriptCall]:
        """The script, on each partition."""
        return [self.call(op, base, *args) for base in self.bases]


def session_id(key: Key) -> bytes:
    """A session's name inside its partition."""
    return f"{key.project}\0{key.sid}".encode()
