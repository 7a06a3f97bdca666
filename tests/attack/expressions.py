"""Expressions that a rule might hold, and what people might say to make them cost: for tables and for hypothesis."""

import json
from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room
from tests.unit.expressions.speech import CALLER, ROOM

PATTERNS: Final = (
    "a",
    "^a+$",
    "(a+)+b",
    "[ab]*a[ab]{12}z",
    "[^b]{20}c",
    "a{0,50}b",
    r"^[\w.+-]+@[\w-]+$",
    r"\pL+z",
    "",
)
LITERALS: Final = ("", "a", "b", "aa", "ab" * 50)
SEEDS: Final = ("a", "ab", "b", '"', "é", "1", " ", "%s", "{}", ",")
LENGTHS: Final = (0, 1, 30, 1_000, 8_000, 30_000, 60_000)

LITERAL: Final = st.sampled_from([f"'{one}'" for one in LITERALS])
TEXTS: Final = st.recursive(
    LITERAL
    | st.sampled_from(("participant.metadata", "participant.name", "room.metadata", "metadata.s", "metadata.t"))
    | st.sampled_from(("participant.attributes['a']", "metadata.?s.orValue('')", "string(metadata.n)", "x", "kind")),
    lambda of: st.one_of(
        st.tuples(of, of).map("({0[0]} + {0[1]})".format),
        st.tuples(of, of | LITERAL, of | LITERAL).map("{0[0]}.replace({0[1]}, {0[2]})".format),
        st.tuples(of, st.sampled_from(("lowerAscii", "trim", "reverse"))).map("{0[0]}.{0[1]}()".format),
        of.map("{0}.substring(1)".format),
        of.map("strings.quote({0})".format),
        of.map("'%s %s'.format([{0}, 1.5])".format),
        st.tuples(of, LITERAL).map("{0[0]}.split({0[1]}).join({0[0]})".format),
    ),
    max_leaves=4,
)
LISTS: Final = st.recursive(
    st.sampled_from(
        ("metadata.l", "metadata.m", "participant_metadata.l", "[1, 2, 3]", "participant.attributes", "[x]")
    )
    | st.tuples(TEXTS, LITERAL).map("{0[0]}.split({0[1]})".format),
    lambda of: st.one_of(
        st.tuples(of, TEXTS).map("{0[0]}.map(x, {0[1]})".format),
        st.tuples(of, of).map("{0[0]}.map(x, {0[1]})".format),
        of.map("{0}.map(x, {{'a': x}})".format),
        of.map("{0}.filter(x, dyn(x) != 1)".format),
        st.tuples(of, of).map("(dyn({0[0]}) + dyn({0[1]}))".format),
    ),
    max_leaves=3,
)
CONDITIONS: Final = st.recursive(
    st.one_of(
        st.tuples(TEXTS, TEXTS, st.sampled_from(("contains", "startsWith", "endsWith"))).map(
            "{0[0]}.{0[2]}({0[1]})".format
        ),
        st.tuples(TEXTS, TEXTS).map("{0[0]} == {0[1]}".format),
        st.tuples(TEXTS, TEXTS).map("{0[0]}.indexOf({0[1]}) > 3".format),
        st.tuples(TEXTS, st.sampled_from(PATTERNS)).map("{0[0]}.matches(r'{0[1]}')".format),
        st.tuples(LISTS, LISTS).map("dyn({0[0]}) == dyn({0[1]})".format),
        st.tuples(TEXTS, LISTS).map("{0[0]} in dyn({0[1]})".format),
        st.tuples(LISTS, LISTS).map("dyn({0[0]}) in dyn({0[1]})".format),
        LISTS.map("{0}.size() > 3".format),
        TEXTS.map("phone({0}) == ''".format),
        TEXTS.map("phone({0}, 'AR') == ''".format),  # whose patterns cost most
        TEXTS.map("size({0}) > 7".format),
    ),
    lambda of: st.one_of(
        st.tuples(LISTS, of).map("{0[0]}.exists(x, {0[1]})".format),
        st.tuples(LISTS, of).map("{0[0]}.all(y, {0[1]})".format),
        st.tuples(LISTS, of).map("{0[0]}.exists_one(y, {0[1]})".format),
        st.tuples(of, of).map("({0[0]} || {0[1]})".format),
        of.map("!({0})".format),
    ),
    max_leaves=3,
).map("['a'].exists(x, {0})".format)  # so that x is something everywhere

SAID: Final = st.builds(lambda seed, length: (seed * length)[:length], st.sampled_from(SEEDS), st.sampled_from(LENGTHS))


def _metadata(text: str, other: str, item: object, count: int) -> str:
    said = {"s": text, "t": other, "l": [item] * count, "m": {str(n): item for n in range(count)}, "n": 7}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)


SMALL: Final = st.builds(lambda seed, length: (seed * length)[:length], st.sampled_from(SEEDS), st.integers(0, 40))
METADATA: Final = st.builds(
    _metadata,
    st.sampled_from(SEEDS).flatmap(lambda seed: st.sampled_from((0, 5, 300, 5_000, 30_000)).map(seed.__mul__)),
    SAID,
    st.one_of(SMALL, st.integers(), st.lists(st.integers(0, 3), max_size=3), st.none()),
    st.sampled_from((0, 1, 5, 40, 200, 900)),
)


def _room(metadata: str) -> Room:
    return replace(ROOM, metadata=metadata)


def _person(metadata: str, name: str, attributes: list[str]) -> Participant:
    return replace(CALLER, metadata=metadata, name=name, attributes=dict(zip("abcdefgh", attributes, strict=False)))


ROOMS: Final = st.builds(_room, METADATA | SAID)
PEOPLE: Final = st.builds(_person, METADATA | SAID, SAID, st.lists(SAID, max_size=8))
