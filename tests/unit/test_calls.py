"""How a session stands after each outcome of a call."""

import pytest
from msgspec.structs import replace

from dispatcher.calls import Asking, ask, metadata, take_back
from dispatcher.core import acts
from dispatcher.core.events import Ms, Participant
from dispatcher.core.plan import Create, Retract
from dispatcher.core.seen import Seen
from dispatcher.core.session import Attempt, Session, Verdict, Want
from dispatcher.livekit import Reason, Refused, Unavailable, Unknown
from tests.unit.core.world import GREETER, LOBBY, NOW, agent, attempt, dispatch, person, policy, rule, session, want
from tests.unit.desk import Happening, Staged, fails, nothing

CREATE = Create(want="greeter", number=1, target=GREETER)
ASKING = Asking(CREATE, "", "default:greeter#1")


def now() -> Ms:
    """The ledger's clock stands still."""
    return NOW


async def asked(outcome: Happening) -> tuple[Want, bool]:
    """The want after a Create that ended so, and whether its outcome is known."""
    livekit = Staged(person())
    livekit.before("create", outcome)
    before = acts.ask(session(want()), CREATE, NOW)
    after, known = await ask(livekit, before, ASKING, now)
    return after.wants[0], known


@pytest.mark.parametrize(
    ("outcome", "known", "verdict", "due_in", "tries", "target"),
    [
        (nothing, True, None, None, 0, 0),
        (fails(Unknown, Reason.TIMEOUT), False, None, None, 0, 0),
        (fails(Unknown, Reason.SERVER), False, None, None, 0, 0),
        (fails(Unavailable, Reason.UNREACHABLE), True, Verdict.UNSENT, 500, 0, 0),
        (fails(Unavailable, Reason.LIMITED, retry_after=7.0), True, Verdict.UNSENT, 7_000, 0, 0),
        (fails(Refused, Reason.NOT_FOUND), False, Verdict.UNSENT, 500, 0, 0),
        (fails(Refused, Reason.UNAUTHORIZED), True, Verdict.UNSENT, 30_000, 0, 0),
        (fails(Refused, Reason.INVALID), True, Verdict.REFUSED, 0, 0, 1),
    ],
)
async def test_what_a_create_that_ended_so_means(
    outcome: Happening, known: bool, verdict: Verdict | None, due_in: Ms | None, tries: int, target: int
) -> None:
    """Only what LiveKit refuses for good costs the target anything; what nobody knows stays open."""
    two = policy("greeter", "backup")
    livekit = Staged(person())
    livekit.before("create", outcome)
    before = acts.ask(session(replace(want(), policy=two)), CREATE, NOW)
    after, was_known = await ask(livekit, before, ASKING, now)
    stands = after.wants[0]
    assert was_known == known
    assert stands.attempts[0].verdict == verdict
    assert (stands.tries, stands.target) == (tries, target)
    if due_in is not None:
        assert stands.due - NOW == pytest.approx(due_in, abs=125 if due_in == 500 else 0)


async def test_a_create_that_was_made_is_known_by_its_id() -> None:
    """And it carries its tag."""
    stands, _ = await asked(nothing)
    assert stands.attempts[0].dispatch == "AD_1"
    livekit = Staged(person())
    await ask(livekit, session(want()), ASKING, now)
    assert livekit.dispatches() == ("default:greeter#1",)


async def test_an_unknown_outcome_leaves_the_attempt_without_an_id() -> None:
    """A look will bind it, or give it up."""
    stands, _ = await asked(fails(Unknown, Reason.BROKEN))
    assert (stands.attempts[0].dispatch, stands.attempts[0].open) == ("", True)


def surplus(one: Attempt) -> Session:
    """A session with this attempt too many."""
    return session(want(replace(one, verdict=Verdict.SURPLUS, retract_at=NOW)))


@pytest.mark.parametrize(("reply", "listed"), [(nothing, False), (fails(Unknown, Reason.TIMEOUT), True)])
async def test_a_dispatch_is_taken_for_gone_only_where_livekit_said_so(reply: Happening, listed: bool) -> None:
    """Else it is asked again, when its backoff is over."""
    livekit = Staged()
    livekit.show(dispatches=(dispatch("AD_1"), dispatch("AD_2")))
    livekit.before("delete", reply)
    step = Retract(want="greeter", number=1, dispatch="AD_1")
    after = await take_back(livekit, surplus(attempt(dispatch="AD_1", listed=True)), step, None, now)
    taken = after.wants[0].attempts[0]
    assert (taken.listed, taken.retracts) == (listed, 1)
    assert taken.retract_at > NOW
    assert ("AD_1" in [one.id for one in livekit.lives[LOBBY.sid].dispatches]) == listed


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        (Seen(room=LOBBY, participants=(person(), agent(), agent("agent-AJ_2"))), ["alice", "agent-AJ_2"]),
        (Seen(room=LOBBY, participants=(person(),)), ["alice", "agent-AJ_1", "agent-AJ_2"]),
        (None, ["alice", "agent-AJ_1", "agent-AJ_2"]),
    ],
    ids=["seen", "not seen", "no look"],
)
async def test_only_the_agent_that_a_look_showed_is_removed(seen: Seen | None, left: list[str]) -> None:
    """By the SID of its connection: another of the same identity is another agent."""
    livekit = Staged(person(), agent(), agent("agent-AJ_2"))
    step = Retract(want="greeter", number=1, agent=agent().sid)
    await take_back(livekit, surplus(attempt(agent=agent().sid)), step, seen, now)
    assert [one.identity for one in livekit.lives[LOBBY.sid].participants] == left


ALICE = Seen(room=LOBBY, participants=(person(), person("bob", joined_at=LOBBY.created_at + 1)))


@pytest.mark.parametrize(
    ("wanted", "seen", "text"),
    [
        (want(), ALICE, "lobby for alice"),
        (want(identity="bob"), ALICE, "lobby for bob"),
        (want(), Seen(room=LOBBY), "lobby for nobody"),
        (want(), Seen(room=None), ""),
        (want(), None, ""),
        (want(name="gone"), ALICE, ""),
    ],
)
def test_the_metadata_is_the_rules(wanted: Want, seen: Seen | None, text: str) -> None:
    """For the earliest who waits; nothing without the rule, or without a look that shows the room."""
    telling = replace(rule(), metadata=lambda room, who: f"{room.name} for {_name(who)}")
    assert metadata([rule("another"), telling], wanted, seen) == text


def test_a_rule_without_metadata_sends_none() -> None:
    """Empty, as LiveKit has it."""
    assert metadata([rule()], want(), ALICE) == ""


def _name(who: Participant | None) -> str:
    return who.identity if who else "nobody"
