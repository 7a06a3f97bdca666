"""What loads, and is hardly ever meant: warnings, each at its place."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from dispatcher.config.document import Document, Loc, Tree, path
from dispatcher.config.expressions import sources
from dispatcher.config.model import RULE_KINDS
from dispatcher.config.problems import Problem
from dispatcher.expressions import Language, doubts

LETTERS: Final = 4  # a word of fewer may well differ from another by one: en and es, uk and us

_VARIABLE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?")
_WORD: Final = re.compile(r"[^\W\d_]+")


def doubtful(document: Document, language: Language) -> Iterator[Problem]:
    """Everything in a file without mistakes that is hardly ever meant."""
    yield from _variables(document)
    yield from _never_equal(document, language)
    yield from _alike(document)


def _variables(document: Document) -> Iterator[Problem]:
    for loc, name in _agents(document):
        if _VARIABLE.search(name):
            reason = "an agent of this very name: only `keys` are read from the environment; DISPATCHER_AGENT names one"
            yield document.problem(loc, reason)


def _never_equal(document: Document, language: Language) -> Iterator[Problem]:
    for source in sources(document):
        expression = language.compile(source.text, source.trigger, source.result)
        for doubt in doubts(expression.node, _kinds(source.rule)):
            yield document.problem_inside(source.loc, doubt.offset, doubt.reason)


def _kinds(rule: Mapping[str, Tree]) -> frozenset[str]:
    written = rule.get("kinds")
    return frozenset(map(str, written)) if isinstance(written, tuple) else RULE_KINDS


def _alike(document: Document) -> Iterator[Problem]:
    """Names of agents that differ by one letter from one that stands before them: one of the two may be misspelt."""
    known: dict[str, Loc] = {}
    shortened: defaultdict[str, list[str]] = defaultdict(list)  # without one letter, or plain → the names
    for loc, name in _agents(document):
        if name in known:
            continue
        candidates = (one for variant in _shortened(name) for one in shortened[variant])
        near = next((one for one in candidates if alike(one, name)), None)
        if near is not None:
            yield document.problem(loc, f"`{name}` and `{near}` ({path(known[near])}) differ by a letter: one agent?")
        known[name] = loc
        for variant in _shortened(name):
            shortened[variant].append(name)


def _shortened(name: str) -> set[str]:
    """What two names that are alike have in common: so that not each has to be compared with all."""
    return {_plain(name), name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def alike(one: str, other: str) -> bool:
    """Whether two names differ by one letter of one longer word, or by case and dashes alone."""
    if _plain(one) == _plain(other):
        return one != other
    if _WORD.sub("", one) != _WORD.sub("", other):  # digits and dashes
        return False
    words = list(zip(_WORD.findall(one), _WORD.findall(other), strict=False))
    differing = [pair for pair in words if pair[0] != pair[1]]
    return len(differing) == 1 and all(len(word) >= LETTERS for word in differing[0]) and _one_letter(*differing[0])


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.lower())


def _one_letter(one: str, other: str) -> bool:
    """Whether one letter was left out, put in or changed, or two changed places."""
    short, long = sorted((one, other), key=len)
    at = next((index for index, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) != len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[:at] + short[at : at + 2][::-1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped == long


def _agents(document: Document) -> Iterator[tuple[Loc, str]]:
    """Every agent's name that the file's rules write out, in its order, and where it stands."""
    for loc, scalar in document.scalars.items():
        named = loc[-1] == "name" and {"agent", "fallback"} & set(loc)
        if "rules" in loc and (loc[-1] == "agent" or loc[-2] == "fallback" or named):
            yield loc, scalar.text
