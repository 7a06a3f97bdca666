"""The rules that lives are lived under, by name."""

from typing import Final

from dispatcher.core.rules import Policy, Rule, Target


def _policy(*agents: str) -> Policy:
    return Policy(targets=tuple(Target(agent) for agent in agents))


def _rule(name: str, policy: Policy, *, go_on: bool = False) -> Rule:
    return Rule(name=name, policy=policy, go_on=go_on)


_GREETER: Final = (Target("greeter"),)
_PHONE: Final = frozenset({"SIP"})

RULEBOOK: Final[dict[str, tuple[Rule, ...]]] = {
    "one": (_rule("one", _policy("greeter")),),
    "fallback": (_rule("line", _policy("greeter", "overflow", "voicemail")),),
    "each": (_rule("each", Policy(targets=_GREETER, per="participant")),),
    "two": (_rule("first", _policy("greeter"), go_on=True), _rule("second", _policy("notes"))),
    "room": (_rule("open", Policy(targets=_GREETER, on="room")),),
    "kinds": (
        _rule("phone", Policy(targets=(Target("phone"),), kinds=_PHONE)),
        _rule("rest", Policy(targets=_GREETER)),
    ),
    "replace": (_rule("always", Policy(targets=_GREETER, on_finish="replace")),),
    "mixed": (
        _rule(
            "each", Policy(targets=(Target("phone"), Target("greeter")), per="participant", kinds=_PHONE), go_on=True
        ),
        _rule("all", _policy("greeter", "overflow")),
    ),
}
