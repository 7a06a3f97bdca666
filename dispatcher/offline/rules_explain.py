"""`dispatcher rules explain`: which rule matches somebody, and which part of each other rule is false."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dispatcher.core.rules import Rule, matching
from dispatcher.core.text import visible
from dispatcher.expressions import (
    Agents,
    Expression,
    Failed,
    Failure,
    FailureReason,
    Metadata,
    Split,
    UnreadMetadata,
    When,
    missing,
    reporting,
)
from dispatcher.offline.situation import Situation, obstacle, read_event, wanted


def explain(rules: Sequence[Rule], file: Path) -> Iterator[str]:
    """Give lines on the webhook of a file, safe to show (`visible`). Raises Unusable."""
    return told(rules, read_event(file))


def told(rules: Sequence[Rule], situation: Situation) -> Iterator[str]:
    """Give lines: what has happened, and each rule's answer, safe to show (`visible`)."""
    yield visible(_headline(situation))
    indent = "" if obstacle(situation) else "  "
    yield from (f"{indent}{line}" for line in answers(rules, situation))


def answers(rules: Sequence[Rule], situation: Situation, *, reveal: bool = True) -> Iterator[str]:
    """Give a line for each rule, safe to show; without `reveal` none holds what a dispatch would carry."""
    return map(visible, _answers(rules, situation, reveal=reveal))


def _answers(rules: Sequence[Rule], situation: Situation, *, reveal: bool) -> Iterator[str]:
    if why := obstacle(situation):
        yield f"no rule is asked: {why}"
        return
    heard: list[Failed | UnreadMetadata] = []
    lines = list(_of_rules(reporting(rules, heard.append), situation, heard, reveal=reveal))
    unread = (one for one in heard if isinstance(one, UnreadMetadata))
    yield from dict.fromkeys(f"the metadata of the {one.whose} is not read: {one.why}" for one in unread)
    yield from lines


def _of_rules(
    rules: Sequence[Rule], situation: Situation, heard: Sequence[Failed | UnreadMetadata], *, reveal: bool
) -> Iterator[str]:
    """Each rule's; `heard` is what has been told of expressions that gave nothing."""
    width = max((len(rule.name) for rule in rules), default=0)
    chosen = matching(rules, situation.room, situation.person)
    last = None if not chosen or chosen[-1].go_on else chosen[-1]
    asked = True
    for rule in rules:
        if rule in chosen:
            before = len(heard)
            answer = f"yes: {_asks(rule, situation, reveal=reveal)}"
            failed = (one for one in heard[before:] if isinstance(one, Failed))
            answer = "; ".join((answer, *dict.fromkeys(_gave_nothing(rule, one, situation) for one in failed)))
        else:
            answer = (
                f"no: {_objection(rule, situation)}" if asked or last is None else f"not asked: {last.name} matched"
            )
        yield f"{rule.name:<{width}}  {answer}"
        asked = asked and rule is not last


def _headline(situation: Situation) -> str:
    person = situation.person
    who = f": {person.identity}, {person.kind}" if person else ""
    return f"{situation.event} in {situation.room.name}{who}"


def _asks(rule: Rule, situation: Situation, *, reveal: bool) -> str:
    one = next(wanted((rule,), situation))
    agent = one.agent or "no agent could be named, the next is tried"
    deployment = f", deployment {one.deployment}" if one.deployment else ""
    sent = one.metadata if reveal else f"of {len(one.metadata.encode())} bytes"
    return agent + deployment + (f", metadata {sent}" if one.metadata else "")


def _objection(rule: Rule, situation: Situation) -> str:
    policy, person = rule.policy, situation.person
    if (person is None) != (policy.trigger == "room_started"):
        return f"it is `trigger: {policy.trigger}`"
    if person is not None and person.kind not in policy.kinds:
        return f"kind {person.kind} is not one of {', '.join(sorted(policy.kinds))}"
    return "; ".join(_false_parts(rule, situation))


def _false_parts(rule: Rule, situation: Situation) -> Iterator[str]:
    """Each part of the condition that is not true."""
    if not isinstance(rule.when, When):
        yield "its condition is false"
        return
    for part in rule.when.expression.parts():
        found = part.judge(situation.room, situation.person)
        if isinstance(found, Failure):
            yield f"{found.reason} in {part.text}{_keys(found.reason, [part], situation)}"
        elif found is not True:
            yield f"false: {part.text}"


def _gave_nothing(rule: Rule, failed: Failed, situation: Situation) -> str:
    keys = _keys(failed.reason, list(_expressions(rule, failed.field)), situation)
    return f"{failed.field} gave nothing: {failed.reason}{keys}"


def _keys(reason: FailureReason, expressions: Sequence[Expression], situation: Situation) -> str:
    """Which keys are absent, where that is the reason."""
    if reason is not FailureReason.MISSING_KEY:
        return ""
    found = [key for one in expressions for key in missing(one.node, situation.room, situation.person)]
    return f" (there is no {', no '.join(dict.fromkeys(found))})" if found else ""


def _expressions(rule: Rule, field: str) -> Iterator[Expression]:
    """Those of a rule's field: its agent's and fallbacks', or of one entry of its metadata."""
    if field == "agent" and isinstance(rule.aim, Agents):
        for choice in rule.aim.choices:
            if isinstance(choice, Expression):
                yield choice
            elif isinstance(choice, Split) and choice.by is not None:
                yield choice.by
    elif isinstance(rule.metadata, Metadata):
        entries = dict(rule.metadata.expression.entries())
        yield entries.get(field.removeprefix("metadata."), rule.metadata.expression)
