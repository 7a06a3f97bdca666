"""Which key an expression reads that is not there, as the rule names it. What is not written in the rule is not named.

CEL's own text holds the key, but also where somebody's metadata computed it: data, that must not get out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from dispatcher.core.facts import Participant, Room
from dispatcher.expressions.nodes import Call, Field, Name, Node, Text, below
from dispatcher.expressions.objects import parsed

Path: TypeAlias = tuple[str, ...]

_INDEX: Final = "_[_]"
_ATTRIBUTES: Final = "participant.attributes"
_SHOWN_MAX: Final = 3


def missing(node: Node, room: Room, person: Participant | None) -> list[str]:
    """The keys of metadata and attributes that the expression reads and that are not there; _SHOWN_MAX at most.

    One that the expression itself asks for with `has()` may be absent.
    """
    nodes = list(below(node))
    asked = {path for one in nodes if isinstance(one, Field) and one.asked and (path := _path(one))}
    facts = _facts(room, person)
    absent = (_absent(path, facts) for one in nodes if (path := _path(one)) and path not in asked)
    return list(dict.fromkeys(_shown(path) for path in absent if path and path not in asked))[:_SHOWN_MAX]


def _facts(room: Room, person: Participant | None) -> Mapping[str, Mapping[str, Any]]:
    facts: dict[str, Mapping[str, Any]] = {"metadata": parsed(room.metadata).value}
    if person is not None:
        facts["participant_metadata"] = parsed(person.metadata).value
        facts[_ATTRIBUTES] = person.attributes
    return facts


def _path(node: Node) -> Path:
    """Where it reads: metadata or attributes, then literal keys; () where it reads elsewhere, or by a computed key."""
    return tuple(reversed(list(_keys(node))))


def _keys(node: Node) -> Iterator[str]:
    keys: list[str] = []
    while True:
        match node:
            case Field(of=Name("participant" | ".participant"), name="attributes") if keys:
                yield from (*keys, _ATTRIBUTES)
                return
            case Field(of=of, name=name):
                keys.append(name)
                node = of
            case Call(function=function, args=(of, Text(value=name))) if function == _INDEX:
                keys.append(name)
                node = of
            case Name(name) if keys:
                yield from (*keys, name.lstrip("."))
                return
            case _:
                return


def _absent(path: Path, facts: Mapping[str, Mapping[str, Any]]) -> Path:
    """The path up to its first key that is not there; () where all are, or it leads elsewhere."""
    value: Any = facts.get(path[0])
    for length, key in enumerate(path[1:], 2):
        if not isinstance(value, Mapping):
            return ()
        if key not in value:
            return path[:length]
        value = value[key]
    return ()


def _shown(path: Path) -> str:
    """As a rule would write it."""
    root, *keys = path
    return root + "".join(f".{key}" if key.isidentifier() else f"['{key}']" for key in keys)
