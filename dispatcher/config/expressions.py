"""Compiles the expressions of a file: their mistakes, each at its place in the file, and the rules that they make."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from dispatcher.config.agents import Agent
from dispatcher.config.document import Document, Loc, Tree
from dispatcher.config.model import RuleFields
from dispatcher.config.problems import Problem
from dispatcher.core.rules import NAMELESS, Target, Trigger
from dispatcher.expressions import Agents, BadExpression, Expression, Language, Metadata, Result, Split, When

_OLD: Final = "write room.metadata, which passes the room's metadata on"
_CUT: Final = "; a # after a blank begins a comment: put quotes round the whole expression"


class Written(Struct, frozen=True):
    """An expression as it stands in a file."""

    loc: Loc
    rule: Mapping[str, Tree]
    text: str
    trigger: Trigger
    result: Result


def sources(document: Document) -> Iterator[Written]:
    """The expressions of all rules of the document, as far as they have the right shape. The document has a tree."""
    for loc, rule in _rules(document.tree, ()):
        trigger: Trigger = "room_started" if rule.get("trigger") == "room_started" else "participant_joined"
        for at, text, result in _written(rule):
            yield Written((*loc, *at), rule, text, trigger, result)


def check_expressions(document: Document, language: Language) -> Iterator[Problem]:
    """Find every mistake in the expressions of all rules of the document. The document has a tree."""
    for source in sources(document):
        yield from _problems(document, source, language)


def when(fields: RuleFields, language: Language) -> When | None:
    """The rule's condition. Its expressions have been checked, here and below."""
    return When(fields.name, language.compile(fields.when, fields.trigger, Result.CONDITION)) if fields.when else None


def metadata(fields: RuleFields, language: Language) -> Metadata | None:
    """What the rule sends."""
    if not fields.metadata:
        return None
    return Metadata(fields.name, language.compile(fields.metadata, fields.trigger, Result.METADATA))


def aim(fields: RuleFields, language: Language) -> Agents | None:
    """The rule's agents, where any of them is computed."""
    agents = (fields.agent, *fields.fallback)
    if all(agent.target.name for agent in agents):
        return None
    return Agents(fields.name, tuple(_choice(agent, fields.trigger, language) for agent in agents))


def reads_room(fields: RuleFields, language: Language) -> bool:
    """Whether any of the rule's expressions reads more of the room than webhooks tell."""
    written = [(fields.when, Result.CONDITION), (fields.metadata, Result.METADATA)]
    for agent in (fields.agent, *fields.fallback):
        written += [(agent.cel, Result.NAME), (agent.by, Result.KEY)]
    return any(text and language.compile(text, fields.trigger, result).reads_room() for text, result in written)


def targets(fields: RuleFields) -> tuple[Target, ...]:
    """Every target that the rule names outright, each once."""
    agents = (fields.agent, *fields.fallback)
    named = [one for agent in agents for one in (agent.split or ((agent,) if agent.target.name else ()))]
    return tuple(dict.fromkeys(one.target for one in named)) or (NAMELESS,)


def _choice(agent: Agent, trigger: Trigger, language: Language) -> Target | Expression | Split:
    if agent.cel:
        return language.compile(agent.cel, trigger, Result.NAME)
    if not agent.split:
        return agent.target
    shares = tuple((share.weight, share.target) for share in agent.split)
    return Split(shares, language.compile(agent.by, trigger, Result.KEY) if agent.by else None)


def _rules(tree: Tree, loc: Loc) -> Iterator[tuple[Loc, Mapping[str, Tree]]]:
    """Every item of every list of rules, wherever it stands."""
    if isinstance(tree, tuple):
        for index, item in enumerate(tree):
            yield from _rules(item, (*loc, index))
    if not isinstance(tree, dict):
        return
    for name, value in tree.items():
        if name == "rules" and isinstance(value, tuple):
            yield from (((*loc, name, index), rule) for index, rule in enumerate(value) if isinstance(rule, dict))
        else:
            yield from _rules(value, (*loc, name))


def _written(rule: Mapping[str, Tree]) -> Iterator[tuple[Loc, str, Result]]:
    """Every expression of a rule, as far as it has the right shape: the model says what has not."""
    fallback = rule.get("fallback")
    agents: list[tuple[Loc, Tree]] = [(("agent",), rule.get("agent"))]
    agents += [(("fallback", at), one) for at, one in enumerate(fallback if isinstance(fallback, tuple) else ())]
    fields: list[tuple[Loc, Tree, Result]] = [
        (("when",), rule.get("when"), Result.CONDITION),
        (("metadata",), rule.get("metadata"), Result.METADATA),
    ]
    for loc, agent in agents:
        if isinstance(agent, dict):
            fields.append(((*loc, "cel"), agent.get("cel"), Result.NAME))
            fields.append(((*loc, "by"), agent.get("by"), Result.KEY))
    for loc, text, result in fields:
        if isinstance(text, str) and text:
            yield loc, text, result


def _problems(document: Document, source: Written, language: Language) -> Iterator[Problem]:
    loc = source.loc
    if source.result is Result.METADATA and source.text == "room":
        yield document.problem(loc, _OLD)
        return
    try:
        language.compile(source.text, source.trigger, source.result)
    except BadExpression as bad:
        for mistake in bad.mistakes:
            hint = _CUT if document.scalars[loc].cut_short else ""
            yield document.problem_inside(loc, mistake.offset, mistake.reason + hint)
