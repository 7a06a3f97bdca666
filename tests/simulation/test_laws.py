"""The laws of the core, on simulated lives: one fault at every place, and by hypothesis whatever may combine."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from tests.examples import examples
from tests.simulation.life import EXTRAS, PEOPLE, Answer, Call, End, Fate, Happening, Life, Reply, Trouble, What
from tests.simulation.rulebook import RULEBOOK
from tests.simulation.walker import life_of
from tests.simulation.world import Outcome, live

pytestmark = pytest.mark.no_cover  # tracing doubles their time; other tests cover what they walk through

SETTLED = settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
GATHERING = (Happening(100, What.JOINS, "ann"), Happening(900, What.JOINS, "cal"), Happening(1_500, What.JOINS, "eve"))
AGENTS = {
    "one": 1,
    "fallback": 1,
    "each": 2,
    "two": 2,
    "room": 1,
    "kinds": 1,
    "computed": 1,
    "done": 1,
    "canary": 1,
    "mixed": 2,
    "tidy": 1,
    "launched": 1,
    "launched last": 1,
    "launched each": 2,
}

spans = st.sampled_from((5, 20, 100, 300, 1_000, 2_000, 4_000, 6_000, 11_000))
calls = st.builds(Call, reply=st.sampled_from(Reply), took=spans)
fates = st.builds(
    Fate,
    answer=st.sampled_from(Answer),
    take=spans | st.sampled_from((14_000, 25_000)),
    lag=st.sampled_from((20, 300, 2_000, 5_000)),
    start=st.sampled_from((50, 300, 3_000, 28_000, 35_000)),
    end=st.sampled_from(End),
    stay=st.sampled_from((1_000, 4_000, 6_000, 20_000)),
    fixed=st.booleans(),
    outlives=st.booleans(),
    revives=st.booleans(),
    bound=st.booleans(),
)
usual = tuple(what for what in What if what not in {What.WIPES, What.PAUSES, What.RESUMES})
pauses = st.builds(
    Happening, at=st.integers(0, 90_000), what=st.sampled_from((What.PAUSES, What.RESUMES)), who=st.just("greeter")
)
apart = st.sampled_from((0, 0, 50, 500))
who = st.sampled_from([*PEOPLE, *EXTRAS])
happenings = st.builds(Happening, at=st.integers(0, 90_000), what=st.sampled_from(usual), who=who)
hooks = st.lists(st.integers(5, 30_000), max_size=2).map(tuple)
troubles = st.builds(
    Trouble, step=st.integers(1, 80), span=st.sampled_from((10, 1_000, 9_000, 12_000)), dies=st.booleans()
)


def tuples(of: st.SearchStrategy[object], most: int) -> st.SearchStrategy[Sequence[object]]:
    """Up to so many of them, as a tuple."""
    return st.lists(of, max_size=most).map(tuple)


lives = st.builds(
    Life,
    rules=st.sampled_from(list(RULEBOOK)),
    happenings=tuples(happenings | pauses, 6).map(lambda more: (Happening(0, What.JOINS, "ann"), *more)),
    token=st.booleans(),
    fates=tuples(fates, 4),
    creates=tuples(calls, 3),
    looks=tuples(calls, 6),
    retracts=tuples(calls, 3),
    hooks=tuples(hooks, 10),
    troubles=tuples(troubles, 3),
    replicas=st.sampled_from((1, 2)),
    durable=st.just(value=True),
    looks_apart=apart,
    creates_apart=apart,
    undecodable=tuples(st.integers(1, 20), 3),
    dry_run=st.sampled_from((False,) * 9 + (True,)),
    dead=st.sampled_from(((), (), ("greeter",), ("greeter", "overflow"), ("launch:avatar",))),
    launchers=st.sampled_from((1, 2)),
    crowd=st.booleans(),
    calm=st.integers(5_000, 95_000),
)


def well(life: Life) -> Outcome:
    """The life goes well."""
    outcome = live(life)
    assert outcome.well, "\n".join(f"{one.at}: law {one.law}: {one.what}" for one in outcome.violations)
    return outcome


@pytest.mark.slow("random lives")
@given(lives)
@SETTLED
def test_whatever_happens_the_laws_hold_and_soon_all_is_well_again(life: Life) -> None:
    """Workers, people, webhooks, calls and processes fail in any combination; from the calm on the bounds hold."""
    well(life)


@pytest.mark.slow("150 lives")
@pytest.mark.parametrize("seed", range(150))
def test_random_lives_go_well(seed: int) -> None:
    """The first of the walker's lives."""
    well(life_of(seed))


