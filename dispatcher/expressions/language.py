"""Expressions, checked when they load (types, fields, names, patterns, cost), and judged against a room and a person.

CEL cannot be interrupted, so what judging may cost is worked out before it begins (cost.py).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from time import perf_counter
from typing import Final, TypeAlias

from cel_expr_python import cel
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings
from msgspec import Struct

from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Participant, Room
from dispatcher.core.rules import Trigger
from dispatcher.expressions.cost import estimate
from dispatcher.expressions.facts import SMALL, Facts, Sizes, of_person, of_room, shapes
from dispatcher.expressions.functions import OURS
from dispatcher.expressions.messages import (
    OF_PARTICIPANT,
    OF_ROOM,
    PARTICIPANT,
    PARTICIPANT_FIELDS,
    ROOM,
    ROOM_FIELDS,
    Messages,
)
from dispatcher.expressions.mistakes import Mistake, mistakes
from dispatcher.expressions.nodes import Name, Node, below, names
from dispatcher.expressions.objects import Unread
from dispatcher.expressions.outcome import Failure, FailureReason, Outcome, outcome
from dispatcher.expressions.syntax import Grammar, Tree
from dispatcher.expressions.written import unwritten

TEXT_MAX: Final = 16 * 1024  # characters of one expression
JUDGED_MAX: Final = 10_000.0  # microseconds that one expression may take, or all that `share` a room

_FIXED: Final = frozenset({
    "room.name", "participant.identity", "participant.kind", "participant.kind_details", "participant.region", "kind",
})  # fmt: skip
_NAMED: Final = frozenset({"room.name", "room.sid"})
_BUDGET: Final = "Iteration budget exceeded"
_TRIED: Final = {"text": cel.Type.STRING}
_CHEAP: Final = 100.0  # microseconds: what takes no more is not timed
_COSTS_MAX: Final = 256  # sizes of which an expression remembers what they cost; beyond, all are worked out anew


class Result(Enum):
    """What a field's expression may give: names of CEL types that are known when it loads, and what to write."""

    CONDITION = (("BOOL",), "must be true or false; compare it with something, such as x == 'y'")
    NAME = (("STRING", "DYN"), "must be a text")
    KEY = (("STRING", "INT", "DYN"), "must be a text or a whole number")
    METADATA = (("STRING", "DYN", "MAP"), "must be a map, which becomes JSON, or a text")


class BadExpression(DispatcherError):
    """The rule's author has to mend the expression: its mistakes, in the order of its text, say where."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        self.mistakes = tuple(found)
        super().__init__("; ".join(mistake.reason for mistake in self.mistakes))


class Expression(Struct, frozen=True, eq=False):
    """A checked expression. Judging it never raises, whatever the room and the participant hold."""

    text: str
    trigger: Trigger
    node: Node
    variables: frozenset[str]  # that it reads
    language: "Language"
    _program: cel.Expression
    _costs: dict[Sizes, float]

    def judge(self, room: Room, person: Participant | None, *, shared: bool = False) -> Outcome:
        """What it comes to for this person (`trigger: room_started`: for the room).

        It takes JUDGED_MAX at most; with `shared`, no more than others that share the same Room have left of that.
        """
        return self.language.judge(self, room, person if self.trigger == "participant_joined" else None, shared=shared)

    def unread(self, room: Room, person: Participant | None) -> Mapping[str, Unread]:
        """The metadata that it reads and that is no map, so that it sees {}: by the variable's name."""
        return self.language.unread(self, room, person if self.trigger == "participant_joined" else None)

    def evaluate(self, activation: cel.Activation) -> Outcome:
        """What CEL makes of it, however long that takes."""
        try:
            return outcome(self._program.eval(activation))
        except RuntimeError as error:
            return Failure(FailureReason.EXHAUSTED if _BUDGET in str(error) else FailureReason.OTHER)

    def cost(self, sizes: Sizes) -> float:
        """Microseconds that judging it takes at most, where what it reads has these sizes."""
        if sizes not in self._costs:
            if len(self._costs) >= _COSTS_MAX:
                self._costs.clear()
            self._costs[sizes] = estimate(self.node, shapes(sizes))
        return self._costs[sizes]

    def parts(self) -> "Iterator[Expression]":
        """The expressions that `&&` joins in it; itself where there is none."""
        yield from self.language.parts(self)

    def entries(self) -> "Entries":
        """Of a map that is written out, each entry as a map of its own, by its name; else nothing."""
        return self.language.entries(self)

    def names(self) -> frozenset[str]:
        """What it reads: `kind`, `metadata`, `room.name`; `room` where it reads all of it. And names of its own."""
        return names(self.node)

    def may_change(self) -> bool:
        """Whether it reads anything that may change after somebody has joined; LiveKit tells of no such change."""
        return any(name.partition(".")[0] in OF_ROOM | OF_PARTICIPANT and name not in _FIXED for name in self.names())

    def reads_room(self) -> bool:
        """Whether it reads more of the room than its name and SID."""
        return any(name.partition(".")[0] in OF_ROOM and name not in _NAMED for name in self.names())


