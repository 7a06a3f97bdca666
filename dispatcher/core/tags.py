"""The tag by which a dispatch of ours is known where its id is not: after a lost reply, a crash, an emptied ledger.

`<instance>:<room SID>:<assignment key>#<number>:<signature>`. An agent that a launcher has started bears it itself: its
identity ends in the signature, so that it fits nobody else. Whoever opens a room may write any attribute into its
dispatches (a token's `room_config`), so a tag counts only where it is signed: for the room's name, and for the agent
that the dispatch asks for. The SID is that of the life that was asked for. A room that closed, and that our own request
opened again, lists a dispatch of its life before: that is ours.
"""

import json
import re
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from dispatcher.core.plan import Create
from dispatcher.core.rules import Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import Dispatch, RoomSnapshot

AHEAD_MAX: Final = 10_000  # attempts that an emptied ledger may have forgotten: five days of a starved assignment's
LAUNCHER_MAX: Final = 15  # characters of a launcher's name in an identity: a session remembers all of it (`core.text`)
_TAG_MAX: Final = 1_024  # characters: ours have some 400 at most, and longer ones are not worth a hash
_CLAIM: Final = re.compile(r"[^:]*:[^:]*:(?P<key>.+)#(?P<number>[0-9]{1,9}):[^:]*")


class Signer(Protocol):
    """Knows a secret that outsiders do not."""

    def sign(self, text: str) -> str:
        """The text's signature: printable ASCII, without a colon."""
        ...

    def signed(self, text: str, signature: str) -> bool:
        """Whether this is a signature of the text, made with the secret or one that it has followed."""
        ...


class Tag(NamedTuple):
    """For which assignment a dispatch of ours was made, and as which attempt."""

    key: str
    number: int


def claimed(tag: str) -> Tag | None:
    """What the tag says, which anybody may have written: enough for a hint, and for nothing else. None: nothing."""
    said = _CLAIM.fullmatch(tag) if len(tag) <= _TAG_MAX else None
    return Tag(said["key"], int(said["number"])) if said else None


class Tagging(Protocol):
    """Marks dispatches, and knows its own again."""

    def of(self, session: Session, step: Create) -> str:
        """What the dispatch of this step carries, or the agent that is launched for it."""
        ...

    def identity(self, session: Session, step: Create) -> str:
        """As whom the agent joins that a launcher starts for this step: always the same, and nobody else's."""
        ...

    def found(self, session: Session, snapshot: RoomSnapshot) -> dict[str, Tag]:
        """The tags of those listed dispatches that are ours, by the dispatches' ids."""
        ...


class Tags(Struct, frozen=True):
    """Marks the dispatches and launches of one installation in one project, and knows them again."""

    instance: str
    signer: Signer

    def of(self, session: Session, step: Create) -> str:
        """What the dispatch of this step carries, or the agent that is launched for it."""
        return f"{self.instance}:{session.sid}:{step.assignment}#{step.number}:{self._signature(session, step)}"

    def identity(self, session: Session, step: Create) -> str:
        """As whom the agent joins that a launcher starts for this step: always the same, and nobody else's."""
        return _identity(step.target.launcher, self._signature(session, step))

    def found(self, session: Session, snapshot: RoomSnapshot) -> dict[str, Tag]:
        """The tags of those listed dispatches that are ours, by the dispatches' ids."""
        read = {dispatch.id: self._read(session.room, dispatch) for dispatch in snapshot.dispatches}
        return {id_: tag for id_, tag in read.items() if tag is not None and _in_reach(session, tag)}

    def _signature(self, session: Session, step: Create) -> str:
        return self.signer.sign(self._proven(session.room, session.sid, step.assignment, str(step.number), step.target))

    def _read(self, room: str, dispatch: Dispatch) -> Tag | None:
        """What the tag says, if it is ours. Anybody may write anything there: nothing of it is believed before."""
        text, _, signature = dispatch.tag.rpartition(":")
        whose, _, rest = text.partition(":")
        sid, _, rest = rest.partition(":")
        key, _, number = rest.rpartition("#")
        if whose != self.instance or len(text) > _TAG_MAX:
            return None
        if dispatch.launcher and [job.identity for job in dispatch.jobs] != [_identity(dispatch.launcher, signature)]:
            return None
        ours = self.signer.signed(self._proven(room, sid, key, number, dispatch.target), signature)
        return Tag(key, int(number)) if ours else None

    def _proven(self, room: str, sid: str, key: str, number: str, target: Target) -> str:
        """What the signature is of. As JSON: no two of them read the same, whatever stands in a name."""
        launcher = [target.launcher] if target.launcher else []
        return json.dumps([self.instance, room, sid, key, number, target.agent, target.deployment, *launcher])


def _identity(launcher: str, signature: str) -> str:
    return f"{launcher[:LAUNCHER_MAX]}-{signature}"


def _in_reach(session: Session, tag: Tag) -> bool:
    assignment = session.find(tag.key)
    return tag.number <= (assignment.last_number if assignment else 0) + AHEAD_MAX
