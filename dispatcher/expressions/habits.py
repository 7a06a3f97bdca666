"""What people write who come from other languages, and what CEL has in its place: added to what CEL says of it."""

import re
from typing import Final

from dispatcher.core.facts import KINDS
from dispatcher.expressions.messages import PARTICIPANT_FIELDS, ROOM_FIELDS

_NOT: Final = "write ! for `not`, as in !(kind == 'SIP')"
_SYNTAX: Final = tuple(  # what stands before the place that CEL names, what stands there, what to write
    (re.compile(f"{before}$"), re.compile(there), write)
    for before, there, write in (
        ("", r"(?i:and)\b", "write && for `and`"),
        ("", r"(?i:or)\b", "write || for `or`"),
        ("", r"&", "write &&"),
        ("", r"\|", "write ||"),
        (r"(?i:\bnot)\s+", "", _NOT),
        ("<", ">", "write !="),
        ("", "=", "write == to compare"),
        ("", r"\+\d", "a telephone number is a text: '+442079460000'"),
        ("", r"""['"][^'"]*\\""", r"in a text a \ is written twice, or once after an r, as in r'^\d+$'"),
        ("", "[\u201c\u201d\u2018\u2019\u201e]", "write straight quotes, ' or \""),
        ("", r"\$", "no variable of the environment is known here"),
    )
)
NEAR: Final = 200  # characters before the place that are looked at: an expression may have 16 Ki

_PROSE: Final = re.compile(r"[^\W\d][\w-]*(?:[,.!?]? [\w-]+)*[.!?]?")  # words, and no operator but -
_QUOTES: Final = "; a text has quotes of its own, inside YAML's, as in \"'hello world'\""
_WORDS: Final = {"not": _NOT, "True": "write true", "False": "write false", "None": "write null"}
_FUNCTIONS: Final = {
    **dict.fromkeys(("len", "length", "count"), "size"),
    **dict.fromkeys(("includes", "has_substring"), "contains"),
    **dict.fromkeys(("lower", "toLower", "toLowerCase"), "lowerAscii"),
    "str": "string",
}
_ATTRIBUTES: Final = "participant.attributes."
_JSON: Final = {"room.metadata": "metadata", "participant.metadata": "participant_metadata"}
_CHAIN: Final = re.compile(r"[\w.]+$")
_MORE: Final = re.compile(r"[\w.]*")
_WITHIN: Final = re.compile(r"\(\s*([\w.]+)(\.\w+)")
_KEY: Final = re.compile(r"""\[\s*('[^']*'|"[^"]*")\s*\]""")
_IN: Final = re.compile(r"in\s+([\w.]+)")
_LITERAL: Final = re.compile(r"""('[^']*'|"[^"]*"|[\w.]+)\s*$""")


def of_syntax(text: str, offset: int) -> str:
    """What to write where CEL cannot read on; "" where nothing is known."""
    for before, there, write in _SYNTAX:
        if before.search(_before(text, offset)) and there.match(text, offset):
            return f"; {write}"
    return of_prose(text)


def of_prose(text: str) -> str:
    """That a text needs quotes of its own, where the whole expression is one; else ""."""
    written = text.strip()
    return _QUOTES if {" ", "-"} & set(written) and _PROSE.fullmatch(written) else ""


def of_name(name: str, then: str) -> str:
    """What to write for a name that is none of ours, with what stands after it; "" where nothing is known."""
    if name in _WORDS:
        return f"; {_WORDS[name]}"
    if then.lstrip().startswith("("):
        return f"; write {_FUNCTIONS[name]}()" if name in _FUNCTIONS else ""
    owners = [one for one, fields in (("room", ROOM_FIELDS), ("participant", PARTICIPANT_FIELDS)) if name in fields]
    if owners:
        return f"; write {' or '.join(f'{owner}.{name}' for owner in owners)}"
    return f"; a text has quotes of its own: '{name}'" if name in KINDS or not then.startswith((".", "[")) else ""


def of_field(text: str, offset: int) -> str:
    """What to write for a field of a text, as in room.metadata.tenant; "" where nothing is known.

    `offset` is that of the dot or bracket; of has(…), that of its own bracket.
    """
    within = _WITHIN.match(text, offset)
    of, field = within.groups() if within else _around(text, offset)
    if of.startswith(_ATTRIBUTES):
        return f"; an attribute stands in brackets: participant.attributes['{of.removeprefix(_ATTRIBUTES)}{field}']"
    read = _JSON.get(of)
    return f"; {of} is a text: `{read}` is what it says as JSON, as in {read}.tenant" if read else ""


def of_has(text: str, offset: int) -> str:
    """What to write for has(x['y'])."""
    of, _ = _around(text, offset)
    key = _KEY.match(text, offset)
    return f"; write {key[1]} in {of}" if key else ", such as has(metadata.tenant)"


def _around(text: str, offset: int) -> tuple[str, str]:
    """The dotted name that ends there, and what goes on with dots."""
    before, after = (
        found[0] if found else "" for found in (_CHAIN.search(_before(text, offset)), _MORE.match(text, offset))
    )
    return before, after


def _before(text: str, offset: int) -> str:
    return text[max(0, offset - NEAR) : offset]


def of_types(operator: str, types: str, text: str, offset: int) -> str:
    """What to write where an operator has values of types that it does not take; "" where nothing is known."""
    if operator == "[_]" and types.startswith("string,"):
        return of_field(text, offset)
    if operator == "in" and types == "string, string":
        whole, part = _IN.match(text, offset), _LITERAL.search(_before(text, offset))
        return f"; write {whole[1]}.contains({part[1]})" if whole and part else ""
    if operator not in {"==", "!="}:
        return ""
    if types in {"string, int", "int, string"}:
        return "; put quotes round the number"
    if types in {"room, string", "participant, string"}:
        return f"; write {'room.name' if types.startswith('room') else 'participant.identity'}"
    return "; a text that is not there is ''" if types == "string, null_type" else ""
