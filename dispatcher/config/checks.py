"""Mistakes that no single field shows: names used twice, fields, or file and environment, that contradict each other.

The tree is checked as it was written, so that these are reported together with the mistakes in single fields.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from dispatcher.config import values
from dispatcher.config.document import Document, Loc, Tree, path
from dispatcher.config.environment import Environment
from dispatcher.config.probes import ProbeFields
from dispatcher.config.problems import Problem, did_you_mean, in_environment
from dispatcher.config.types import endpoint
from dispatcher.core.facts import PERSON_KINDS, SIP
from dispatcher.core.rules import Rule
from dispatcher.expressions import Metadata, When

_NO_URL = "missing; where your LiveKit answers, such as wss://example.livekit.cloud"
_NO_KEYS = "missing; set it and LIVEKIT_API_SECRET (or LIVEKIT_KEYS)"
_WHOSE = "the file has several projects; write each one's url and keys there, as ${VARIABLE} or file:/path"
_OUTBOUND: Final = (
    "matches outbound calls, too, whose agent is there already: a caller has the attribute sip.ruleID, somebody who is "
    "called has not (docs/rules.md, Calls that an agent makes)"
)
_KEY_VARIABLES = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_KEYS")


def check(document: Document, environment: Environment) -> Iterator[Problem]:
    """Find every contradiction in the file, and between the file and the environment. The document has a tree."""
    yield from _same_names(document)
    yield from _same_keys(document)
    yield from _same_livekits(document)
    yield from _unknown_projects(document)
    yield from _half_trusted(document)
    for rules in _rule_lists(document):
        for loc, rule in _mappings(document, rules):
            if rule.get("trigger") == "room_started" and rule.get("per") == "participant":
                reason = "`trigger: room_started` has no participant yet; leave out `per`, or `trigger`"
                yield document.problem((*loc, "per"), reason)
            yield from _same_targets(document, loc, rule)
            yield from _launched(document, loc, rule)
    yield from _incomplete_launchers(document)
    yield from _agent(document, environment)
    yield from _connection(document, environment)


def _half_trusted(document: Document) -> Iterator[Problem]:
    """A header without proxies would be anybody's, and proxies without a header say nothing."""
    ui = (document.tree or {}).get("ui")
    if not isinstance(ui, dict):
        return
    if ui.get("trust_header") and not ui.get("proxies"):
        yield document.problem(("ui", "trust_header"), "name the proxies that set it, too: proxies: [10.0.0.7]")
    if ui.get("proxies") and not ui.get("trust_header"):
        yield document.problem(("ui", "proxies"), "name the header that they set, too: trust_header: X-Forwarded-User")


def unreachable(rules: Sequence[Rule], document: Document, loc: Loc) -> Iterator[Problem]:
    """Warn of rules at `loc` that never match, because rules before them always do (core/assignments.py)."""
    kinds: set[str] = set()  # whose people always match an earlier rule that does not go on
    room = False  # the same of rooms themselves: the one `per: room` assignment is taken
    for index, rule in enumerate(rules):
        policy = rule.policy
        left_out = room and policy.per == "room" and not rule.go_on
        dead = room if policy.trigger == "room_started" else left_out or policy.kinds <= kinds
        if dead:
            yield document.problem((*loc, index, "name"), "never used: the rules before it always match first")
        if rule.when is not None or rule.go_on:
            continue
        if policy.trigger == "room_started":
            room = True
        else:
            kinds |= policy.kinds


def outbound(rules: Sequence[Rule], document: Document, loc: Loc) -> Iterator[Problem]:
    """Hints at rules at `loc` that want an agent for everybody on the telephone, also for those whom an agent calls.

    Only where the rules say something of telephones: else nobody need know.
    """
    if not any(_of_telephones(rule) for rule in rules):
        return
    for index, rule in enumerate(rules):
        if rule.when is None and rule.policy.trigger == "participant_joined" and SIP in rule.policy.kinds:
            yield document.problem((*loc, index, "name"), _OUTBOUND)


def unasked(paused: Sequence[str], rules: Sequence[Rule], document: Document, loc: Loc) -> Iterator[Problem]:
    """Warn of names at `loc` that no rule asks for: a misspelt name pauses nobody."""
    asked = {target.name for rule in rules for target in rule.policy.targets}
    for index, name in enumerate(paused):
        if name not in asked:
            yield document.problem((*loc, index), f"no rule asks for this agent{did_you_mean(name, asked)}")