@pytest.mark.slow("a life for each step of a life")
@pytest.mark.parametrize("rules", RULEBOOK)
def test_law_9_a_process_that_dies_at_any_step_adds_no_agent(rules: str) -> None:
    """Killed between any two calls or saves, and started again: with a ledger that lasts, as many agents as without."""
    life = Life(rules=rules, happenings=GATHERING, calm=8_000)
    step, outcome = 1, well(life)

    while step == 1 or outcome.died:
        outcome = well(replace(life, troubles=(Trouble(step, 1_000),)))
        step += 1

        assert outcome.arrived == AGENTS[rules], f"killed at step {step}"


@pytest.mark.slow("a life for each instant and rule")
@pytest.mark.parametrize("rules", RULEBOOK)
@pytest.mark.parametrize("at", [50, 1_200, 2_000, 3_000, 9_000, 20_000])
def test_law_10_the_ledger_emptied_at_any_point_adds_no_agent(rules: str, at: Ms) -> None:
    """From what LiveKit shows, every session is restored."""
    life = Life(rules=rules, happenings=(*GATHERING, Happening(at, What.WIPES)), calm=40_000)

    assert well(life).arrived == AGENTS[rules]


SLOW = [Fate(take=8_800), Fate(lag=5_000), Fate(take=2_000, lag=5_000), Fate(start=28_000), Fate(fixed=True)]


@pytest.mark.slow("a life for each delay and rule")
@pytest.mark.parametrize("fate", SLOW)
@pytest.mark.parametrize("rules", RULEBOOK)
def test_a_slow_agent_is_waited_for(rules: str, fate: Fate) -> None:
    """Healthy agents, as slow as were seen: one Create for each assignment."""
    outcome = well(Life(rules=rules, happenings=GATHERING, fates=(fate, fate), calm=45_000))

    assert (outcome.worst.creates, outcome.arrived) == (AGENTS[rules], AGENTS[rules])


@pytest.mark.parametrize("rules", RULEBOOK)
def test_where_many_are_asked_for_an_agent_is_waited_for_as_long_as_was_seen(rules: str) -> None:
    """The slowest of thirty at once came after 10.5 s (livekit.md §0)."""
    slow = Fate(take=10_300)
    outcome = well(Life(rules=rules, happenings=GATHERING, fates=(slow, slow), crowd=True, calm=45_000))

    assert (outcome.worst.creates, outcome.arrived) == (AGENTS[rules], AGENTS[rules])


def test_a_target_that_is_not_there_holds_up_nobody_but_the_first() -> None:
    """Two of three are not: the first caller's agent is the third attempt, the next caller's the first."""
    first = Life(rules="fallback", happenings=GATHERING[:1], dead=("greeter", "overflow"), calm=45_000)
    assert (well(first).worst.creates, well(first).kept) == (3, ("voicemail#3",))

    callers = (*GATHERING[:1], Happening(30_000, What.CLOSES), Happening(31_000, What.JOINS, "bob"))
    both = well(replace(first, happenings=callers))
    assert (both.worst.creates, both.kept) == (4, ("voicemail#1",))


