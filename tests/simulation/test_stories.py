"""Lives that once went wrong, the smallest that the walker found: each tells of a mistake, and goes well now.

To see one at work: `python -m tests.simulation --one '<the life as JSON>'`.
"""

import msgspec
import pytest

from tests.simulation.life import Life
from tests.simulation.world import live

pytestmark = pytest.mark.no_cover  # tracing doubles their time; other tests cover what they walk through

LIVES = {
    "the end of a room is heard late": """{"happenings": [{"at": 323, "what": "joins", "who": "cal"},
        {"at": 41057, "what": "leaves", "who": "cal"}],
        "hooks": [[10], [10], [10], [10], [28715], []], "calm": 88179}""",
    "an attempt is surplus while its launch is queued": """{"rules": "two",
        "happenings": [{"at": 969, "what": "joins", "who": "ann"}],
        "fates": [{"take": 6000, "start": 28000}, {}, {"take": 14000}], "calm": 68166}""",
    "a create that lands after its successor is deleted while its launch is queued": """{"rules": "each",
        "happenings": [{"at": 459, "what": "joins", "who": "bob"}, {"at": 1514, "what": "wipes"},
        {"at": 2708, "what": "joins", "who": "bob"}, {"at": 2748, "what": "joins", "who": "cal"},
        {"at": 4763, "what": "wipes"}], "fates": [{}, {"answer": "silent"}],
        "creates": [{"took": 6140}, {"reply": "unreachable", "took": 100}, {"reply": "limited"}, {"took": 1000}],
        "calm": 5305}""",
    "a remnant is deleted while its launch is queued": """{
        "happenings": [{"at": 593, "what": "joins", "who": "cal"}, {"at": 1137, "what": "wipes"},
        {"at": 2412, "what": "leaves", "who": "cal"}, {"at": 16736, "what": "joins", "who": "bob"}],
        "fates": [{"take": 11000, "start": 35000}], "calm": 19381}""",
    "what ended before the ledger was emptied starves the assignment": """{
        "happenings": [{"at": 738, "what": "joins", "who": "bob"}, {"at": 41393, "what": "kicks"},
        {"at": 47281, "what": "wipes"}], "fates": [{"answer": "silent"}, {"answer": "rejects"}], "calm": 51961}""",
    "the ledger is emptied while the agent is on its way": """{"rules": "kinds",
        "happenings": [{"at": 100, "what": "joins", "who": "ann"}, {"at": 900, "what": "joins", "who": "cal"},
        {"at": 2000, "what": "wipes"}], "fates": [{"start": 8000}], "calm": 40000}""",
    "a look at an emptied ledger adopts two attempts, and one's agent opens the dead room again": """{
        "happenings": [{"at": 311, "what": "joins", "who": "ann"}, {"at": 61605, "what": "closes", "who": "cal"},
        {"at": 52941, "what": "joins", "who": "twin"}, {"at": 53015, "what": "wipes"}],
        "fates": [{"answer": "silent"}, {"take": 14000, "start": 35000}],
        "troubles": [{"step": 3, "span": 9000, "dies": false}], "calm": 63674}""",
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_life_goes_well(life: str) -> None:
    """Every law and bound holds."""
    assert live(msgspec.json.decode(life, type=Life)).violations == ()


def test_who_came_after_an_agent_had_gone_reopens_the_assignment_in_the_look_that_shows_both() -> None:
    """Else they wait for the next sweep: the same look, seen again, would change the session."""
    life = """{"happenings": [{"at": 163, "what": "joins", "who": "ann"}, {"at": 41347, "what": "kicks"},
        {"at": 49492, "what": "joins", "who": "ann"}],
        "looks": [{}, {"reply": "broken"}, {"reply": "refused", "took": 2206}, {"reply": "unauthorized", "took": 100},
        {"took": 100}, {"reply": "refused"}, {"reply": "lost", "took": 1000}, {"reply": "broken", "took": 301},
        {"reply": "never", "took": 1000}, {"reply": "unauthorized", "took": 5}], "calm": 92083}"""

    assert live(msgspec.json.decode(life, type=Life)).violations == ()


def test_law_14_an_agent_in_a_new_room_is_taken_back_though_its_egress_is_there() -> None:
    """The room closed between look and Create, and only an egress is in the one of the same name."""
    life = """{"happenings": [{"at": 0, "what": "joins", "who": "ann"}, {"at": 0, "what": "joins", "who": "ann"},
        {"at": 0, "what": "joins", "who": "ann"}, {"at": 124, "what": "closes"},
        {"at": 124, "what": "joins", "who": "rec"}], "calm": 5000}"""

    assert live(msgspec.json.decode(life, type=Life)).violations == ()
