"""The rules that lives are lived under, by name."""

from typing import Final

from dispatcher.core.facts import Participant, Room
from dispatcher.core.rules import Aimed, Policy, Rule, Target


def _policy(*agents: str) -> Policy:
    return Policy(targets=tuple(Target(agent) for agent in agents))


def _rule(name: str, policy: Policy, *, go_on: bool = False) -> Rule:
    return Rule(name=name, policy=policy, go_on=go_on)


def _by_kind(_: Room, who: Participant | None) -> Aimed:
    """Callers have a fallback; for others the expression that would name one fails."""
    if who is not None and who.kind == "SIP":
        return Aimed((Target("greeter"), Target("overflow")))
    return Aimed((Target("greeter"),), ("missing_key",))


_AVATAR: Final = Target("", launcher="avatar")
_GREETER: Final = (Target("greeter"),)
_PHONE: Final = frozenset({"SIP"})

RULEBOOK: Final[dict[str, tuple[Rule, ...]]] = {
    "one": (_rule("one", _policy("greeter")),),
    "fallback": (_rule("line", _policy("greeter", "overflow", "voicemail")),),
    "each": (_rule("each", Policy(targets=_GREETER, per="participant")),),
    "two": (_rule("first", _policy("greeter"), go_on=True), _rule("second", _policy("notes"))),
    "room": (_rule("open", Policy(targets=_GREETER, trigger="room_started")),),
    "kinds": (
        _rule("phone", Policy(targets=(Target("phone"),), kinds=_PHONE)),
        _rule("rest", Policy(targets=_GREETER)),
    ),
    "done": (_rule("once", Policy(targets=_GREETER, on_finish="done")),),
    "computed": (Rule(name="computed", policy=_policy("greeter", "overflow"), aim=_by_kind),),
    "tidy": (_rule("tidy", Policy(targets=_GREETER, unrequested_agents="remove")),),
    "canary": (_rule("canary", Policy(targets=(Target("greeter", "canary"), *_GREETER))),),
    "mixed": (
        _rule(
            "each", Policy(targets=(Target("phone"), Target("greeter")), per="participant", kinds=_PHONE), go_on=True
        ),
        _rule("all", _policy("greeter", "overflow")),
    ),
    "launched": (_rule("launched", Policy(targets=(_AVATAR,))),),
    "launched last": (_rule("last", Policy(targets=(*_GREETER, _AVATAR))),),
    "launched each": (_rule("each", Policy(targets=(_AVATAR, *_GREETER), per="participant")),),
}
