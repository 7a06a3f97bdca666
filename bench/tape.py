"""Recording: what a drive costs with it and without, and how large its line is.

    python -m bench.tape

A drive as an ordinary join makes it: look, save, ask, save; in a room of one and in one of a hundred, whose people have
attributes. Medians of rounds, in CPU time of all threads: the writer's is part of it. About ten seconds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dispatcher.core.drive import Drive, Terms
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
from dispatcher.core.facts import JOINED, Ms, Participant, Room, RoomSid
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tape import Files, Hiding, RecordedDrive, Tape, Writer
from dispatcher.telemetry.tape.files import tapes
from tests.unit.core.world import TAGS

ROUNDS: Final = 15
TIMES: Final = 100  # a round
NOW: Final[Ms] = 1_700_000_000_400
ROOM: Final = Room(sid=RoomSid("RM_1234567890ab"), name="fx-support-42", metadata='{"tenant": "acme"}', created_at=NOW)
GREETER: Final = Policy(targets=(Target("greeter"),))
OTHERS: Final = [Rule(name=f"rule-{at}", policy=GREETER, when=lambda _, one: one is None) for at in range(9)]
TERMS: Final = Terms(tags=TAGS, rules=(*OTHERS, Rule(name="everyone-else", policy=GREETER)))
HOW: Final = {"off": None, "hidden": (False, False), "people hidden": (True, False), "plain": (False, True)}


def main() -> None:
    """Prints microseconds and bytes a drive."""
    for people in (1, 100):
        seen = RoomSnapshot(room=ROOM, participants=tuple(map(person, range(people))))
        for how, hides in HOW.items():
            with tempfile.TemporaryDirectory() as folder:
                cost, size = measured(seen, Path(folder), hides)
                print(f"a room of {people:3}, recording {how:<14} {cost:8.1f} µs a drive {size:9.0f} bytes")


def person(number: int) -> Participant:
    """Somebody on the telephone."""
    phone = f"+4416329{number:05}"
    attributes = {"sip.trunkPhoneNumber": "+442079460000", "sip.phoneNumber": phone, "sip.callID": f"SCL_{number}"}
    return Participant(
        sid=f"PA_{number:012}", identity=f"sip_{phone}", kind="SIP", active=True, joined_at=NOW, attributes=attributes
    )


def measured(seen: RoomSnapshot, folder: Path, hides: tuple[bool, bool] | None) -> tuple[float, float]:
    """Microseconds, and bytes on the disk, of one drive."""
    event = Event(id="EV_1", name=JOINED, created_at=NOW, room=ROOM, participant=seen.participants[0])
    session = Session(room=ROOM.name, sid=ROOM.sid)
    if hides is None:
        return median(lambda: carried_out(Drive(session, (event,), TERMS, NOW), seen)), 0.0
    files, lost = Files(folder, files_max=1_000), list[None]()
    files.open()
    with Writer(files.write, lambda: lost.append(None), waiting_max=1 << 30) as writer:
        tape = Tape(writer, Hiding(mask(keyed=hides[0]), mask(keyed=True), plain=hides[1]))
        cost = median(lambda: carried_out(tape.drive("default", session, (event,), TERMS, NOW), seen))
        writer.close(30)
    assert not lost
    files.close()
    return cost, sum(path.stat().st_size for path in tapes(folder)) / (ROUNDS * TIMES)


def mask(*, keyed: bool) -> Mask:
    """One that shows marks, if it has a key."""
    made = Mask()
    made.use(b"a key of thirty-two bytes, or so" if keyed else None)
    return made


def carried_out(drive: Drive | RecordedDrive, seen: RoomSnapshot) -> None:
    """All goes well."""
    conversation = drive.run()
    try:
        effect = next(conversation)
        while True:
            effect = conversation.send(answered(effect, seen))
    except StopIteration:
        return


def answered(effect: Effect, seen: RoomSnapshot) -> Reply:
    """What the world says."""
    match effect:
        case Observe():
            return Observed(NOW + 8, NOW, seen)
        case Ask():
            return Asked(now=NOW + 12, outcome=Outcome.TAKEN, dispatch="AD_1234567890ab")
        case Save():
            return Saved(NOW + 15)
        case GiveWay():
            return Resumed(NOW + 10)
        case _:
            return Turn(NOW + 9, 0)


def median(call: Callable[[], object]) -> float:
    """The median microseconds of a call."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(TIMES):
            call()
        rounds.append((time.process_time() - start) / TIMES * 1e6)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
