"""Expressions, checked when they load (types, fields, names, regexes), and judged against a room and a participant."""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from cel_expr_python import cel
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings
from msgspec import Struct

from dispatcher.core.events import Participant, Room
from dispatcher.core.rules import On
from dispatcher.expressions.messages import PARTICIPANT, PARTICIPANT_FIELDS, ROOM, ROOM_FIELDS, Messages, parsed
from dispatcher.expressions.mistakes import Mistake, mistakes
from dispatcher.expressions.outcome import Failure, Outcome, Reason, outcome
from dispatcher.expressions.phone import phone
from dispatcher.expressions.syntax import Grammar, Tree

TEXT_MAX: Final = 16 * 1024  # characters of one expression

_ROOM: Final = {"room": cel.Type(ROOM), "metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}
_PARTICIPANT: Final = {
    "participant": cel.Type(PARTICIPANT),
    "participant_metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "kind": cel.Type.STRING,
}
_BUDGET: Final = "Iteration budget exceeded"
_PATTERN: Final = {"pattern": cel.Type.STRING}


class Result(Enum):
    """What a field's expression may give: names of CEL types that are known when it loads, and what to write."""

    CONDITION = (("BOOL",), "must be true or false; compare it with something, such as x == 'y'")
    NAME = (("STRING", "DYN"), "must be a text")
    KEY = (("STRING", "INT", "DYN"), "must be a text or a whole number")
    METADATA = (("STRING", "DYN", "MAP"), "must be a map, which becomes JSON, or a text")


class BadExpression(Exception):
    """It cannot be used. Its mistakes are in the order of its text."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        self.mistakes = tuple(found)
        super().__init__("; ".join(mistake.reason for mistake in self.mistakes))


class Expression(Struct, frozen=True, eq=False):
    """A checked expression. Judging it never raises, whatever the room and the participant hold."""

    text: str
    on: On
    _program: cel.Expression
    _language: "Language"

    def judge(self, room: Room, person: Participant | None) -> Outcome:
        """What it comes to for this person (`on: room`: for the room)."""
        return self._language.judge(self._program, self.on, room, person)

    def parts(self) -> "Iterator[Expression]":
        """The expressions that `&&` joins in it; itself where there is none."""
        yield from self._language.parts(self)

    def names(self) -> frozenset[str]:
        """What it reads: `kind`, `metadata`, `room.name`; `room` where it reads all of it. And names of its own."""
        return self._language.names(self)


class Language:
    """CEL as rules speak it: two environments, as a rule `on: room` knows no participant."""

    def __init__(self) -> None:
        self._messages = Messages()
        self._grammar = Grammar()
        self._envs = {"room": self._env(_ROOM), "participant": self._env(_ROOM | _PARTICIPANT)}
        self._matches = self._env(_PATTERN).compile("''.matches(pattern)")
        self._compiled: dict[tuple[str, On, Result], Expression] = {}
        self._room: Room | None = None
        self._of_room: dict[str, object] = {}
        self._person: tuple[Participant | None, On, cel.Activation] | None = None

    def compile(self, text: str, on: On, result: Result) -> Expression:
        """The expression; the same one for the same text. Raises BadExpression with everything that is wrong in it."""
        known = self._compiled.get((text, on, result))
        if known is not None:
            return known
        program = self._program(text, on)
        types, otherwise = result.value
        name = program.return_type().name()
        if name.partition("<")[0] not in types:
            raise BadExpression([Mistake(0, _wrong_type(name, otherwise))])
        wrong = [Mistake(offset, why) for offset, regex in self._tree(program).regexes() if (why := self._bad(regex))]
        if wrong:
            raise BadExpression(sorted(wrong, key=lambda mistake: mistake.offset))
        self._compiled[text, on, result] = Expression(text, on, program, self)
        return self._compiled[text, on, result]

    def judge(self, program: cel.Expression, on: On, room: Room, person: Participant | None) -> Outcome:
        """What the program comes to. All programs of one look at one person share what CEL needs to know of them."""
        try:
            return outcome(program.eval(self._activation(on, room, person)))
        except UnicodeEncodeError:  # half a character, which nothing on a wire can hold
            return Failure(Reason.INVALID_ARGUMENT)
        except RuntimeError as error:
            return Failure(Reason.EXHAUSTED if _BUDGET in str(error) else Reason.OTHER)

    def parts(self, whole: Expression) -> Iterator[Expression]:
        tree = self._tree(whole._program)  # noqa: SLF001  an expression's own language
        env = self._envs[whole.on]
        for text, part in zip(_cut(whole.text, tree.joints()), tree.conjuncts(), strict=True):
            yield Expression(text, whole.on, env.deserialize(part), self)

    def names(self, whole: Expression) -> frozenset[str]:
        return self._tree(whole._program).names()  # noqa: SLF001  an expression's own language

    def _env(self, variables: dict[str, cel.Type]) -> cel.Env:
        overload = cel.Overload("phone_string", return_type=cel.Type.STRING, parameters=[cel.Type.STRING], impl=phone)
        return cel.NewEnv(
            descriptor_pool=self._messages.pool,
            variables=variables,
            extensions=[ExtStrings(), ExtOptional()],
            functions=[cel.FunctionDecl("phone", [overload])],
        )

    def _program(self, text: str, on: On) -> cel.Expression:
        if len(text) > TEXT_MAX:
            raise BadExpression([Mistake(0, f"over {TEXT_MAX // 1024} KiB")])
        try:
            return self._envs[on].compile(text)
        except RuntimeError as error:
            raise BadExpression(mistakes(str(error), text, on)) from None

    def _tree(self, program: cel.Expression) -> Tree:
        return self._grammar.tree(program.serialize())

    def _bad(self, regex: str) -> str:
        """What is wrong with a regex, in RE2's words; "" if nothing is."""
        tried = self._matches.eval(data={"pattern": regex})
        return "" if tried.type().name() == "BOOL" else str(tried.value()).partition(": ")[2]

    def _activation(self, on: On, room: Room, person: Participant | None) -> cel.Activation:
        """One for each look at one person; the last is kept, and of the room what was parsed."""
        if self._room is not room:
            self._of_room = {"room": self._messages.room(room), "metadata": parsed(room.metadata)}
            self._room, self._person = room, None
        if self._person is None or self._person[0] is not person or self._person[1] != on:
            variables = self._of_room | (self._of(person) if on == "participant" and person is not None else {})
            self._person = (person, on, self._envs[on].Activation(variables))
        return self._person[2]

    def _of(self, person: Participant) -> dict[str, object]:
        metadata = parsed(person.metadata)
        message = self._messages.participant(person)
        return {"participant": message, "participant_metadata": metadata, "kind": person.kind}


def _wrong_type(name: str, otherwise: str) -> str:
    if name in {ROOM, PARTICIPANT}:
        variable, fields = ("room", ROOM_FIELDS) if name == ROOM else ("participant", PARTICIPANT_FIELDS)
        return f"{otherwise}; write one of its fields, such as {variable}.{fields[2]}"
    if name.startswith("optional_type"):
        return f"{otherwise}; this may be absent: write .orValue('…') after it"
    return f"{otherwise}; this {'may be anything' if name == 'DYN' else f'is {name.lower()}'}"


def _cut(text: str, joints: list[int]) -> Iterator[str]:
    """The text between the joints, without brackets that opened or closed elsewhere."""
    starts = [0, *(joint + 2 for joint in joints)]
    for start, end in zip(starts, [*joints, len(text)], strict=True):
        part = text[start:end].strip()
        plain = re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", "", part)
        spare = plain.count("(") - plain.count(")")
        for _ in range(spare):
            part = part.removeprefix("(").lstrip()
        for _ in range(-spare):
            part = part.removesuffix(")").rstrip()
        yield part
