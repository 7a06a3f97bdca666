"""What judging an expression costs at most, worked out before it begins: nothing can interrupt CEL once it has begun.

Every value is bounded by its `Shape`: those of what the expression reads are measured, each function says what it makes
of its arguments' shapes and how long that takes. A loop takes its step times the items of the longest list there is,
but no more than CEL's own ITERATIONS_MAX. Numbers are microseconds on two shared cores, doubled (docs/adr/0022).
"""

from collections.abc import Mapping
from typing import Final

from dispatcher.expressions.functions import OURS
from dispatcher.expressions.nodes import Call, Constant, Field, Loop, Made, Name, Node, Text
from dispatcher.expressions.patterns import pattern
from dispatcher.expressions.shapes import BYTE, NUMBER, SCALAR, Costing, Shape, either, text

ITERATIONS_MAX: Final = 10_000  # of all loops of one evaluation: CEL's own budget

_BASE: Final = 20.0  # an evaluation that does nothing
_NODE: Final = 0.6
_ITEM: Final = 0.5  # a list's or map's item compared or looked up
_COPIED: Final = 0.12  # an item of two lists that are joined: map() and filter() join one for each item
_SLOW: Final = 0.05  # a byte that is looked at one by one: quote, trim, …
_FOUND: Final = 0.0001  # a byte of a text, for each byte of what is looked for in it: CEL looks naively
_IN: Final = 1.5  # an item that comes into CEL
_OUT: Final = 4.0  # an item that comes out of it
_CLAUSE: Final = 1_100  # characters that one clause of format() may print: digits and 1,000 decimals


def estimate(node: Node, facts: Mapping[str, Shape]) -> float:
    """Microseconds that judging the node takes at most, where what it may read has these shapes."""
    counted = _Estimate(facts)
    result = counted.of(node, 1)
    return _BASE + counted.spent + result.items * _OUT + result.size * BYTE


class _Estimate:
    """Goes through a tree. `facts` are known by their path, such as `participant.name`; loops add their variables."""

    def __init__(self, facts: Mapping[str, Shape]) -> None:
        self.names = dict(facts)
        self.read: set[str] = set()
        self.spent = 0.0

    def of(self, node: Node, times: float) -> Shape:
        """The node's shape; that it is worked out so many times is counted."""
        self.spent += _NODE * times
        match node:
            case Text(value=value):
                return text(len(value.encode(errors="replace")), least=len(value))
            case Constant():
                return SCALAR
            case Name(name=name):
                return self._fact(name)
            case Field(of=Name(name=name), name=field) if f"{name}.{field}" in self.names:
                return self._fact(f"{name}.{field}")
            case Field(of=of, asked=asked):
                within = self.of(of, times)
                return SCALAR if asked else _part(within)
            case Call():
                return self._call(node, times)
            case Made(parts=parts, wide=wide):
                return _made([self.of(one, times) for one in parts], wide)
            case Loop():
                return self._loop(node, times)

    def _fact(self, name: str) -> Shape:
        shape = self.names.get(name, SCALAR)  # the name of a type
        if name not in self.read:
            self.read.add(name)
            self.spent += shape.items * _IN + shape.size * BYTE
        return shape

    def _call(self, call: Call, times: float) -> Shape:
        shapes = [self.of(one, times) for one in call.args]
        if call.function == "matches" and isinstance(call.args[-1], Text):
            self.spent += times * pattern(call.args[-1].value).cost(shapes[0].long)
            return SCALAR
        own = OURS.get(call.function)
        if own and f"{own.name}()" not in self.read:
            self.read.add(f"{own.name}()")
            self.spent += own.once
        shape, spent = _FUNCTIONS.get(call.function, _other)(*shapes)
        self.spent += times * spent
        return shape

    def _loop(self, loop: Loop, times: float) -> Shape:
        over = self.of(loop.over, times)
        start = self.of(loop.start, times)
        outside, hidden = self.names, (f"{loop.item}.", f"{loop.made}.")
        self.names = {path: shape for path, shape in outside.items() if not path.startswith(hidden)}
        self.names |= {loop.item: _part(over), loop.made: start}
        if over.wide:
            rounds = min(ITERATIONS_MAX, times * over.wide)
            self.of(loop.condition, rounds)
            made = _grown(start, self.of(loop.step, rounds), over.wide)
            self.spent += rounds * made.wide * _COPIED if made.listed else 0
            self.names[loop.made] = made
        result = self.of(loop.result, times)
        self.names = outside
        return result


def _grown(start: Shape, once: Shape, times: int) -> Shape:
    """What a loop has made after so many rounds, if `once` is what its step makes of `start`."""
    if not once.listed:
        return either(start, once)
    wide, items, size = once.wide - start.wide, once.items - start.items, once.size - start.size
    return Shape(
        once.long, start.wide + times * wide, start.items + times * items, start.size + times * size, listed=True
    )


