"""What CEL says is wrong with an expression, each at its place and in words that say what to write instead."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from dispatcher.core.rules import Trigger
from dispatcher.expressions import habits
from dispatcher.expressions.functions import OURS
from dispatcher.expressions.messages import OF_PARTICIPANT, OF_ROOM, PARTICIPANT, PARTICIPANT_FIELDS, ROOM, ROOM_FIELDS

_SAID: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_FIELD: Final = re.compile(r"undefined field '(.*)' not found in struct '(.*)'")
_NAME: Final = re.compile(r"undeclared reference to '\.?((\w*)[^']*)'")
_TEXT_FIELD: Final = "expression of type 'string' cannot be the operand of a select operation"
_HAS: Final = "has() argument must be a field selection"
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.*)' applied to '(.*)'")
_FIELDS: Final = {ROOM: ("room", ROOM_FIELDS), PARTICIPANT: ("participant", PARTICIPANT_FIELDS)}
_FUNCTIONS: Final = (
    *(*OURS, "has", "size", "contains", "startsWith", "endsWith", "matches", "exists", "lowerAscii", "upperAscii"),
    *("replace", "split", "trim", "orValue", "hasValue"),
)
_KIND: Final = "`kind` stands alone, as in kind == 'SIP'"


class Mistake(Struct, frozen=True):
    """One thing to mend, at a character of the expression, counted from 0."""

    offset: int
    reason: str


def mistakes(said: str, text: str, trigger: Trigger) -> list[Mistake]:
    """Everything that CEL said of an expression, in the order of its text; nothing of what follows a syntax error."""
    found = sorted(_each(said, text, trigger), key=lambda mistake: mistake.offset)
    if habits.of_prose(text):
        return found[:1]
    syntax = [mistake for mistake in found if mistake.reason.startswith("syntax error")]
    if "recursion" in said:
        return [Mistake(0, "nested deeper than 32; each + of a sum nests, too")]
    return syntax[:1] or found or [Mistake(0, "CEL cannot read it")]


def _each(said: str, text: str, trigger: Trigger) -> Iterator[Mistake]:
    for line, column, reason in _SAID.findall(said):
        if "'*error*'" in reason:  # follows from another
            continue
        before = text.split("\n")[: int(line) - 1]
        offset = min(len(text), sum(len(one) + 1 for one in before) + int(column) - 1)
        start = _start(text, offset, reason)
        yield Mistake(start, _reason(reason.removesuffix(" [INVALID_ARGUMENT]"), text, start, trigger))


def _start(text: str, offset: int, reason: str) -> int:
    """Where an unknown name begins: CEL points at its last dot, or at the bracket after it."""
    found = _NAME.match(reason)
    for name in (found[1], found[1].rpartition(".")[0]) if found else ():
        if name and text[:offset].endswith(name):
            return offset - len(name)
    return offset


def _reason(said: str, text: str, offset: int, trigger: Trigger) -> str:
    if said.startswith("Syntax error: "):
        return _syntax(said.removeprefix("Syntax error: "), text, offset)
    if found := _FIELD.fullmatch(said):
        variable, fields = _FIELDS.get(found[2], (found[2], ()))
        near = f"; {_KIND}" if found[1] == "kind" else _near(found[1], fields)
        return f"undefined field '{found[1]}' of {variable}{near}"
    if found := _NAME.match(said):
        if trigger == "room_started" and found[2] in OF_PARTICIPANT:
            return f"`trigger: room_started` has no participant: '{found[1]}' means nothing here"
        return f"unknown name '{found[1]}'{_meant(found[2], text, offset)}"
    if found := _OVERLOAD.fullmatch(said):
        operator = found[1].strip("@_")
        types = found[2].replace(ROOM, "room").replace(PARTICIPANT, "participant")
        return f"'{operator}' does not take {types}{habits.of_types(operator, types.strip('()'), text, offset)}"
    if said == _TEXT_FIELD:
        return f"a text has no fields{habits.of_field(text, offset)}"
    return f"has() takes a field{habits.of_has(text, offset)}" if said == _HAS else said


def _meant(name: str, text: str, offset: int) -> str:
    """What may have been meant by a name that is unknown: functions have brackets, variables have none."""
    then = text[offset:].removeprefix(".").removeprefix(name)
    if quoted := habits.of_prose(text):
        return quoted
    known = _FUNCTIONS if then.lstrip().startswith("(") else (*OF_ROOM, *OF_PARTICIPANT)
    return _near(name, known) or habits.of_name(name, then)


def _syntax(said: str, text: str, offset: int) -> str:
    if "'<EOF>'" in said:
        return "syntax error: it ends too early"
    return f"syntax error: {said.partition(' expecting ')[0]}{habits.of_syntax(text, offset)}"


def _near(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
