"""`dispatcher rules test`: cases written in YAML, each a situation and what the rules should make of it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.config.document import Document, Loc, Tree, read_document
from dispatcher.config.problems import Problem, did_you_mean
from dispatcher.core.facts import KIND_DETAILS, KINDS, STANDARD, Participant, Room, RoomSid
from dispatcher.core.rules import Rule
from dispatcher.core.text import visible
from dispatcher.expressions import Agents, Split
from dispatcher.offline.situation import Situation, Unusable, Wanted, read_event, wanted

NONE: Final = "none"
KEYS: Final = 10_000  # that are tried, to show how a split divides them: in some ms
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`")
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_EXPECTED: Final = re.compile(r"Expected `(.*)`, got .*")
_WRITE: Final = {  # what msgspec expected → what to write instead
    "object": "write fields, such as {name: value}",
    "object | null": "write fields, such as {name: value}",
    "str": "write one value, not a list or fields",
    "str | null": "write one value, not a list or fields",
    "bool": "write true or false",
    "str | object | array": "write none, fields such as {rule: sales}, or a list of them",
}


def _instant(text: str) -> int | None:
    """In ms since 1970; None: it says no instant, or not in which zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(instant.timestamp() * 1000) if instant.tzinfo else None


class _Room(Struct, forbid_unknown_fields=True):
    name: str = "room"
    metadata: str = ""

    def core(self) -> Room:
        return Room(sid=RoomSid("RM_case"), name=self.name, metadata=self.metadata)


class _Participant(Struct, forbid_unknown_fields=True):
    identity: str = "somebody"
    name: str = ""
    kind: str = STANDARD
    kind_details: tuple[str, ...] = ()
    region: str = ""
    metadata: str = ""
    attributes: dict[str, str] = {}
    hidden: bool = False
    joined_at: str = ""

    def __post_init__(self) -> None:
        if self.joined_at and _instant(self.joined_at) is None:
            raise ValueError("joined_at: write an instant with its zone, such as 2026-03-02T18:30:00+01:00")
        for field, known, written in (("kind", KINDS, (self.kind,)), ("kind_details", KIND_DETAILS, self.kind_details)):
            for one in written:
                if one not in known:
                    near = did_you_mean(one.upper(), known)
                    raise ValueError(f"{field}: write one of {', '.join(sorted(known))}{near}")

    def core(self) -> Participant:
        return Participant(
            sid="PA_case",
            identity=self.identity,
            name=self.name,
            kind=self.kind,
            kind_details=self.kind_details,
            region=self.region,
            metadata=self.metadata,
            attributes=self.attributes,
            hidden=self.hidden,
            joined_at=_instant(self.joined_at) or 0,
            active=True,
        )


class _Expected(Struct, forbid_unknown_fields=True):
    rule: str
    agent: str | None = None
    deployment: str | None = None
    metadata: str | None = None


class _Case(Struct, forbid_unknown_fields=True):
    case: str
    expect: str | _Expected | list[_Expected]
    event: str | None = None
    room: _Room | None = None
    participant: _Participant | None = None

    def __post_init__(self) -> None:
        if isinstance(self.expect, str) and self.expect != NONE:
            raise ValueError(f"expect: write {NONE}, or fields such as {{rule: sales, agent: sales}}")
        if self.event is not None and (self.room or self.participant):
            raise ValueError("an event has its own room and participant")

    def situation(self, folder: Path) -> Situation:
        if self.event is not None:
            return read_event(folder / self.event)
        person = self.participant.core() if self.participant else None
        return Situation(room=(self.room or _Room()).core(), person=person)

    def expected(self) -> list[_Expected]:
        if isinstance(self.expect, str):
            return []
        return self.expect if isinstance(self.expect, list) else [self.expect]


_FIELDS: Final = {"room": _Room, "participant": _Participant, "expect": _Expected}  # of a case's own: _Case


class _Read(Struct, frozen=True, kw_only=True):
    case: _Case
    place: str
    situation: Situation