def unprobed(probe: ProbeFields | None, rules: Sequence[Rule], document: Document, loc: Loc) -> Iterator[Problem]:
    """Warn of agents at `loc` that no rule asks for, and of those whose workers no empty room gives a job."""
    asked: dict[str, set[str]] = {}
    for rule in rules:
        for target in rule.policy.targets:
            asked.setdefault(target.name, set()).add(rule.policy.worker_type)
    for index, one in enumerate(probe.agents if probe else ()):
        if one.name not in asked:
            yield document.problem((*loc, index), f"no rule asks for this agent{did_you_mean(one.name, asked)}")
        elif asked[one.name] == {"publisher"}:
            yield document.problem(
                (*loc, index), "its workers serve publishers, and nobody publishes in a probe's room"
            )


def _of_telephones(rule: Rule) -> bool:
    computed = (rule.when, rule.metadata)
    texts = [one.expression.text for one in computed if isinstance(one, When | Metadata)]
    return (SIP in rule.policy.kinds and rule.policy.kinds != PERSON_KINDS) or any("sip." in text for text in texts)


def _same_names(document: Document) -> Iterator[Problem]:
    for section, default in (
        (("projects",), "default"),
        (("api_tokens",), ""),
        (("notices",), ""),
        *((it, "") for it in _rule_lists(document)),
    ):
        first: dict[Tree, Loc] = {}
        for loc, fields in _mappings(document, section):
            name = fields.get("name", default)
            if not isinstance(name, str) or not name:
                continue
            if name in first:
                yield document.problem((*loc, "name"), f"{path(first[name])} has the same name")
            first.setdefault(name, loc)


def _same_keys(document: Document) -> Iterator[Problem]:
    owner: dict[str, Loc] = {}
    for loc, project in _mappings(document, ("projects",)):
        keys = project.get("keys")
        for key in keys if isinstance(keys, dict) else ():
            if key in owner:
                yield document.problem((*loc, "keys", key), f"already a key of {path(owner[key])}")
            owner.setdefault(key, loc)


def _same_livekits(document: Document) -> Iterator[Problem]:
    """A LiveKit has one set of rooms, whatever the key: two projects of it would each give an agent to every one."""
    first: dict[str, Loc] = {}
    for loc, project in _mappings(document, ("projects",)):
        try:
            where = endpoint(values.url(str(project.get("url", ""))))
        except ValueError:  # told where the field is read
            continue
        if where in first:
            reason = "each room would get two agents; write one project with all its keys"
            yield document.problem((*loc, "url"), f"the LiveKit of {path(first[where])}: {reason}")
        first.setdefault(where, loc)


def _unknown_projects(document: Document) -> Iterator[Problem]:
    """A token that is for a project that is not there would see nothing, and nobody would know why."""
    named = [project.get("name", "default") for _, project in _mappings(document, ("projects",))] or ["default"]
    known = [name for name in named if isinstance(name, str)]
    for loc, token in _mappings(document, ("api_tokens",)):
        names = token.get("projects", ())
        for index, name in enumerate(names if isinstance(names, tuple) else ()):
            if isinstance(name, str) and name not in known:
                yield document.problem((*loc, "projects", index), f"unknown project{did_you_mean(name, known)}")


def _launched(document: Document, rule_loc: Loc, rule: dict[str, Tree]) -> Iterator[Problem]:
    """A rule's launchers are there, and it is said where they are asked. They have no workers of LiveKit's."""
    known = (document.tree or {}).get("launchers")
    launchers = known if isinstance(known, dict) else {}
    for loc, name in _launchers_of(rule):
        if name not in launchers:
            hint = did_you_mean(name, launchers) or "; write it under `launchers`, with its `urls`"
            yield document.problem((*rule_loc, *loc), f"no launcher has this name{hint}")
        elif isinstance(fields := launchers[name], dict) and "urls" not in fields:
            reason = f"launchers.{name} has no `urls`: where it is asked, such as [http://gpu-1:8089]"
            yield document.problem((*rule_loc, *loc), reason)
        if rule.get("worker_type") == "publisher":
            reason = "`publisher` is a type of LiveKit's workers, and this rule asks a launcher; leave it out"
            yield document.problem((*rule_loc, "worker_type"), reason)


def _launchers_of(rule: dict[str, Tree]) -> Iterator[tuple[Loc, str]]:
    for loc, agent in _agents_of(rule):
        split = agent.get("split") if isinstance(agent, dict) else None
        shares = enumerate(split if isinstance(split, tuple) else ())
        for at, one in [(loc, agent), *(((*loc, "split", place), share) for place, share in shares)]:
            if isinstance(one, dict) and isinstance(name := one.get("launch"), str):
                yield (*at, "launch"), name


