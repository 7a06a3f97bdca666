"""Lives with people who pass for us or for our agents: tags that we have not signed, names that no job explains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from tests.simulation.life import FORGERIES, Happening, Life, What
from tests.simulation.rulebook import RULEBOOK
from tests.simulation.test_laws import AGENTS, GATHERING, SETTLED, lives, well

pytestmark = pytest.mark.no_cover  # tracing doubles their time; other tests cover what they walk through

FORGED = st.sampled_from(list(FORGERIES))
forgers = st.lists(
    st.builds(Happening, at=st.integers(0, 90_000), what=st.just(What.FORGES), who=FORGED)
    | st.builds(Happening, at=st.integers(0, 90_000), what=st.just(What.JOINS), who=st.sampled_from(["twin", "mime"])),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow("random lives")
@given(life=lives, forged=FORGED, more=forgers)
@SETTLED
def test_law_13_whatever_forgers_do_the_laws_hold(life: Life, forged: str, more: list[Happening]) -> None:
    """Nothing of theirs is taken back, nobody is denied an agent, and soon all is well again."""
    well(replace(life, token=True, forged=forged, happenings=(*life.happenings, *more)))


@pytest.mark.parametrize("how", ["stranger", "copied"])
@pytest.mark.parametrize("rules", RULEBOOK)
def test_law_13_a_forged_tag_on_a_strangers_dispatch_changes_nothing(rules: str, how: str) -> None:
    """Whether the room's token brings it or somebody makes it later: as many agents of ours as without."""
    later = Happening(5_000, What.FORGES, how)
    life = Life(rules=rules, token=True, forged=how, happenings=(*GATHERING, later), calm=40_000)

    assert well(life).arrived == AGENTS[rules]


@pytest.mark.parametrize("rules", RULEBOOK)
def test_law_13_a_tokens_agent_with_a_forged_tag_serves_as_any_tokens_agent(rules: str) -> None:
    """Foreign, where the assignment's agents include it."""
    forged = Life(rules=rules, token=True, forged="made up", happenings=GATHERING, calm=40_000)

    assert well(forged).arrived == well(replace(forged, forged="")).arrived


@pytest.mark.slow("112 lives")
@pytest.mark.parametrize("comes", [0, 50, 1_200, 9_000])
@pytest.mark.parametrize("who", ["twin", "mime"])
@pytest.mark.parametrize("rules", RULEBOOK)
def test_law_15_an_impostor_keeps_nobody_from_an_agent(rules: str, who: str, comes: Ms) -> None:
    """With the grant of an agent's token or without, before the people or after."""
    life = Life(rules=rules, happenings=(Happening(comes, What.JOINS, who), *GATHERING), calm=45_000)

    assert well(life).arrived == AGENTS[rules]


def test_law_15_an_impostor_that_comes_again_and_again_keeps_nobody_from_an_agent() -> None:
    """Each 3 s under another SID; the agent is there before the calm, and asked for once."""
    again = tuple(Happening(at, What.JOINS, "twin") for at in range(0, 44_000, 3_000))
    outcome = well(Life(happenings=(*GATHERING, *again), calm=45_000))

    assert (outcome.arrived, outcome.worst.creates, outcome.worst.settled) == (1, 1, 0)
