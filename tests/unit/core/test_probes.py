"""What a probe's session says of the agent, and what is kept of it."""

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import PROBE_ROOMS, is_probe
from dispatcher.core.news import news
from dispatcher.core.orders import RequestAgent, policy_for, request
from dispatcher.core.probes import ProbeEnd, ProbeMade, ProbeResult, ended, learnt, probe_rooms
from dispatcher.core.rules import Target, matching
from dispatcher.core.session import Session, with_assignment, with_entry
from dispatcher.core.splits import trials
from dispatcher.core.targets import Seen
from dispatcher.core.timeline import Entry, Said, Verdict
from tests.unit.core.world import LOBBY, NOW, person, rule

STAY = 5_000
ROOM = f"{probe_rooms('default')}1"
KEY = "request:p1"


def entry(said: Said, verdict: Verdict | None = None, *, at: int = NOW, took: int | None = None) -> Entry:
    """Of the probe's attempt."""
    return Entry(at=at, said=said, assignment=KEY, number=1, agent="greeter", verdict=verdict, took=took)


JOINED = entry(Said.AGENT_JOINED, at=NOW + 300, took=310)


def probing(*entries: Entry, finished: bool = False) -> Session:
    """A probe's room, in which so much has happened since the agent was ordered."""
    order = RequestAgent(id="p1", policy=policy_for((Target("greeter"),)))
    session = request(Session(room=ROOM, sid=LOBBY.sid), order, "probe", NOW)
    for one in entries:
        session = with_entry(session, one)
    return replace(session, finished=finished)


@pytest.mark.parametrize(
    ("session", "at", "end"),
    [
        pytest.param(probing(), NOW, None, id="asked-for"),
        pytest.param(probing(JOINED), NOW + 299 + STAY, None, id="it-has-to-stay"),
        pytest.param(probing(JOINED), NOW + 300 + STAY, ProbeEnd(ProbeResult.SERVED, 310), id="it-has-stayed"),
        *(
            pytest.param(probing(entry(Said.ATTEMPT_ENDED, verdict)), NOW, ProbeEnd(ProbeResult(verdict)), id=verdict)
            for verdict in (
                Verdict.SILENT, Verdict.NO_SHOW, Verdict.REJECTED, Verdict.REFUSED, Verdict.UNSENT, Verdict.VANISHED
            )
        ),
        pytest.param(
            probing(JOINED, entry(Said.ATTEMPT_ENDED, Verdict.FAILED)),
            NOW + 900,
            ProbeEnd(ProbeResult.FAILED),
            id="came-and-left-at-once",
        ),
        pytest.param(
            probing(JOINED, entry(Said.ATTEMPT_ENDED, Verdict.CRASHED)),
            NOW + 900,
            ProbeEnd(ProbeResult.CRASHED),
            id="its-process-was-lost",
        ),
        pytest.param(
            probing(JOINED, entry(Said.ATTEMPT_ENDED, Verdict.FINISHED)),
            NOW + 900,
            ProbeEnd(ProbeResult.SERVED, 310),
            id="said-that-it-was-done",
        ),
        pytest.param(
            probing(entry(Said.ATTEMPT_ENDED, Verdict.LEFT)), NOW, ProbeEnd(ProbeResult.SERVED), id="no-look-met-it"
        ),
        pytest.param(
            probing(JOINED, entry(Said.ATTEMPT_ENDED, Verdict.REMOVED)),
            NOW + 900,
            ProbeEnd(ProbeResult.INTERRUPTED),
            id="somebody-removed-it",
        ),
        pytest.param(probing(finished=True), NOW, ProbeEnd(ProbeResult.INTERRUPTED), id="the-room-was-ended"),
        pytest.param(probing(JOINED, finished=True), NOW, ProbeEnd(ProbeResult.SERVED, 310), id="ended-after-it"),
        pytest.param(
            with_assignment(probing(), replace(probing().assignment(KEY), finished_at=NOW)),
            NOW,
            ProbeEnd(ProbeResult.INTERRUPTED),
            id="somebody-cancelled-it",
        ),
        pytest.param(
            with_assignment(probing(), replace(probing().assignment(KEY), paused=True)),
            NOW,
            ProbeEnd(ProbeResult.INTERRUPTED),
            id="somebody-paused-it",
        ),
        pytest.param(
            probing(replace(JOINED, assignment="another")), NOW + 2 * STAY, None, id="another-assignment-s-agent"
        ),
    ],
)  # fmt: skip
def test_how_a_probe_ends(session: Session, at: int, end: ProbeEnd | None) -> None:
    """By what happened to its own assignment; while nothing is known it goes on."""
    assert ended(session, KEY, STAY, at) == end