def rehearse(rules: Sequence[Rule], files: Sequence[Path]) -> tuple[int, list[str]]:
    """Run the cases of the files: how many fail, and a report. Raises Unusable with all mistakes in the files."""
    found = [one for file in files for one in _cases(read_document(file), file.parent)]
    problems = [one for one in found if isinstance(one, Problem)]
    if problems:
        raise Unusable("\n".join(map(str, problems)))
    failed, report = 0, []
    cases = [one for one in found if isinstance(one, _Read)]
    for one in cases:
        differing = list(_differences(one.case.expected(), list(wanted(rules, one.situation))))
        failed += bool(differing)
        report += [f"FAIL  {one.case.case} ({one.place})", *differing] if differing else [f"ok    {one.case.case}"]
    return failed, [*report, *_shares(rules), f"{len(cases)} cases, {failed} failed"]


def _shares(rules: Sequence[Rule]) -> Iterator[str]:
    """For each split, each target's share, and how many of so many keys really fall to it."""
    for rule in rules:
        choices = rule.aim.choices if isinstance(rule.aim, Agents) else ()
        for split in [one for one in choices if isinstance(one, Split)]:
            whole = sum(weight for weight, _ in split.shares)
            drawn = Counter(split.of(str(key)) for key in range(KEYS))
            parts = (f"{target} {100 * weight / whole:.4g} % ({drawn[target]:,})" for weight, target in split.shares)
            by = split.by.text if split.by else "room.name"
            yield visible(f"split {rule.name}, by {by}: {', '.join(parts)} of {KEYS:,} keys")


def _cases(document: Document, folder: Path) -> Iterator[_Read | Problem]:
    """Each case of a file, or what is wrong with it."""
    yield from document.problems
    if document.tree is None:
        return
    written = document.tree.get("cases")
    if not isinstance(written, tuple) or not written or document.tree.keys() != {"cases"}:
        yield document.problem((), "write `cases:` and under it a list of them, and nothing else")
        return
    for index, tree in enumerate(written):
        yield _read(document, ("cases", index), tree, folder)


def _read(document: Document, loc: Loc, tree: Tree, folder: Path) -> _Read | Problem:
    try:
        case = msgspec.convert(tree, _Case, strict=False)
        line, _ = document.values[loc]
        return _Read(case=case, place=f"{document.file}:{line}", situation=case.situation(folder))
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        at: Loc = (*loc, *(int(index) if index else name for name, index in _STEP.findall(path)))
        if missing := _MISSING.fullmatch(said):
            return document.problem((*at, missing[1]), "missing")
        return document.problem(at, _reason(said, path))
    except Unusable as unusable:
        return document.problem((*loc, "event"), str(unusable))


def _reason(said: str, path: str) -> str:
    if unknown := _UNKNOWN.fullmatch(said):
        fields = next((_FIELDS[name] for name, _ in _STEP.findall(path) if name), _Case).__struct_fields__
        return f"unknown field '{unknown[1]}'{did_you_mean(unknown[1], fields)}"
    expected = _EXPECTED.match(said)
    return _WRITE[expected[1]] if expected else said


def _differences(expected: Sequence[_Expected], found: Sequence[Wanted]) -> Iterator[str]:
    """Each difference between what the rules made and what was expected, a line each."""
    if [one.rule for one in expected] != [one.rule for one in found]:
        yield _difference("rule", ", ".join(one.rule for one in expected), ", ".join(one.rule for one in found))
        return
    for wished, one in zip(expected, found, strict=True):
        for field in ("agent", "deployment"):
            wish, real = getattr(wished, field), getattr(one, field)
            if wish is not None and wish != real:
                yield _difference(field, wish, real)
        if wished.metadata is not None and _plain(wished.metadata) != _plain(one.metadata):
            yield _difference("metadata", wished.metadata, one.metadata)


def _difference(field: str, wish: str, real: str) -> str:
    expected, found = visible(wish or NONE), visible(real or NONE)
    return f"      {field:<10}  expected {expected}\n{'':<18}  found    {found}"


def _plain(metadata: str) -> object:
    """What the metadata says: of JSON the value, whatever its blanks and the order of its fields."""
    try:
        return msgspec.json.decode(metadata)
    except (ValueError, RecursionError):
        return metadata
