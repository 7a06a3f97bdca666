"""The functions of ours that expressions may call beside CEL's own: each is one value, which says all about it."""

from collections.abc import Callable, Mapping
from typing import Final

from cel_expr_python import cel
from msgspec import Struct

from dispatcher.expressions.phone import PHONE_MAX, no_country, phone
from dispatcher.expressions.shapes import BYTE, NUMBER, Costing, Shape, text


class WrittenOut(Struct, frozen=True):
    """An argument that a rule must have as a literal. `wrong`: what is wrong with its text, "" if nothing."""

    otherwise: str  # said of one that is computed
    wrong: Callable[[str], str] = lambda _: ""


class Function(Struct, frozen=True, kw_only=True):
    """A function of ours."""

    name: str
    takes: tuple[tuple[cel.Type, ...], ...]  # each list of arguments that it may have
    gives: cel.Type
    run: Callable[..., object]
    cost: Costing  # of a call
    once: float = 0.0  # microseconds that all calls in an expression take together, as well
    written: Mapping[int, WrittenOut] = {}  # by the place of the argument

    @property
    def declared(self) -> cel.FunctionDecl:
        """As CEL is told of it."""
        overloads = [
            cel.Overload(f"{self.name}_{len(one)}", return_type=self.gives, parameters=list(one), impl=self.run)
            for one in self.takes
        ]
        return cel.FunctionDecl(self.name, overloads)


def _phone(a: Shape, *_: Shape) -> tuple[Shape, float]:
    """Once 190 were measured, as its country's patterns had to be compiled."""
    read = min(a.long, PHONE_MAX)
    return text(read + NUMBER), 400.0 + read * 0.3 + a.long * BYTE


_TEXT: Final = cel.Type.STRING
OURS: Final[Mapping[str, Function]] = {
    one.name: one
    for one in (
        Function(
            name="phone",
            takes=((_TEXT,), (_TEXT, _TEXT)),
            gives=_TEXT,
            run=phone,
            cost=_phone,
            once=2_600.0,  # one country's take 1,300
            written={1: WrittenOut("a country must be written out, as in phone(x, 'US')", no_country)},
        ),
    )
}
