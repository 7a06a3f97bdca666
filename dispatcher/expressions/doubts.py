"""Comparisons that a rule may make and hardly ever means: their outcome is the same for everybody."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Final

from dispatcher.core.facts import KIND_DETAILS, KINDS
from dispatcher.expressions.mistakes import Mistake
from dispatcher.expressions.nodes import Call, Field, Made, Name, Node, Text, below

_COMPARES: Final = frozenset({"_==_", "_!=_"})
_LOOKS_IN: Final = frozenset({"startsWith", "endsWith", "contains"})
_WHO: Final = "SIP is the telephone, STANDARD a browser or an app"
_NUMBER: Final = re.compile(r"\+?\d*")
_GLOB: Final = re.compile(r"\^?([\w-]+)\*\$?")


def doubts(root: Node, kinds: AbstractSet[str]) -> Iterator[Mistake]:
    """Every such comparison of an expression, judged for people of these kinds."""
    for call in [node for node in below(root) if isinstance(node, Call)]:
        for subject, text, offset in _compared(call):
            if why := _why(call.function, subject, text, kinds):
                yield Mistake(offset, why)


def _compared(call: Call) -> Iterator[tuple[Node, str, int]]:
    """What the call compares with which text, and where the text stands."""
    match call.args:
        case (subject, Text(text)) if call.function in _COMPARES | _LOOKS_IN | {"matches"}:
            yield subject, text, call.offsets[1]
        case (Text(text), subject) if call.function in _COMPARES | {"@in"}:
            yield subject, text, call.offsets[0]
        case (subject, Made(parts)) if call.function == "@in":
            yield from ((subject, part.value, call.offsets[1]) for part in parts if isinstance(part, Text))


def _why(function: str, subject: Node, text: str, kinds: AbstractSet[str]) -> str:
    """Why it hardly can be meant; "" if it can."""
    if function == "matches":
        glob = _GLOB.fullmatch(text)
        return f"in a pattern * repeats the character before it: write '^{glob[1]}'" if glob else ""
    if function in _COMPARES | {"@in"}:
        match subject:
            case Name("kind" | ".kind") if text not in kinds:
                return _no_kind(text, kinds)
            case Field(of=Name("participant"), name="kind_details") if text not in KIND_DETAILS:
                return f"kind_details never holds '{text}'{_near(text, KIND_DETAILS)}"
            case Call(function="phone") if not _NUMBER.fullmatch(text):
                return "phone() gives a + and digits, such as '+442079460000', and this is never equal"
    if "*" not in text:
        return ""
    head, _, tail = text.partition("*")
    instead = f"startsWith('{head}')" if head or not tail else f"endsWith('{tail}')"
    return f"* stands for itself here: write {_shown(subject)}{instead}"


def _no_kind(text: str, kinds: AbstractSet[str]) -> str:
    those = ", ".join(sorted(kinds))
    if text in KINDS:
        return f"nobody of the kind {text} is asked for here: the rule's `kinds` are {those}"
    return f"`kind` is never '{text}'{_near(text, kinds) or f': it is one of {those}; {_WHO}'}"


def _near(text: str, known: AbstractSet[str]) -> str:
    near = get_close_matches(text.upper(), sorted(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _shown(subject: Node) -> str:
    """The subject as it was written, with the dot after it; nothing where it is more than names."""
    names: list[str] = []
    while isinstance(subject, Field):
        names.append(subject.name)
        subject = subject.of
    return ".".join([subject.name, *reversed(names), ""]) if isinstance(subject, Name) else ""
