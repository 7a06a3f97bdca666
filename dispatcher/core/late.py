"""Facts that come later than the webhook that made us look, and that no webhook tells of.

Metadata, attributes and visibility may change at any time after a person has joined. Where a rule reads them, a room
with somebody whom no rule wants yet is looked at again. And LiveKit's lists may lag behind its webhooks: whom a webhook
named is looked for again before anybody believes a list without them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.assignments import may_be_assigned
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, ROOM_STARTED, Ms, Participant
from dispatcher.core.rules import Rule
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot

_ARRIVALS: Final = frozenset({JOINED, ROOM_STARTED})


def expect(session: Session, event: Event, now: Ms) -> Session:
    """The session, which is looked at because of the event, is so again until a look shows whom the event named."""
    if event.name not in _ARRIVALS:
        return session
    sid = event.participant.sid if event.participant is not None else str(session.sid)
    newer = session.unseen_since < now or sid > session.unseen_sid  # of those heard of at once, always the same one
    return replace(session, unseen_sid=sid, unseen_since=now) if newer else session


def heard(session: Session, event: Event, rules: Sequence[Rule], now: Ms) -> Session:
    """The session after an event of a person or the room: whom no rule wants yet may be wanted soon."""
    person = event.participant
    if event.name not in _ARRIVALS:
        return session
    if session.missed_at:  # a list has contradicted what is heard only now: it counts no more
        session = replace(session, missed_at=now)
    if person is not None and _may_be_wanted(session, rules, person):
        again = session.undecided_since and now <= session.undecided_since + timing.LATE_MS[-1]
        session = replace(session, undecided_since=session.undecided_since if again else now, undecided_at=now)
    return session


def looked(session: Session, snapshot: RoomSnapshot, rules: Sequence[Rule], now: Ms) -> Session:
    """The session after a look: what of this was seen, or need be looked for no more."""
    shown = {one.sid for one in snapshot.participants} | {str(session.sid)}
    gone = {one.sid for one in session.notes} | {one.sid for one in session.departed}
    if session.unseen_sid in shown | gone or now >= session.unseen_since + timing.UNSEEN_MS[-1]:
        session = replace(session, unseen_sid="", unseen_since=0)
    unnamed = any(assignment.unnamed for assignment in session.assignments)
    if unnamed or any(_may_be_wanted(session, rules, one) for one in _different(snapshot, rules)):
        return session if session.undecided_since else replace(session, undecided_since=now, undecided_at=now)
    return replace(session, undecided_since=0, undecided_at=0)


def _different(snapshot: RoomSnapshot, rules: Sequence[Rule]) -> Iterable[Participant]:
    """Those present who may be wanted; of a crowd for whom no rule has an agent each, one of each sort."""
    each = any(rule.policy.per == "participant" for rule in rules)
    here = (one for one in snapshot.participants if one.active and not (one.as_agent or one.recorder))
    return {(one.kind, one.hidden, each and one.sid): one for one in here}.values()


def due(session: Session, now: Ms) -> bool:
    """Whether a look is due now for what no webhook tells."""
    return not session.stale and any(session.looked_at < at <= now for at in chain(unseen(session), undecided(session)))


def unseen(session: Session) -> Iterator[Ms]:
    """The instants at which whom a webhook named is looked for again."""
    if session.unseen_sid:
        yield from (session.unseen_since + after for after in timing.UNSEEN_MS)


def undecided(session: Session) -> Iterator[Ms]:
    """The instants at which whom no rule wants is looked at again: less often where many people make a look dear."""
    if session.undecided_since:
        apart = session.looked_at + session.apart
        begun = (session.undecided_since, session.undecided_at)
        yield from (at for since in begun for after in timing.LATE_MS if (at := since + after) >= apart)


def _may_be_wanted(session: Session, rules: Sequence[Rule], person: Participant) -> bool:
    """Whether a rule may come to want them: by facts that change, or by their becoming visible."""
    if person.as_agent or person.recorder:
        return False
    changing = None if person.hidden else [rule.name for rule in rules if rule.late]
    return may_be_assigned(session, rules, person, changing)