def probed(at: int, result: ProbeResult, took: int | None = None) -> ProbeMade:
    """A probe that has ended."""
    return ProbeMade(at=at, result=result, room=ROOM, took=took)


def test_two_failures_in_a_row_are_told_and_one_success_ends_them() -> None:
    """LiveKit loses one now and then."""
    served = learnt(None, probed(NOW, ProbeResult.SERVED, 310))
    once = learnt(served, probed(NOW + 60_000, ProbeResult.SILENT))
    twice = learnt(once, probed(NOW + 120_000, ProbeResult.NO_SHOW))
    after = learnt(twice, probed(NOW + 180_000, ProbeResult.SERVED, 290))

    assert [one.failing for one in (served, once, twice, after)] == [False, False, True, False]
    assert (twice.failures, twice.failing_since) == (2, NOW + 60_000)
    assert (twice.served_at, twice.took, twice.last.result) == (NOW, 310, ProbeResult.NO_SHOW)
    assert (after.failures, after.failing_since, after.served_at, after.took) == (0, 0, NOW + 180_000, 290)


def test_the_first_one_may_fail() -> None:
    """Nothing is known of a success."""
    first = learnt(None, probed(NOW, ProbeResult.SILENT))

    assert (first.failures, first.failing_since, first.served_at) == (1, NOW, 0)


@pytest.mark.parametrize(
    ("said", "verdict", "told"),
    [
        (Said.AGENT_JOINED, None, [("greeter", Seen(NOW))]),
        (Said.ATTEMPT_ENDED, Verdict.NO_SHOW, [("greeter", Seen(NOW))]),
        (Said.ATTEMPT_ENDED, Verdict.SILENT, []),
        (Said.DISPATCH_REQUESTED, None, []),
    ],
)
def test_a_target_hears_of_signs_of_life_alone(
    said: Said, verdict: Verdict | None, told: list[tuple[str, Seen]]
) -> None:
    """They close a circuit. Silence opens none; nothing counts in the last hour, nor is a pace learnt."""
    session = probing()

    assert list(news(session, [entry(said, verdict, took=900)])) == told


def test_no_split_hears_of_it() -> None:
    """A probe's room is none of a rule's."""
    told = [entry(Said.DISPATCH_REQUESTED), entry(Said.ATTEMPT_ENDED, Verdict.FAILED)]

    assert list(trials(probing(), {"everyone": {"greeter"}}, told)) == []


@pytest.mark.parametrize("room", [ROOM, f"{PROBE_ROOMS}another:2", PROBE_ROOMS])
def test_no_rule_applies_in_a_probe_s_room(room: str) -> None:
    """Whichever installation's: neither for whoever is in it, nor for the room itself."""
    both = (rule(), rule(trigger="room_started"))

    assert is_probe(room)
    assert matching(both, replace(LOBBY, name=room), person()) == ()
    assert matching(both, replace(LOBBY, name=room), None) == ()


@pytest.mark.parametrize("room", ["lobby", f"my-{PROBE_ROOMS}1", "dispatcher-probe", ""])
def test_other_rooms_are_callers(room: str) -> None:
    """The whole beginning counts."""
    assert not is_probe(room)
    assert matching((rule(),), replace(LOBBY, name=room), person()) != ()