def test_a_target_that_is_back_is_found_by_a_probe() -> None:
    """Half a minute after its circuit has opened the next caller asks it all the same, and stays with it."""
    callers = (*GATHERING[:1], Happening(30_000, What.CLOSES), Happening(55_000, What.JOINS, "bob"))
    back = well(Life(rules="fallback", happenings=callers, dead=("greeter",), calm=50_000))

    assert back.kept == ("greeter#1",)


def test_a_full_reconnect_is_no_reason_for_another_agent() -> None:
    """The agent that comes back under its identity is the same."""
    life = Life(happenings=GATHERING, fates=(Fate(end=End.REJOINS, stay=9_000),), calm=40_000)

    assert well(life).worst.creates == 1


def test_an_agent_that_comes_after_it_was_given_up_serves_all_the_same() -> None:
    """While the next target is tried: no third Create."""
    late = Life(rules="fallback", happenings=GATHERING[:1], fates=(Fate(take=14_000), Fate(take=10_000)), calm=60_000)

    outcome = well(late)

    assert outcome.worst.creates == 2
    assert outcome.kept == ("greeter#1",)


def test_a_dry_run_asks_nobody_and_takes_nothing_back() -> None:
    """Whoever joins, and whatever an app has dispatched."""
    outcome = well(Life(dry_run=True, token=True, happenings=GATHERING, calm=40_000))

    assert (outcome.worst.creates, outcome.arrived) == (0, 0)


def test_a_paused_agent_is_asked_for_as_soon_as_it_is_paused_no_longer() -> None:
    """And once."""
    paused = (Happening(0, What.PAUSES, "greeter"), *GATHERING, Happening(20_000, What.RESUMES))

    assert well(Life(happenings=paused, calm=30_000)).worst.creates == 1


def test_d9_the_agent_of_a_deployment_that_a_server_ignores_is_parted_from_the_fallback() -> None:
    """The wrong agent is taken back, and the next target serves."""
    outcome = well(Life(rules="canary", knows_deployments=False, happenings=GATHERING[:1], calm=40_000))

    assert (outcome.worst.creates, outcome.kept) == (2, ("greeter#2",))


@pytest.mark.parametrize("rules", [name for name in RULEBOOK if name != "room"])
@pytest.mark.parametrize("after", [250, 500, 1_000, 5_000])
@pytest.mark.parametrize("take", [150, 6_000])
def test_law_13_an_agent_whose_room_died_as_it_was_asked_for_is_taken_back(rules: str, after: Ms, take: Ms) -> None:
    """The room is deleted right after somebody has joined; LiveKit opens it again for the agent, which is alone."""
    slow = (Fate(take=take, start=1_000),) * 3
    life = Life(rules=rules, happenings=(GATHERING[0], Happening(100 + after, What.CLOSES)), fates=slow, calm=40_000)
    outcome = well(life)

    assert outcome.arrived > 0
    assert outcome.kept == ()
    assert outcome.worst.alone <= 5_000


@pytest.mark.parametrize("rules", ["one", "tidy"])
def test_law_13_an_agent_without_a_name_goes_only_where_the_rule_says_so(rules: str) -> None:
    """Beside ours, and before ours has come."""
    strays = tuple(Happening(at, What.JOINS, "bot") for at in (500, 30_000, 60_000))
    lived = well(Life(rules=rules, happenings=(*GATHERING, *strays), calm=70_000))

    assert lived.nameless == (1 if rules == "one" else 0)
    assert lived.arrived == 1


def test_turns_that_are_far_apart_cost_time_and_nothing_else() -> None:
    """Each look and each Create has one, and is made once."""
    slow = Life(rules="each", looks_apart=500, creates_apart=500, happenings=GATHERING, calm=40_000)

    assert well(slow).worst.creates == 2


def test_an_entry_of_another_version_means_look() -> None:
    """Nobody is forgotten though no webhook can be read."""
    unread = Life(undecodable=tuple(range(1, 10)), happenings=GATHERING, calm=20_000)

    assert well(unread).worst.creates == 1
