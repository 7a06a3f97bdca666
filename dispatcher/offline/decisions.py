"""`dispatcher replay --config`: what other rules would have decided in the recorded rooms.

The saved sessions hold what was decided. The other rules are judged anew, look by look, on who was there: in a session
of their own, in which every wanted agent counts as asked for at once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from dispatcher.config import Config
from dispatcher.core.assignments import may_be_assigned
from dispatcher.core.audience import people
from dispatcher.core.effects import Observed, Save, Saved
from dispatcher.core.observe import observe
from dispatcher.core.rules import Rule, Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.text import visible
from dispatcher.offline.hidden import CannotTell, CarefulRules
from dispatcher.offline.recorded_tags import RecordedTags
from dispatcher.offline.replay import Write, missing, recorded, reported
from dispatcher.offline.situation import Unusable
from dispatcher.telemetry.tape import Exchange, Hides, Recorded, RecordedClaim, RecordedTerms, UnreadLine

RulesOf: TypeAlias = Callable[[str, Hides], CarefulRules]


class Comparison(StrEnum):
    """What other rules change for a room."""

    SAME = "same"
    OTHER = "other agent"
    GONE = "no agent any more"
    NEW = "agent where there was none"
    UNKNOWN = "cannot be told"


def compare(folders: Sequence[Path], config: Config, write: Write) -> int:
    """Write each room for which the configuration's rules change something; 0: there is none, 1: there is one.

    A room of which it cannot be told counts as changed. Raises Unusable.
    """
    rooms: dict[tuple[str, str], _Room] = {}
    rules_of, unread = _rules_of(config), 0
    for one in recorded(folders):
        if isinstance(one, UnreadLine):
            unread = reported(unread, one, write)
            continue
        key = one.claim.project, one.claim.session.sid
        if key not in rooms:
            rooms[key] = _Room(one.claim, rules_of)
        rooms[key].take(one)
    if not rooms:
        raise Unusable(f"{', '.join(map(str, folders))}: no claim is recorded there")
    write("".join(f"{line}\n" for line in _table(list(rooms.values()), str(config.file or "environment"))))
    counts = Counter(room.comparison for room in rooms.values())
    write(f"{len(rooms)} rooms: {', '.join(f'{counts[one]} {one}' for one in Comparison)}{missing(unread)}\n")
    return int(counts[Comparison.SAME] < len(rooms))


def _rules_of(config: Config) -> RulesOf:
    """The rules of a project, for tapes that hide so much. Raises CannotTell where there is no such project."""
    projects = {project.name: config.rules_of(project) for project in config.projects}

    @cache
    def rules_of(project: str, hides: Hides) -> CarefulRules:
        if project not in projects:
            raise CannotTell(f"the file has no project {project}")
        return CarefulRules(projects[project], hides)

    return rules_of


class _Room:
    """One life of a room: what was decided, and what other rules decide."""

    def __init__(self, first: RecordedClaim, rules_of: RulesOf) -> None:
        self.name = first.session.room
        self.project = first.project
        self.decided: dict[str, Target] = {}
        self.otherwise: dict[str, Target] = {}
        began_before = first.session.assignments or first.session.timeline
        self.obstacle = "it began before the recording" if began_before else ""
        self._rules_of = rules_of
        self._session = Session(room=self.name, sid=first.session.sid)

    @property
    def comparison(self) -> Comparison:
        if self.why_unknown:
            return Comparison.UNKNOWN
        decided, otherwise = (Counter(map(str, agents.values())) for agents in (self.decided, self.otherwise))
        if decided == otherwise:
            return Comparison.SAME
        if not otherwise:
            return Comparison.GONE
        return Comparison.OTHER if decided else Comparison.NEW

    @property
    def why_unknown(self) -> str:
        return self.obstacle or ("" if self._session.looked_at else "no look at it was recorded")

    def take(self, one: Recorded) -> None:
        """The next claim of the session. A look of which nothing was saved decided nothing."""
        looks: list[tuple[Observed, Exchange]] = []
        for exchange in one.claim.exchanges:
            match exchange.effect, exchange.reply:
                case _, Observed(snapshot=seen) as look if seen.room is not None:
                    looks.append((look, exchange))
                case Save(session=session), Saved():
                    wanted = (assignment for assignment in session.assignments if not assignment.remnant)
                    self.decided |= _named((assignment.key, assignment.policy.targets[0]) for assignment in wanted)
                    for look, looked in looks:
                        self._judge(look, looked, one.terms)
                    looks.clear()
                case _:
                    pass

    def _judge(self, look: Observed, exchange: Exchange, terms: RecordedTerms) -> None:
        if self.obstacle:
            return
        if exchange.found and not self._session.looked_at:
            self.obstacle = "it began before the recording"
            return
        snapshot = replace(look.snapshot, participants=tuple(people(look.snapshot)), dispatches=())
        try:
            rules = self._rules_of(self.project, terms.hides)
            if self._settled(snapshot, rules.rules):
                return
            rules.remember(terms, exchange.judged, heard=snapshot.heard)
            session = observe(self._session, snapshot, rules.rules, tags=RecordedTags(), now=look.began)
        except CannotTell as why:
            self.obstacle = str(why)
            return
        found = _named((assignment.key, assignment.policy.targets[0]) for assignment in session.assignments)
        self.otherwise = found | self.otherwise  # who was asked for first stays
        self._session = replace(
            session,
            assignments=tuple(
                replace(assignment, last_number=int(assignment.key in found)) for assignment in session.assignments
            ),
        )

    def _settled(self, snapshot: RoomSnapshot, rules: Sequence[Rule]) -> bool:
        """Whatever the rules say of who is there now, nobody more is asked for."""
        named = all(assignment.next_target.name for assignment in self._session.assignments)
        nobody = not any(may_be_assigned(self._session, rules, one) for one in (None, *people(snapshot)))
        return bool(self._session.looked_at) and named and nobody


def _named(assignments: Iterable[tuple[str, Target]]) -> dict[str, Target]:
    """Those whose agent could be named."""
    return {key: target for key, target in assignments if target.name}


def _table(rooms: Sequence[_Room], file: str) -> Iterator[str]:
    """Each room that changes, or of which it cannot be told; nothing where there is none."""
    differing = [room for room in rooms if room.comparison is not Comparison.SAME]
    if not differing:
        return
    several = len({room.project for room in rooms}) > 1
    rows = [("room", "recorded", file, "")]
    rows += [_row(room, visible(f"{room.project}/{room.name}" if several else room.name)) for room in differing]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[3]]).rstrip()


def _row(room: _Room, name: str) -> tuple[str, str, str, str]:
    if room.why_unknown:
        return name, _agents(room.decided), "?", f"{Comparison.UNKNOWN}: {room.why_unknown}"
    return name, _agents(room.decided), _agents(room.otherwise), room.comparison


def _agents(agents: Mapping[str, Target]) -> str:
    return ", ".join(f"{visible(key)}: {target}" for key, target in agents.items()) or "none"
