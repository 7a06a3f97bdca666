"""What a tape leaves out (law 11), so that what is left still replays: the core reads none of it but what is kept here.

Metadata is left out. Attributes keep their names; their values, and participants' names, become marks of a key that
stays in the process. Of agents, the core reads the name they registered under, that they are done, that an avatar
speaks for another, and which launcher has started them.
Identities recur in participants, jobs, notes, assignments and attempts: where they are redacted, they are so
everywhere.
"""

from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from dispatcher.core.effects import Ask, Effect, FoundEarlier, Observed, Reply, Save, Saved, TakeBack
from dispatcher.core.events import Event
from dispatcher.core.facts import DONE, LAUNCHER, Participant, Room
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.core.text import IDENTITY_MAX, brief
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.tape.lines import Exchange, Hides

HIDDEN: Final = "(hidden)"  # metadata that was there
MARKS_MAX: Final = 8_192  # remembered: to make one takes longer than all else that is done for an attribute

_KEPT: Final = frozenset(
    {"lk.agent_name", "lk.agent.name", DONE, LAUNCHER}
)  # a word for people, told in the timeline, too
_SPEAKS_FOR: Final = "lk.publish_on_behalf"


class Hiding:
    """Hides facts by marks of `facts`, and people by those of `people`, while that has a key; with `plain`, nothing."""

    def __init__(self, people: Mask, facts: Mask, *, plain: bool = False) -> None:
        self._people = people
        self._mark = lru_cache(MARKS_MAX)(facts.identity)  # of the same people, look after look
        self._plain = plain

    @property
    def hides(self) -> Hides:
        """How much, as things are now."""
        if self._plain:
            return Hides.NOTHING
        return Hides.PEOPLE if self._people.hides else Hides.FACTS

    def session(self, session: Session) -> Session:
        """A record has no facts, but people."""
        if self._plain or not self._people.hides:
            return session
        return replace(
            session,
            room=self._people.numbers(session.room),
            assignments=tuple(self._assignment(assignment) for assignment in session.assignments),
            notes=tuple(replace(note, identity=self._people.identity(note.identity)) for note in session.notes),
            departed=tuple(replace(gone, identity=self._people.identity(gone.identity)) for gone in session.departed),
            here=tuple(one._replace(identity=self._people.identity(one.identity)) for one in session.here),
            timeline=tuple(
                replace(entry, assignment=self._people.assignment(entry.assignment)) for entry in session.timeline
            ),
        )

    def event(self, event: Event) -> Event:
        if self._plain:
            return event
        room, person = event.room, event.participant
        return replace(
            event,
            room=room and self._room(room),
            participant=person and self._participant(person),
            assignment=self._people.assignment(event.assignment),
        )

    def exchange(self, one: Exchange) -> Exchange:
        """The exchange."""
        reply = None if one.reply is None else self._reply(one.reply)
        found = {id_: tag._replace(key=self._key(tag.key)) for id_, tag in one.found.items()}
        launched = self._identity(one.launched)
        return replace(one, effect=self._effect(one.effect), reply=reply, found=found, launched=launched)

    def _effect(self, effect: Effect) -> Effect:
        match effect:
            case Save():
                return replace(effect, session=self.session(effect.session))
            case Ask():
                asked = replace(effect.step, assignment=self._key(effect.step.assignment))
                identity = self._identity(effect.identity)
                return Ask(step=asked, metadata="", tag="", identity=identity, started_at=effect.started_at)
            case TakeBack():
                step = replace(effect.step, assignment=self._key(effect.step.assignment))
                return replace(effect, step=step, identity=self._identity(effect.identity))
            case _:
                return effect

    def _reply(self, reply: Reply) -> Reply:
        match reply:
            case Observed() if not self._plain:
                return replace(reply, snapshot=self._snapshot(reply.snapshot))
            case FoundEarlier(sessions=found):
                return replace(reply, sessions=tuple(self.session(session) for session in found))
            case Saved(more=tuple(more)):
                return replace(reply, more=tuple(self.event(event) for event in more))
            case _:
                return reply

    def _snapshot(self, snapshot: RoomSnapshot) -> RoomSnapshot:
        return RoomSnapshot(
            room=snapshot.room and self._room(snapshot.room),
            heard=snapshot.heard,
            participants=tuple(self._participant(one) for one in snapshot.participants),
            dispatches=tuple(self._dispatch(one) for one in snapshot.dispatches),
        )

    def _room(self, room: Room) -> Room:
        return replace(room, name=self._people.numbers(room.name), metadata=HIDDEN if room.metadata else "")

    def _participant(self, one: Participant) -> Participant:
        return replace(
            one,
            identity=self._known(one.identity),
            name=self._mark(one.name),
            metadata=HIDDEN if one.metadata else "",
            attributes={
                name: self._attribute(name, value, of_agent=one.as_agent) for name, value in one.attributes.items()
            },
        )

    def _attribute(self, name: str, value: str, *, of_agent: bool) -> str:
        if of_agent and name in _KEPT:
            return value
        if of_agent and name == _SPEAKS_FOR:
            return self._known(value)
        return self._mark(value)

    def _dispatch(self, one: Dispatch) -> Dispatch:
        jobs = tuple(replace(job, identity=self._known(job.identity)) for job in one.jobs)
        return replace(one, tag=one.tag if self._plain else self._mark(one.tag), jobs=jobs)

    def _assignment(self, assignment: Assignment) -> Assignment:
        attempts = tuple(self._attempt(attempt) for attempt in assignment.attempts)
        return replace(assignment, identity=self._people.identity(assignment.identity), attempts=attempts)

    def _attempt(self, attempt: Attempt) -> Attempt:
        return replace(attempt, identities=tuple(self._people.identity(one) for one in attempt.identities))

    def _key(self, assignment: str) -> str:
        return assignment if self._plain else self._people.assignment(assignment)

    def _identity(self, identity: str) -> str:
        return identity if self._plain else self._known(identity)

    def _known(self, identity: str) -> str:
        """The mark of what a session remembers of the identity, which is cut where it is long."""
        return self._people.identity(brief(identity, IDENTITY_MAX)) if self._people.hides else identity
