import pytest

from dispatcher.core.facts import Participant
from dispatcher.core.rules import Rule, matching
from tests.unit.core.world import LOBBY, only, person, rule

SALES = rule("sales", when=only("alice"))
VIP = rule("vip", when=only("alice"), go_on=True)
PHONE = rule("phone", kinds=frozenset({"SIP"}))
AMBIENT = rule("ambient", trigger="room_started")
EVERYONE = rule("everyone")


@pytest.mark.parametrize(
    ("rules", "who", "names"),
    [
        pytest.param([SALES, EVERYONE], person("alice"), ["sales"], id="the-first-that-matches-wins"),
        pytest.param([SALES, EVERYONE], person("bob"), ["everyone"], id="one-that-does-not-is-passed-over"),
        pytest.param([VIP, SALES, EVERYONE], person("alice"), ["vip", "sales"], id="I7-continue-goes-on"),
        pytest.param([EVERYONE, SALES], person("alice"), ["everyone"], id="order-counts"),
        pytest.param([SALES], person("bob"), [], id="none-matches"),
        pytest.param([PHONE, EVERYONE], person(kind="SIP"), ["phone"], id="T2-its-kind"),
        pytest.param([PHONE], person(), [], id="another-kind"),
        pytest.param([EVERYONE], person(kind="EGRESS"), [], id="T1-egress-is-nobody"),
        pytest.param([EVERYONE], person(kind="INGRESS"), [], id="T1-ingress-is-nobody"),
        pytest.param([EVERYONE], person(kind="CONNECTOR"), ["everyone"], id="a-connector-is-somebody"),
        pytest.param([AMBIENT, EVERYONE], person(), ["everyone"], id="a-room-rule-is-not-for-people"),
        pytest.param([EVERYONE, AMBIENT], None, ["ambient"], id="the-room-itself-matches-room-rules"),
        pytest.param([EVERYONE], None, [], id="and-no-others"),
        pytest.param(
            [rule("no", trigger="room_started", when=lambda *_: False)], None, [], id="a-room-rule-has-conditions-too"
        ),
    ],
)
def test_rules_apply_in_order(rules: list[Rule], who: Participant | None, names: list[str]) -> None:
    """The first rule that matches wins, and rules after it count while they say `continue`."""
    assert [one.name for one in matching(rules, LOBBY, who)] == names
