"""What loads and is hardly ever meant is warned of, at its place."""

from pathlib import Path

import pytest

from dispatcher.config import doubts
from dispatcher.config.doubts import alike
from tests.unit.config.files import loaded

VARIABLE = "an agent of this very name: only `keys` are read from the environment; DISPATCHER_AGENT names one"


def warned(folder: Path, text: str) -> list[str]:
    """The warnings of a file that loads."""
    return [str(warning).replace(f"{folder}/", "") for warning in loaded(folder, text).warnings]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (
            """rules: [{name: a, agent: x, kinds: [STANDARD], when: "kind == 'SIP'"}]""",
            ["1:63: rules[0].when: nobody of the kind SIP is asked for here: the rule's `kinds` are STANDARD"],
        ),
        (
            """rules: [{name: a, agent: {cel: "kind == 'sip' ? 'x' : 'y'"}}]""",
            ["1:41: rules[0].agent.cel: `kind` is never 'sip'; did you mean 'SIP'?"],
        ),
        ("rules: [{name: a, agent: '${AGENT}'}]", [f"1:26: rules[0].agent: {VARIABLE}"]),
        ("rules: [{name: a, agent: x, fallback: [$AGENT]}]", [f"1:40: rules[0].fallback[0]: {VARIABLE}"]),
        (
            "rules: [{name: greter, agent: greeter, fallback: [greter]}]",
            ["1:51: rules[0].fallback[0]: `greter` and `greeter` (rules[0].agent) differ by a letter: one agent?"],
        ),
        (
            "rules: [{name: a, agent: {split: [{name: Sales, weight: 1}, {name: sales, weight: 1}]}}]",
            [
                (
                    "1:68: rules[0].agent.split[1].name: `sales` and `Sales` (rules[0].agent.split[0].name) differ by "
                    "a letter: one agent?"
                )
            ],
        ),
    ],
)
def test_what_is_hardly_ever_meant_is_warned_of(tmp_path: Path, text: str, warnings: list[str]) -> None:
    """And the configuration is in force."""
    assert warned(tmp_path, text) == [f"bad.yaml:{warning}" for warning in warnings]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("greeter", "greter", True),
        ("greeter", "greeters", True),
        ("greeter", "greetre", True),
        ("greeter", "Greeter", True),
        ("sales-agent", "sales_agent", True),
        ("sales-agent", "sales-agant", True),
        ("greeter", "greeter", False),
        ("agent-1", "agent-2", False),
        ("agent-1", "agent-11", False),
        ("sales-uk", "sales-us", False),
        ("greeter", "greeter-next", False),
        ("sales", "support", False),
        ("accueil", "akkueil", False),
    ],
)
def test_names_are_alike_where_a_letter_makes_the_difference(one: str, other: str, expected: bool) -> None:
    """Numbers, and words of two letters, tell agents apart on purpose."""
    assert alike(one, other) is expected
    assert alike(other, one) is expected


def test_many_agents_are_not_each_compared_with_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand of them, and the misspelt one is found."""
    compared = []

    def counting(one: str, other: str) -> bool:
        compared.append((one, other))
        return alike(one, other)

    monkeypatch.setattr(doubts, "alike", counting)
    names = [f"agent-{number:04}-of-many" for number in range(2_000)]
    shares = ", ".join(f"{{name: {name}, weight: 1}}" for name in [*names, "agent-0007-of-mnay"])

    (warning,) = warned(tmp_path, f"rules: [{{name: a, agent: {{split: [{shares}]}}}}]")

    assert "`agent-0007-of-mnay` and `agent-0007-of-many`" in warning
    assert len(compared) < 50 * len(names)