def _part(whole: Shape) -> Shape:
    """Anything within."""
    return Shape(whole.long, whole.wide, whole.items, whole.size)


def _made(parts: list[Shape], wide: int) -> Shape:
    return Shape(
        max((one.long for one in parts), default=0),
        max(wide, *(one.wide for one in parts)) if parts else 0,
        1 + sum(one.items for one in parts),
        sum(one.size for one in parts),
        listed=True,
    )


def _same(*shapes: Shape) -> tuple[Shape, float]:
    return _part(shapes[0]), _NODE


def _either(*shapes: Shape) -> tuple[Shape, float]:
    """`a ? b : c`, `a.orValue(b)`, `a.or(b)`: the last two; a boolean adds nothing."""
    return either(shapes[-2], shapes[-1]), 0


def _compare(a: Shape, b: Shape) -> tuple[Shape, float]:
    return SCALAR, min(a.items, b.items) * _ITEM + min(a.size, b.size) * BYTE


def _in(one: Shape, of: Shape) -> tuple[Shape, float]:
    each = min(of.items, of.wide * one.items) * _ITEM + min(of.size, of.wide * one.size) * BYTE
    return SCALAR, of.wide * _ITEM + each + one.long * BYTE


def _plus(a: Shape, b: Shape) -> tuple[Shape, float]:
    """Of lists the longest text stays; of texts, one after the other."""
    lists, texts = True in {a.listed, b.listed}, False in {a.listed, b.listed}
    long = max(a.long, b.long) if lists else a.long + b.long
    wide = 0 if texts else a.wide + b.wide
    shape = Shape(
        long, wide, a.items + b.items, a.size + b.size, a.short + b.short, lists or (False if texts else None)
    )
    return shape, wide * _COPIED + (0 if lists else long * BYTE)


def _find(a: Shape, b: Shape, *_: Shape) -> tuple[Shape, float]:
    return SCALAR, a.long * b.long * _FOUND + a.long * _SLOW / 4


def _split(a: Shape, by: Shape, *_: Shape) -> tuple[Shape, float]:
    pieces = a.long // max(1, by.short) + 1
    return Shape(a.long, pieces, pieces + 1, a.long, listed=True), pieces * _ITEM + _find(a, by)[1]


def _join(of: Shape, by: Shape = SCALAR) -> tuple[Shape, float]:
    long = of.size + of.wide * by.long
    return text(long), of.items * _ITEM + long * BYTE * 2


def _replace(a: Shape, old: Shape, new: Shape, *_: Shape) -> tuple[Shape, float]:
    times = a.long // max(1, old.short) + 1
    long = a.long + times * new.long
    return text(long), times * _ITEM + long * BYTE + _find(a, old)[1]


def _format(a: Shape, of: Shape) -> tuple[Shape, float]:
    long = 4 * (a.long + of.size) + a.long // 2 * _CLAUSE
    return text(long), of.items * _ITEM + long * BYTE


def _quote(a: Shape) -> tuple[Shape, float]:
    return text(2 + 6 * a.long), a.long * _SLOW


def _letters(a: Shape, *_: Shape) -> tuple[Shape, float]:
    """A text of the same length, or a part of it."""
    return text(a.long), a.long * _SLOW


def _read(a: Shape, *_: Shape) -> tuple[Shape, float]:
    """A number, an instant, a truth about one text, or a text of a number."""
    return text(a.long + NUMBER), a.items * _NODE + a.long * BYTE * 8


def _truth(*_: Shape) -> tuple[Shape, float]:
    return SCALAR, _NODE


def _other(*shapes: Shape) -> tuple[Shape, float]:
    """A function that nothing is known of may look at everything that it is given."""
    items, size = sum(one.items for one in shapes), sum(one.size for one in shapes)
    wide = sum(one.wide for one in shapes)
    return Shape(size + NUMBER, wide, items, size + NUMBER), items * _ITEM + size * _SLOW


_FUNCTIONS: Final[Mapping[str, Costing]] = {
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"), _compare),
    **dict.fromkeys(("_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "hasValue", "type"), _truth),
    **dict.fromkeys(("@not_strictly_false", "optional.none"), _truth),
    **dict.fromkeys(("_[_]", "_[?_]", "_?._", "value", "optional.of", "dyn"), _same),
    **dict.fromkeys(("_?_:_", "orValue", "or"), _either),
    **dict.fromkeys(("size", "string", "int", "uint", "double", "bool", "bytes", "timestamp", "duration"), _read),
    **dict.fromkeys(("charAt", "substring", "lowerAscii", "upperAscii", "trim", "reverse"), _letters),
    **dict.fromkeys(("contains", "indexOf", "lastIndexOf"), _find),
    "@in": _in,
    "_+_": _plus,
    "split": _split,
    "join": _join,
    "replace": _replace,
    "format": _format,
    "strings.quote": _quote,
    **{name: one.cost for name, one in OURS.items()},
}
