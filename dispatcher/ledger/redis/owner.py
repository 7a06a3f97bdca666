"""Makes sure who owns the keys. Two installations that share keys would end each other's rooms.

The processes of one installation share a project, and each project that two of them share is at one LiveKit: at one
URL, with an API key in common (so keys may be rotated). The first installation owns the keys of its instance until its
last process has stopped, or has not asked for them for OWN_MS. A process of another installation is refused as long as
the first one owns them, and for PATIENCE_S after that. A process that starts with `take_over` takes the keys.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from dispatcher.ledger.installation import Installation, LiveKitAt
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.ledger.redis.client import DEADLINE_S, Client, ScriptCall
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.scripts import OWN_MS, Op

AGAIN_S: Final = 5.0  # an answer holds so long
LISTED_MAX: Final = 3  # projects, in an error
PATIENCE_S: Final = OWN_MS / 1000  # who was refused waits so long: those it came second to may be restarted meanwhile


_Answer: TypeAlias = int | list[bytes]  # own.lua's: 1, 0, or the project in which another installation differs, and it
_LIVEKITS: Final = msgspec.json.Decoder(dict[str, LiveKitAt])


class _How(StrEnum):
    """How a process asks."""

    OWN = "own"  # they are its own, unless another installation's
    TAKE = "take"  # they are its own
    WAIT = "wait"  # they are its own if they are those of another process of its installation
    LOOK = "look"  # they are not, whatever the answer
    LEAVE = "leave"  # they are its own no more


class Owner:
    """Runs scripts on the installation's keys, and every AGAIN_S makes sure before one is run that they are its own."""

    def __init__(self, client: Client, keys: Keys, installation: Installation) -> None:
        self._client = client
        self._keys = keys
        self._installation = installation
        self._token = secrets.token_hex(8)
        self._asking = asyncio.Lock()
        self._how = _How.TAKE if installation.take_over else _How.OWN  # next time
        self._asked_for: Mapping[str, LiveKitAt] | None = None  # when the keys were last our own
        self._asked_at = self._until = 0.0  # monotonic
        self._free_since: float | None = None
        self._refusal = ""  # the last one's words
        self._trouble: LedgerUnavailable | None = None

    async def run(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run the scripts, as `Client.run`. Raises LedgerTaken, and runs none, if another one owns the keys."""
        livekits = self._installation.livekits
        spent = await self._hold(livekits()) if calls and livekits else 0.0
        return await self._client.run(calls, DEADLINE_S - spent)

    async def look(self, livekits: Mapping[str, LiveKitAt]) -> str:
        """Find out which other installation owns the keys; "": none. Takes no keys. Raises LedgerUnavailable."""
        return self._said(await self._ask(_How.LOOK, livekits), livekits)

    async def aclose(self) -> None:
        """Give the keys up, unless another process of ours has them; close every connection."""
        if self._asked_for is not None:
            with suppress(LedgerUnavailable):  # they are free after OWN_MS
                await self._ask(_How.LEAVE, self._asked_for)
        await self._client.aclose()

    async def _hold(self, livekits: Mapping[str, LiveKitAt]) -> float:
        """How many seconds it took to make sure. Of many that come together one asks, and all have its answer."""
        came = time.monotonic()
        if came < self._until and livekits is self._asked_for:
            return 0.0
        async with self._asking:
            if self._asked_at < came:
                await self._make_sure(livekits)
        if self._trouble is not None:
            raise type(self._trouble)(*self._trouble.args)
        return time.monotonic() - came

    async def _make_sure(self, livekits: Mapping[str, LiveKitAt]) -> None:
        now = time.monotonic()
        if self._free_since is not None and now - self._free_since >= PATIENCE_S:
            self._how = _How.OWN
        try:
            answer = await self._ask(self._how, livekits)
        except LedgerUnavailable as error:
            self._free_since, self._trouble = None, error
        else:
            self._learn(answer, livekits, now)
        self._asked_at = time.monotonic()

    def _learn(self, answer: _Answer, livekits: Mapping[str, LiveKitAt], now: float) -> None:
        if answer == 1:
            self._how, self._asked_for, self._until = _How.OWN, livekits, now + AGAIN_S
            self._trouble = self._free_since = None
        elif answer == 0:
            self._free_since = now if self._free_since is None else self._free_since
            self._trouble = LedgerTaken(self._refusal)
        else:
            self._how, self._free_since, self._refusal = _How.WAIT, None, self._said(answer, livekits)
            self._trouble = LedgerTaken(self._refusal)

    async def _ask(self, how: _How, livekits: Mapping[str, LiveKitAt]) -> _Answer:
        mine = msgspec.json.encode(livekits, order="sorted")
        call = self._keys.named("o:", "processes", Op.OWN, self._token, how.value, mine)
        answer: _Answer = (await self._client.run([call]))[0]
        return answer

    def _said(self, answer: _Answer, livekits: Mapping[str, LiveKitAt]) -> str:
        if isinstance(answer, int):
            return ""
        project, theirs = answer[0].decode(), _LIVEKITS.decode(answer[1])
        which = f"instance {self._installation.instance} is another installation's, which has"
        if not project:
            return f"{which} {_listed(theirs)}; here is {_listed(livekits)}"
        return f"{which} {project} at {theirs[project]}; here it is at {livekits[project]}"


def _listed(livekits: Mapping[str, LiveKitAt]) -> str:
    return ", ".join(f"{name} at {livekit}" for name, livekit in sorted(livekits.items())[:LISTED_MAX])
