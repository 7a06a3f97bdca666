"""`dispatcher rules explain`: which rule matches a webhook, and which part of each other rule is false."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dispatcher.core.rules import Rule, matching
from dispatcher.core.text import visible
from dispatcher.expressions import Failed, Failure, UnreadMetadata, When, reporting
from dispatcher.offline.situation import Situation, obstacle, read_event, wanted


def explain(rules: Sequence[Rule], file: Path) -> Iterator[str]:
    """Give lines: what has happened, and each rule's answer, safe to show (`visible`). Raises Unusable."""
    return map(visible, _told(rules, read_event(file)))


def _told(rules: Sequence[Rule], situation: Situation) -> Iterator[str]:
    yield _headline(situation)
    if why := obstacle(situation):
        yield f"no rule is asked: {why}"
        return
    heard: list[Failed | UnreadMetadata] = []
    answers = list(_answers(reporting(rules, heard.append), situation, heard))
    unread = (one for one in heard if isinstance(one, UnreadMetadata))
    yield from dict.fromkeys(f"  the metadata of the {one.whose} is not read: {one.why}" for one in unread)
    yield from answers


def _answers(rules: Sequence[Rule], situation: Situation, heard: Sequence[Failed | UnreadMetadata]) -> Iterator[str]:
    """Each rule's; `heard` is what has been told of expressions that gave nothing."""
    width = max((len(rule.name) for rule in rules), default=0)
    chosen = matching(rules, situation.room, situation.person)
    last = None if not chosen or chosen[-1].go_on else chosen[-1]
    asked = True
    for rule in rules:
        if rule in chosen:
            before = len(heard)
            answer = f"yes: {_asks(rule, situation)}"
            failed = (one for one in heard[before:] if isinstance(one, Failed))
            answer = "; ".join((answer, *(f"{one.field} gave nothing: {one.reason}" for one in failed)))
        else:
            answer = (
                f"no: {_objection(rule, situation)}" if asked or last is None else f"not asked: {last.name} matched"
            )
        yield f"  {rule.name:<{width}}  {answer}"
        asked = asked and rule is not last


def _headline(situation: Situation) -> str:
    person = situation.person
    who = f": {person.identity}, {person.kind}" if person else ""
    return f"{situation.event} in {situation.room.name}{who}"


def _asks(rule: Rule, situation: Situation) -> str:
    one = next(wanted((rule,), situation))
    agent = one.agent or "no agent could be named, the next is tried"
    deployment = f", deployment {one.deployment}" if one.deployment else ""
    metadata = f", metadata {one.metadata}" if one.metadata else ""
    return agent + deployment + metadata


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
            yield f"{found.reason} in {part.text}"
        elif found is not True:
            yield f"false: {part.text}"
