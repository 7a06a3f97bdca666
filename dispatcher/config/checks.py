"""What no single field shows: names used twice, fields that contradict each other, a file and an environment that do.

The tree is checked as it was written, so that these are reported together with the mistakes in single fields.
"""

from collections.abc import Iterator, Sequence

from dispatcher.config.document import Document, Loc, Tree
from dispatcher.config.environment import Environment
from dispatcher.config.problems import Problem, in_environment
from dispatcher.core.rules import Rule

_NO_URL = "missing; where your LiveKit answers, such as wss://example.livekit.cloud"
_NO_KEYS = "missing; set it and LIVEKIT_API_SECRET (or LIVEKIT_KEYS)"
_KEY_VARIABLES = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_KEYS")


def check(document: Document, environment: Environment) -> Iterator[Problem]:
    """Every contradiction in the file, and between the file and the environment. The document has a tree."""
    yield from _same_names(document)
    yield from _same_keys(document)
    for index, rule in _mappings(document, "rules"):
        if rule.get("on") == "room" and rule.get("per") == "participant":
            reason = "`on: room` has no participant yet; leave `per` out, or write `on: participant`"
            yield document.problem(("rules", index, "per"), reason)
        yield from _same_targets(document, index, rule)
    yield from _agent(document, environment)
    yield from _connection(document, environment)


def unreachable(rules: Sequence[Rule], document: Document) -> Iterator[Problem]:
    """Warnings of rules that never matter, because rules before them always match first (see core/births.py)."""
    kinds: set[str] = set()  # whose people always match an earlier rule that does not go on
    room = False  # the same of rooms themselves: the one `per: room` want is taken
    for index, rule in enumerate(rules):
        policy = rule.policy
        left_out = room and policy.per == "room" and not rule.go_on
        dead = room if policy.on == "room" else left_out or policy.kinds <= kinds
        if dead:
            yield document.problem(("rules", index, "name"), "never used: the rules before it always match first")
        if rule.when is not None or rule.go_on:
            continue
        if policy.on == "room":
            room = True
        else:
            kinds |= policy.kinds


def _same_names(document: Document) -> Iterator[Problem]:
    for section, default in (("projects", "default"), ("rules", "")):
        first: dict[Tree, int] = {}
        for index, fields in _mappings(document, section):
            name = fields.get("name", default)
            if not isinstance(name, str) or not name:
                continue
            if name in first:
                yield document.problem((section, index, "name"), f"{section}[{first[name]}] has the same name")
            first.setdefault(name, index)


def _same_keys(document: Document) -> Iterator[Problem]:
    owner: dict[str, int] = {}
    for index, project in _mappings(document, "projects"):
        keys = project.get("keys")
        for key in keys if isinstance(keys, dict) else ():
            if key in owner:
                yield document.problem(("projects", index, "keys", key), f"already a key of projects[{owner[key]}]")
            owner.setdefault(key, index)


def _same_targets(document: Document, index: int, rule: dict[str, Tree]) -> Iterator[Problem]:
    fallback = rule.get("fallback")
    written: list[tuple[Loc, Tree]] = [(("agent",), rule.get("agent"))]
    written += [(("fallback", at), one) for at, one in enumerate(fallback if isinstance(fallback, tuple) else ())]
    seen: set[tuple[Tree, Tree]] = set()
    for loc, agent in written:
        target = (agent.get("name"), agent.get("deployment") or "") if isinstance(agent, dict) else (agent, "")
        if not all(isinstance(part, str) for part in target):
            continue
        if target in seen:
            yield document.problem(("rules", index, *loc), "this rule asks that agent already")
        seen.add(target)


def _agent(document: Document, environment: Environment) -> Iterator[Problem]:
    """Exactly one of the file and DISPATCHER_AGENT says which agent."""
    ruled, named = _written(document, "rules") != (), "DISPATCHER_AGENT" in environment.given
    if ruled and named:
        yield in_environment("DISPATCHER_AGENT", f"{document.file} has rules; unset it, or take them out")
    if ruled or named:
        return
    if document.file:
        yield document.problem(("rules",), "missing; write a rule, or set DISPATCHER_AGENT to your agent's name")
    else:
        yield in_environment("DISPATCHER_AGENT", "missing; set it to your agent's name, or write rules in a file")


def _connection(document: Document, environment: Environment) -> Iterator[Problem]:
    """Every project has a url and keys, from the file or, for one of them, from the environment."""
    url_given = "LIVEKIT_URL" in environment.given
    given_keys = [name for name in _KEY_VARIABLES if name in environment.given]
    if _written(document, "projects") == ():
        if not url_given:
            yield in_environment("LIVEKIT_URL", _NO_URL)
        if not given_keys:
            yield in_environment("LIVEKIT_API_KEY", _NO_KEYS)
        return
    projects = list(_mappings(document, "projects"))
    chosen = replaced([fields.get("name", "default") for _, fields in projects])
    if chosen is None and len(projects) > 1 and (url_given or given_keys):
        variable = "LIVEKIT_URL" if url_given else given_keys[0]
        yield in_environment(variable, "which project? None of several in the file is named default")
    for place, (index, fields) in enumerate(projects):
        here = place == chosen
        if "url" not in fields and not (here and url_given):
            yield document.problem(("projects", index, "url"), "missing" + "; or set LIVEKIT_URL" * here)
        if "keys" not in fields and not (here and given_keys):
            yield document.problem(("projects", index, "keys"), "missing" + "; or set LIVEKIT_KEYS" * here)
        keys = fields.get("keys")
        if not here and isinstance(keys, dict) and not environment.keys.keys().isdisjoint(keys):
            yield document.problem(("projects", index, "keys"), "another project has one of these from the environment")


def replaced(names: Sequence[Tree]) -> int | None:
    """Which project of the file the environment's LIVEKIT_ variables speak of: `default`, or the only one."""
    if "default" in names:
        return names.index("default")
    return 0 if len(names) == 1 else None


def _written(document: Document, section: str) -> Tree:
    return document.tree.get(section, ()) if document.tree else ()


def _mappings(document: Document, section: str) -> Iterator[tuple[int, dict[str, Tree]]]:
    items = _written(document, section)
    for index, fields in enumerate(items if isinstance(items, tuple) else ()):
        if isinstance(fields, dict):
            yield index, fields
