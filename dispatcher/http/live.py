"""What LiveKit shows of a room at the moment somebody asks, and what the rules say of everybody in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import ROOM_STARTED, Participant, RoomSid
from dispatcher.core.rules import Rule
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import LiveKitError
from dispatcher.offline import Situation, answers
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.masks import Mask

AT_ONCE: Final = 4  # looks for those who ask; who comes later is answered without one
JUDGED_MAX: Final = 8  # people of one room against whom rules are told, those who joined first
RULES_MAX: Final = 50  # rules that are told for each


class RuleAnswers(Struct, frozen=True):
    """Somebody, or the room itself (`identity` is ""), and each rule's answer."""

    identity: str
    kind: str
    rules: tuple[str, ...]


class Live:
    """Looks at rooms for people. Nothing is decided by these looks, and nothing of them is kept."""

    def __init__(self, holder: ConfigHolder, mask: Mask) -> None:
        self.holder = holder
        self.mask = mask
        self._under_way = 0

    async def look(self, key: Key) -> RoomSnapshot | None:
        """Look at the session's room; None: LiveKit does not answer, or too many ask at once."""
        async with self._place() as free:
            runtime = self.holder.snapshot.projects.get(key.project)
            if runtime is None or not free:
                return None
            try:
                return await runtime.livekit.look(key.room, RoomSid(key.sid))
            except LiveKitError:  # the service's own trouble tells of it (`telemetry.health`)
                return None

    async def find(self, project: str, room: str) -> RoomSnapshot | None:
        """Look for a room of which only the name is known; None: as of `look`."""
        try:
            found = await self.holder.snapshot.projects[project].livekit.room(room)
        except LiveKitError:
            return None
        return await self.look(Key(project, room, found.sid)) if found else RoomSnapshot(room=None)

    async def judged(self, look: RoomSnapshot, rules: Sequence[Rule]) -> list[RuleAnswers]:
        """Tell each rule's answer to everybody in the room, and to the room itself. Others have their turn between."""
        if look.room is None:
            return []
        people = sorted(look.participants, key=lambda one: (not one.is_person, one.joined_at))[:JUDGED_MAX]
        told = [await self._told(rules, Situation(room=look.room, person=one), one) for one in people]
        if any(rule.policy.trigger == ROOM_STARTED for rule in rules):
            told.append(await self._told(rules, Situation(event=ROOM_STARTED, room=look.room), None))
        return told

    async def _told(self, rules: Sequence[Rule], situation: Situation, person: Participant | None) -> RuleAnswers:
        lines: list[str] = []
        for line in answers(rules[:RULES_MAX], situation, reveal=False):
            lines.append(line)
            await asyncio.sleep(0)
        if len(rules) > RULES_MAX:
            lines.append(f"and {len(rules) - RULES_MAX} more rules")
        identity = self.mask.identity(person.known_as) if person else ""
        return RuleAnswers(identity, person.kind if person else "", tuple(lines))

    def shown(self, look: RoomSnapshot) -> RoomSnapshot:
        """The look as it may be shown: with marks for people, where identities are masked."""
        people = (replace(one, identity=self.mask.identity(one.known_as)) for one in look.participants)
        return replace(look, participants=tuple(people))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[bool]:
        """Whether one more look may be made now."""
        if self._under_way >= AT_ONCE:
            yield False
            return
        self._under_way += 1
        try:
            yield True
        finally:
            self._under_way -= 1