Entries: TypeAlias = tuple[tuple[str, Expression], ...]


class Language:
    """CEL as rules speak it: two environments, as a rule `trigger: room_started` knows no participant."""

    def __init__(self) -> None:
        self._messages = Messages()
        self._grammar = Grammar()
        self._envs = {"room_started": self._env(OF_ROOM), "participant_joined": self._env(OF_ROOM | OF_PARTICIPANT)}
        self._matches = self._env(_TRIED).compile("''.matches(text)")
        self._hours = self._env(_TRIED).compile("timestamp(0).getHours(text)")
        self._compiled: dict[tuple[str, Trigger, Result], Expression] = {}
        self._entries: dict[Expression, Entries] = {}
        self._read: frozenset[str] = frozenset()  # variables that any expression reads
        self.spent = 0.0  # microseconds, ever
        self._shared = 0.0  # of these, by what shares the last room
        self._room: tuple[Room, Facts] | None = None
        self._person: tuple[Participant, Facts] | None = None
        self._activated: tuple[Facts, Trigger, cel.Activation] | None = None

    def compile(self, text: str, trigger: Trigger, result: Result) -> Expression:
        """The expression; the same one for the same text. Raises BadExpression with everything that is wrong in it."""
        known = self._compiled.get((text, trigger, result))
        if known is not None:
            return known
        program = self._program(text, trigger)
        types, otherwise = result.value
        name = program.return_type().name()
        if name.partition("<")[0] not in types:
            raise BadExpression([Mistake(0, _wrong_type(name, otherwise))])
        made = self._expression(text, trigger, program)
        if wrong := list(unwritten(made.node, self._bad_pattern, self._bad_zone)):
            raise BadExpression(sorted(wrong, key=lambda mistake: mistake.offset))
        if (cost := made.cost(SMALL)) > JUDGED_MAX:
            raise BadExpression([Mistake(0, _too_much(cost))])
        self._read |= made.variables
        self._room = None  # of whom less was looked into
        self._compiled[text, trigger, result] = made
        return made

    def judge(self, expression: Expression, room: Room, person: Participant | None, *, shared: bool) -> Outcome:
        """What it comes to. All that judge one person share what CEL needs to know of them."""
        try:
            known = self._facts(room, person)
        except UnicodeEncodeError:  # half a character, which nothing on a wire can hold
            return Failure(FailureReason.INVALID_ARGUMENT)
        left = JUDGED_MAX - (self._shared if shared else 0)
        cost = expression.cost(known.rounded)
        if cost > left and (cost := estimate(expression.node, shapes(known.sizes))) > left:
            return Failure(FailureReason.EXHAUSTED)
        before = self.spent
        began = perf_counter() if cost > _CHEAP else 0
        found = expression.evaluate(self._activation(expression.trigger, known))
        self._spend(began, cost)
        self._shared += self.spent - before if shared else 0
        return found

    def unread(self, expression: Expression, room: Room, person: Participant | None) -> Mapping[str, Unread]:
        """The metadata that the expression reads and that is no map."""
        try:
            unread = self._facts(room, person).unread
        except UnicodeEncodeError:
            return {}
        return {name: why for name, why in unread.items() if name in expression.variables} if unread else {}

    def entries(self, whole: Expression) -> Entries:
        """What the expression's map holds. It is taken apart once, and not when it loads: that takes 1 ms an entry."""
        if whole not in self._entries:
            env, tree = self._envs[whole.trigger], self._tree(whole._program)  # noqa: SLF001  its own language
            self._entries[whole] = tuple(
                (name, self._expression(name, whole.trigger, env.deserialize(part))) for name, part in tree.entries()
            )
        return self._entries[whole]

    def parts(self, whole: Expression) -> Iterator[Expression]:
        """What the expression's `&&` joins."""
        tree = self._tree(whole._program)  # noqa: SLF001  an expression's own language
        env = self._envs[whole.trigger]
        for text, part in zip(_cut(whole.text, tree.joints()), tree.conjuncts(), strict=True):
            yield self._expression(text, whole.trigger, env.deserialize(part))

    def _env(self, variables: dict[str, cel.Type]) -> cel.Env:
        return cel.NewEnv(
            descriptor_pool=self._messages.pool,
            variables=variables,
            extensions=[ExtStrings(), ExtOptional()],
            functions=[one.declared for one in OURS.values()],
        )

    def _program(self, text: str, trigger: Trigger) -> cel.Expression:
        if len(text) > TEXT_MAX:
            raise BadExpression([Mistake(0, f"over {TEXT_MAX // 1024} KiB")])
        try:
            return self._envs[trigger].compile(text)
        except RuntimeError as error:
            raise BadExpression(mistakes(str(error), text, trigger)) from None

    def _tree(self, program: cel.Expression) -> Tree:
        return self._grammar.tree(program.serialize())

    def _bad_pattern(self, text: str) -> str:
        """What is wrong with a pattern, in RE2's words; "" if nothing is."""
        tried = self._matches.eval(data={"text": text})
        return "" if tried.type().name() == "BOOL" else str(tried.value()).partition(": ")[2]

    def _bad_zone(self, text: str) -> str:
        """Whether CEL knows a time zone, which it looks up where the system has them."""
        known = self._hours.eval(data={"text": text}).type().name() == "INT"
        return "" if known else f"no time zone '{text}': write one such as 'Europe/Paris', 'UTC' or '-08:00'"

    def _expression(self, text: str, trigger: Trigger, program: cel.Expression) -> Expression:
        root = self._tree(program).root()
        variables = frozenset(node.name.lstrip(".") for node in below(root) if isinstance(node, Name))
        return Expression(text, trigger, root, variables, self, program, {})

    def _facts(self, room: Room, person: Participant | None) -> Facts:
        """Made once for each look at one person; the last are kept, and nothing else of anybody's metadata."""
        if self._room is None or self._room[0] is not room:
            self._shared = 0
            began = perf_counter()
            self._room, self._person = (room, of_room(self._messages, room, self._read)), None
            self._spend(began, self._room[1].made)
        if person is None:
            return self._room[1]
        if self._person is None or self._person[0] is not person:
            began = perf_counter()
            self._person = (person, of_person(self._messages, self._room[1], person, self._read))
            self._spend(began, self._person[1].made)
        return self._person[1]

    def _activation(self, trigger: Trigger, known: Facts) -> cel.Activation:
        if self._activated is None or self._activated[0] is not known or self._activated[1] != trigger:
            self._activated = (known, trigger, self._envs[trigger].Activation(known.variables))
        return self._activated[2]

    def _spend(self, began: float, most: float) -> None:
        """What was done since `began` is paid for: `most` at most, as the process may have stood still meanwhile."""
        self.spent += most if most <= _CHEAP else min(most, (perf_counter() - began) * 1e6)


def _too_much(cost: float) -> str:
    return (
        f"this takes {cost / 1000:.0f} ms for a small room, of {JUDGED_MAX / 1000:.0f}: fewer loops inside each other"
    )


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