def _incomplete_launchers(document: Document) -> Iterator[Problem]:
    """A launcher starts processes, or is asked where it does; or both."""
    launchers = (document.tree or {}).get("launchers")
    for name, fields in launchers.items() if isinstance(launchers, dict) else ():
        if not isinstance(fields, dict) or ("urls" in fields and not {"command", "limit"} & fields.keys()):
            continue
        for field in ("command", "limit"):
            if field not in fields:
                yield document.problem(("launchers", name, field), "missing; or name the `urls` where it runs")


def _agents_of(rule: dict[str, Tree]) -> list[tuple[Loc, Tree]]:
    """A rule's agents as they are written: `agent`, then its `fallback`."""
    fallback = rule.get("fallback")
    others = enumerate(fallback if isinstance(fallback, tuple) else ())
    return [(("agent",), rule.get("agent")), *((("fallback", at), one) for at, one in others)]


def _same_targets(document: Document, rule_loc: Loc, rule: dict[str, Tree]) -> Iterator[Problem]:
    seen: set[tuple[Tree, Tree]] = set()
    for loc, agent in _agents_of(rule):
        target = (agent.get("name"), _deployment(agent)) if isinstance(agent, dict) else (agent, "")
        if isinstance(agent, dict) and "launch" in agent:
            target = ("launch", agent["launch"])
        if not all(isinstance(part, str) for part in target):
            continue
        if target in seen:
            yield document.problem((*rule_loc, *loc), "this rule asks that agent already")
        seen.add(target)


def _deployment(agent: dict[str, Tree]) -> Tree:
    named = agent.get("deployment") or ""
    return "" if named == values.PRODUCTION else named


def odd_deployments(document: Document) -> Iterator[Problem]:
    """Names that some servers refuse when a dispatch is created: then the next target is asked."""
    for loc, scalar in document.scalars.items():
        if loc[-1] == "deployment" and {"_", "."} & set(scalar.text):
            yield document.problem(loc, "a name with _ or . is refused by some releases of livekit-server")


def _agent(document: Document, environment: Environment) -> Iterator[Problem]:
    """Exactly one of the file and DISPATCHER_AGENT says which agent, for each project; a launcher needs none."""
    ruled, named = _written(document, ("rules",)) != (), "DISPATCHER_AGENT" in environment.given
    projects = [fields for _, fields in _mappings(document, ("projects",))]
    own = [fields for fields in projects if "rules" in fields]
    if named and (ruled or own):
        yield in_environment("DISPATCHER_AGENT", f"{document.file} has rules; unset it, or take them out")
    if ruled or named or (own and own == projects) or _written(document, ("launchers",)):
        return
    if document.file:
        yield document.problem(("rules",), "missing; write a rule, or set DISPATCHER_AGENT to your agent's name")
    else:
        yield in_environment("DISPATCHER_AGENT", "missing; set it to your agent's name, or write rules in a file")


def _connection(document: Document, environment: Environment) -> Iterator[Problem]:
    """Every project has a url and keys, from the file or, for one of them, from the environment."""
    url_given = "LIVEKIT_URL" in environment.given
    given_keys = [name for name in _KEY_VARIABLES if name in environment.given]
    if _written(document, ("projects",)) == ():
        if not url_given:
            yield in_environment("LIVEKIT_URL", _NO_URL)
        if not given_keys:
            yield in_environment("LIVEKIT_API_KEY", _NO_KEYS)
        return
    projects = list(_mappings(document, ("projects",)))
    alone = len(projects) == 1
    if len(projects) > 1:
        yield from (in_environment(variable, _WHOSE) for variable in ["LIVEKIT_URL"] * url_given + given_keys)
    for loc, fields in projects:
        if "url" not in fields and not (alone and url_given):
            yield document.problem((*loc, "url"), "missing" + "; or set LIVEKIT_URL" * alone)
        if "keys" not in fields and not (alone and given_keys):
            yield document.problem((*loc, "keys"), "missing" + "; or set LIVEKIT_KEYS" * alone)


def _rule_lists(document: Document) -> Iterator[Loc]:
    """Where rules may stand: outside the projects, and in each."""
    yield ("rules",)
    yield from ((*loc, "rules") for loc, _ in _mappings(document, ("projects",)))


def _written(document: Document, loc: Loc) -> Tree:
    tree: Tree = document.tree
    for part in loc:
        if isinstance(tree, dict) and isinstance(part, str):
            tree = tree.get(part, ())
        elif isinstance(tree, tuple) and isinstance(part, int):
            tree = tree[part]
        else:
            return ()
    return tree


def _mappings(document: Document, loc: Loc) -> Iterator[tuple[Loc, dict[str, Tree]]]:
    items = _written(document, loc)
    for index, fields in enumerate(items if isinstance(items, tuple) else ()):
        if isinstance(fields, dict):
            yield (*loc, index), fields
