"""Rooms in which drives were carried out and recorded, each under rules that a file says."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from msgspec.structs import replace

from dispatcher.config import Config, load_offline
from dispatcher.core.drive import Terms
from dispatcher.core.effects import (
    Ask,
    Asked,
    Effect,
    GiveWay,
    Observe,
    Observed,
    Outcome,
    Reply,
    Resumed,
    Save,
    Saved,
    Turn,
)
from dispatcher.core.events import Event
from dispatcher.core.facts import SWEPT, Ms, Participant, Room, RoomSid
from dispatcher.core.session import Session
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.telemetry.tape import Tape
from tests.unit.core.world import NOW, TAGS

LATER: Ms = 1_500


def config(folder: Path, rules: str, name: str = "dispatcher.yaml") -> Config:
    """The configuration of a file with these rules."""
    file = folder / name
    file.write_text(rules)
    return load_offline(file, {})


class Played:
    """One life of a room, looked at again and again: each look is a claim of its own, and what it saves is kept."""

    def __init__(self, tape: Tape, settings: Config, room: Room | str = "lobby", project: str = "default") -> None:
        self.tape = tape
        self.settings = settings
        self.project = project
        self.room = room if isinstance(room, Room) else Room(sid=RoomSid(f"RM_{room}"), name=room)
        self.session = Session(room=self.room.name, sid=self.room.sid)
        self.asked: list[str] = []
        self.now = NOW

    def look(
        self, *people: Participant, dispatches: Sequence[Dispatch] = (), until: int = 99, heard: bool = False
    ) -> None:
        """A claim in which these people are seen; it is cut off after so many effects."""
        rules = self.settings.rules_of(self.settings.projects[0])
        terms = Terms(tags=TAGS, rules=rules)
        event = Event(id="", name=SWEPT, created_at=self.now, room=self.room)
        snapshot = RoomSnapshot(room=self.room, heard=heard, participants=people, dispatches=tuple(dispatches))
        drive = self.tape.drive(self.project, self.session, (event,), terms, self.now)
        with closing(drive.run()) as conversation, suppress(StopIteration):
            effect = next(conversation)
            for _ in range(until):
                effect = conversation.send(self._reply(effect, snapshot))
        self.now += LATER

    def _reply(self, effect: Effect, snapshot: RoomSnapshot) -> Reply:
        match effect:
            case Observe():
                return Observed(self.now, self.now, snapshot)
            case Ask(step=step):
                self.asked.append(str(step.target))
                return Asked(now=self.now, outcome=Outcome.TAKEN, dispatch=f"AD_{len(self.asked)}")
            case Save(session=session):
                self.session = session
                return Saved(self.now)
            case GiveWay():
                return Resumed(self.now)
            case _:
                return Turn(self.now, 0)


def caller(number: str = "+441632960961", trunk: str = "+442079460000", **fields: object) -> Participant:
    """Somebody on the telephone."""
    attributes = {"sip.trunkPhoneNumber": trunk, "sip.phoneNumber": number}
    made = Participant(sid=f"PA_{number}", identity=f"sip_{number}", kind="SIP", active=True, attributes=attributes)
    return replace(made, **fields)
