"""The reconciler and the laws that it keeps: each test drives one session of a ledger whose time the test moves."""

import asyncio

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import LEFT, ROOM_FINISHED, SWEPT, Ms, Room, RoomSid
from dispatcher.core.rules import Rule
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timing import AGAIN_MS, LEASE_MS
from dispatcher.engine.reconciler import LAPSES_MAX, alone_for
from dispatcher.ledger.interface import Handover, Key, LedgerUnavailable
from dispatcher.livekit.failures import Reason, Refused, Unavailable, Unknown
from tests.unit.core.world import LOBBY, NOW, agent, job, only, person, rule
from tests.unit.desk import KEY, PROJECT, Desk, Happening, Staged, fails, for_ever, nothing, until

SLACK: Ms = 300  # a busy machine's own time passes too

UNANSWERED = fails(Unknown, Reason.TIMEOUT)
DOWN = fails(Unavailable, Reason.UNREACHABLE)


def alice(*rules: Rule) -> Desk:
    """Alice is in the lobby."""
    return Desk(*rules, livekit=Staged(person()))


async def joined(*rules: Rule) -> Desk:
    """Alice is in the lobby, and her webhook in the ledger."""
    desk = alice(*rules)
    await desk.hear(who=person())
    return desk


def serve(desk: Desk) -> None:
    """The newest dispatch has its job, and the job's agent is in the room."""
    snapshot = desk.livekit.lives[LOBBY.sid]
    *others, newest = snapshot.dispatches
    with_job = replace(newest, jobs=(job(),))
    desk.livekit.show(dispatches=(*others, with_job), participants=(*snapshot.participants, agent()))


async def test_an_ordinary_join() -> None:
    """Looked at, asked for, waited for: saved each time, and at rest once the agent is seen."""
    desk = await joined()
    due_in = await desk.drive()
    assert desk.livekit.calls == ["look", "create"]
    assert due_in == pytest.approx(2_000, abs=SLACK)
    serve(desk)
    desk.watch.later(2_000 + SLACK)
    assert await desk.drive() is None
    assert await desk.due_in() is None
    assert [line["action"] for line in desk.lines] == ["assignment.created", "dispatch.requested", "agent.joined"]
    assert [(standing.state, standing.agent) for _, standing in await desk.ledger.standings()] == [
        ("served", "greeter")
    ]


async def test_a_room_that_has_ended_is_over_without_a_look() -> None:
    """room_finished is final: a tombstone stays, in no state, and LiveKit is not asked."""
    desk = await joined()
    await desk.drive()
    await desk.hear(ROOM_FINISHED)
    calls = list(desk.livekit.calls)
    assert await desk.drive() is None
    assert (await desk.life()).finished
    assert desk.livekit.calls == calls
    assert await desk.ledger.standings() == {}


async def test_a_room_that_is_not_listed_is_looked_at_again_and_then_rests() -> None:
    """Over by look is not final: it rests, and no tombstone keeps events out."""
    desk = await joined()
    del desk.livekit.lives[LOBBY.sid]
    await desk.drive()
    assert await desk.due_in() == pytest.approx(500, abs=SLACK)  # for whom the webhook named; it is over after 5 s
    desk.watch.later(5_100)
    assert await desk.drive() is None
    life = await desk.life()
    assert (life.finished, life.due_at) == (False, None)
    assert (await desk.session()).finished


# The laws -----------------------------------------------------------------------------------------------------------


async def test_law_3_who_lost_the_lease_before_asking_does_not_ask() -> None:
    """Another took the session during the look: the save before the Create fails, and nothing more is done."""
    desk = await joined()
    others: list[Handover] = []

    async def overtaken() -> None:
        desk.watch.later(LEASE_MS)
        others.append(await desk.claim())

    desk.livekit.after("look", overtaken)
    assert await desk.drive() is None
    assert desk.livekit.dispatches() == ()
    assert [(line["action"], line["level"]) for line in desk.lines] == [
        ("lease.lost", "warning")
    ]  # and no Create is told
    await desk.reconciler.drive(others[0])
    assert desk.livekit.dispatches() == ("greeter#1",)


async def test_law_3_who_lost_the_lease_while_asking_saves_nothing() -> None:
    """What the old holder would write after its Create is not written over its successor's record."""
    desk = await joined()

    async def overtaken() -> None:
        desk.watch.later(LEASE_MS)
        await desk.drive()

    desk.livekit.after("create", overtaken)
    handover = await desk.claim()
    assert await desk.reconciler.drive(handover) is None
    assert desk.livekit.dispatches() == ("greeter#1",)
    assert [line["action"] for line in desk.lines] == [
        "assignment.created",
        "dispatch.requested",
        "dispatch.found",
        "lease.lost",
    ]
    assert await desk.due_in() is not None


@pytest.mark.parametrize(("left", "looks"), [(0, 0), (6_999, 0), (7_500, 1)])
async def test_law_3_a_lease_that_ends_before_the_call_is_renewed_first(left: Ms, looks: int) -> None:
    """It is lost, which only asking for it shows: nothing is done. With more than a call's time left nobody asks."""
    desk = await joined()
    handover = await desk.claim()
    desk.watch.later(LEASE_MS)
    await desk.claim()
    assert await desk.reconciler.drive(replace(handover, now=handover.lease.until - left)) is None
    assert len(desk.livekit.calls) == looks
    assert desk.said("lease.lost")


async def test_a_lease_that_is_renewed_goes_on() -> None:
    """It ran out, and nobody took it: it is still ours."""
    desk = await joined()
    handover = await desk.claim()
    desk.watch.later(LEASE_MS)
    await desk.reconciler.drive(replace(handover, now=desk.watch.time))
    assert desk.livekit.dispatches() == ("greeter#1",)


@pytest.mark.parametrize(
    ("outcome", "calls"),
    [
        (UNANSWERED, ["look", "create", "look", "create"]),
        (fails(Refused, Reason.NOT_FOUND), ["look", "create", "look", "create"]),
        (DOWN, ["look", "create", "create"]),
        (fails(Refused, Reason.INVALID), ["look", "create", "create"]),
        (nothing, ["look", "create", "create"]),
    ],
    ids=["unknown", "no such room", "unreachable", "invalid", "made"],
)
async def test_law_4_no_create_after_an_unknown_outcome_without_a_new_look(
    outcome: Happening, calls: list[str]
) -> None:
    """The session's second assignment waits for a look begun after the first one's outcome became unknown."""
    desk = await joined(rule("first", go_on=True), rule("second"))
    desk.livekit.before("create", outcome)
    await desk.drive()
    assert desk.livekit.calls == calls


async def test_law_4_the_room_of_another_life_is_not_ours() -> None:
    """LiveKit lists the name under another SID: no Create."""
    desk = await joined()
    desk.livekit.lives = {RoomSid("RM_2"): RoomSnapshot(room=Room(sid=RoomSid("RM_2"), name="lobby"))}
    await desk.drive_on(60_000)
    assert "create" not in desk.livekit.calls
    assert (await desk.session()).finished


async def test_law_5_no_create_while_an_attempt_is_open() -> None:
    """Whatever comes in, and however often it is looked at: the next Create follows the verdict on the last."""
    desk = await joined()
    for _ in range(6):
        await desk.drive()
        desk.watch.later(1_900)
        await desk.hear(SWEPT)
    assert desk.livekit.calls.count("look") == 6
    assert desk.livekit.dispatches() == ("greeter#1",)
    desk.watch.later(1_000)
    await desk.drive_on(1_000)
    assert desk.livekit.dispatches() == ("greeter#1", "greeter#2")
    assert [line["verdict"] for line in desk.said("attempt.ended")] == ["silent"]


async def test_law_6_a_failed_look_changes_nothing_but_the_due_time() -> None:
    """Not the record, not the assignments: absent is what a look shows, not what it fails to."""
    desk = await joined()
    desk.livekit.before("look", *12 * [DOWN])
    await desk.drive()
    kept, lines = (await desk.life()).record, desk.said("dispatch.requested")
    due = []
    for _ in range(4):
        desk.watch.later(await desk.due_in() or 0)
        await desk.drive()
        due.append(await desk.due_in())
    assert (await desk.life()).record == kept
    assert due == pytest.approx([2_000, 4_000, 8_000, 8_000], abs=SLACK)
    assert desk.livekit.dispatches() == ()
    assert lines == []
    assert {line["why"] for line in desk.said("look.failed")} == {"unreachable"}


async def test_law_6_the_wait_after_a_failed_look_grows_for_each_project_alone() -> None:
    """One that answers again starts anew; another is none the slower."""
    desk = await joined()
    other = Staged(person())
    desk.reconciler = desk.started(other=other)
    desk.livekit.before("look", DOWN, DOWN, nothing, DOWN)
    other.before("look", DOWN)
    for expected in (1_000, 2_000):
        assert await desk.drive() == pytest.approx(expected, abs=SLACK)
        desk.watch.later(expected + SLACK)
    await desk.hear(who=person(), key=Key("other", KEY.room, KEY.sid))
    first, second = await desk.claim(), await desk.claim()
    elsewhere, here = sorted((first, second), key=lambda handover: handover.lease.key.project == PROJECT)
    assert await desk.reconciler.drive(elsewhere) == pytest.approx(1_000, abs=SLACK)
    await desk.reconciler.drive(here)
    assert desk.livekit.dispatches() == ("greeter#1",)
    await desk.hear(SWEPT)
    assert await desk.reconciler.drive(await desk.claim()) == pytest.approx(1_000, abs=SLACK)


@pytest.mark.parametrize(
    ("failure", "due_in", "level"),
    [
        (fails(Refused, Reason.UNAUTHORIZED), 30_000, "error"),
        (fails(Unavailable, Reason.LIMITED, retry_after=3.0), 3_000, "warning"),
        (fails(Unavailable, Reason.LIMITED, retry_after=0.2), 1_000, "warning"),
        (fails(Unavailable, Reason.NOT_FOUND), 1_000, "warning"),
    ],
    ids=["wrong key", "asked to wait long", "asked to wait briefly", "closing"],
)
async def test_how_long_a_failed_look_waits(failure: Happening, due_in: Ms, level: str) -> None:
    """A wrong key is for somebody to mend; what LiveKit asks for is heeded."""
    desk = await joined()
    desk.livekit.before("look", failure)
    assert await desk.drive() == pytest.approx(due_in, abs=SLACK)
    assert await desk.due_in() == pytest.approx(due_in, abs=SLACK)
    assert desk.said("look.failed")[0]["level"] == level


async def test_law_9_who_dies_before_the_attempt_is_saved_has_asked_for_nothing() -> None:
    """The successor finds no attempt, looks, and makes the first."""
    desk = await joined()

    async def dies() -> None:
        desk.watch.broken = True

    desk.livekit.after("look", dies)
    with pytest.raises(LedgerUnavailable):
        await desk.drive()
    desk.watch.broken = False
    assert desk.livekit.dispatches() == ()
    await _succeed(desk)
    assert desk.livekit.dispatches() == ("greeter#1",)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_law_9_who_dies_in_the_create_leaves_an_attempt(when: str) -> None:
    """Whether LiveKit took it only a look can say; the successor adds no agent while it may still come."""
    desk = await joined()
    (desk.livekit.before if when == "before" else desk.livekit.after)("create", for_ever)
    dying = asyncio.create_task(desk.drive())
    await until(lambda: "create" in desk.livekit.calls)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await _succeed(desk)
    assert len(desk.livekit.dispatches()) == (when == "after")
    assert [attempt.number for attempt in (await desk.session()).assignments[0].attempts] == [1]
    assert len(desk.said("dispatch.found")) == (when == "after")
    assert len(desk.said("dispatch.requested")) == 1


async def test_law_9_who_dies_after_the_create_has_its_dispatch_adopted() -> None:
    """The ledger did not hear of the answer: the attempt it knows is bound to the dispatch by its tag."""
    desk = await joined()

    async def dies() -> None:
        desk.watch.broken = True

    desk.livekit.after("create", dies)
    with pytest.raises(LedgerUnavailable):
        await desk.drive()
    desk.watch.broken = False
    serve(desk)
    await _succeed(desk)
    assert desk.livekit.dispatches() == ("greeter#1",)
    assert [line["number"] for line in desk.said("agent.joined")] == [1]


async def _succeed(desk: Desk) -> None:
    """Another process claims the session when the lease has run out, not sooner."""
    desk.reconciler = desk.started()
    assert (await desk.ledger.claim(1))[0] == []
    desk.watch.later(LEASE_MS)
    await desk.drive()


async def test_law_14_a_room_that_closes_between_look_and_create() -> None:
    """LiveKit knows no such room: nobody is blamed, and what came in meanwhile says why. Nothing is asked again."""
    desk = await joined()
    desk.livekit.after("look", lambda: desk.hear(ROOM_FINISHED))
    desk.livekit.before("create", fails(Refused, Reason.NOT_FOUND))
    assert await desk.drive() is None
    assert (await desk.life()).finished
    assert desk.livekit.dispatches() == ()


# What comes in while driving ----------------------------------------------------------------------------------------


async def test_an_event_that_comes_in_during_a_drive_is_folded_before_its_end() -> None:
    """It needs no second claim: the session is looked at once more and rests with an empty inbox."""
    desk = await joined()
    desk.livekit.after("look", lambda: desk.hear(LEFT, agent(disconnect_reason="CLIENT_INITIATED")))
    await desk.drive()
    assert desk.livekit.calls == ["look", "create", "look"]
    assert [note.reason for note in (await desk.session()).notes] == ["CLIENT_INITIATED"]
    desk.watch.later(await desk.due_in() or 0)
    assert (await desk.claim()).inbox == ()


async def test_an_event_that_comes_in_as_all_is_well_is_looked_into_before_the_rest() -> None:
    """The session does not rest on a look that is older than what it has heard."""
    desk = await joined()
    await desk.drive()
    serve(desk)
    desk.watch.later(2_000 + SLACK)
    desk.livekit.after("look", lambda: desk.hear(SWEPT))
    assert await desk.drive() is None
    assert desk.livekit.calls == ["look", "create", "look", "look"]


async def test_an_event_that_comes_in_during_a_failing_look_makes_it_due_at_once() -> None:
    """What it says is kept, the lease is given back, and the next claim looks again."""
    desk = await joined()

    async def heard_then_down() -> None:
        await desk.hear(LEFT, agent(disconnect_reason="CLIENT_INITIATED"))
        await DOWN()

    desk.livekit.before("look", heard_then_down)
    assert await desk.drive() == 0
    assert await desk.due_in() == 0
    assert [note.reason for note in (await desk.session()).notes] == ["CLIENT_INITIATED"]
    await desk.drive()
    assert desk.livekit.dispatches() == ("greeter#1",)


async def test_an_entry_that_cannot_be_read_means_look() -> None:
    """Another version's event, or damage: LiveKit knows better anyway."""
    desk = await joined()
    await desk.drive()
    serve(desk)
    await desk.ledger.deliver(KEY, "", b"\x00not an event", take=False)
    await desk.drive()
    assert desk.livekit.calls == ["look", "create", "look"]
    assert desk.said("agent.joined")


@pytest.mark.parametrize(("events", "due_in"), [(7, AGAIN_MS), (8, 0)], ids=["in all but the last", "in every look"])
async def test_a_drive_that_finds_no_end_is_cut_off(events: int, due_in: Ms) -> None:
    """After 16 rounds it is due in a second, or at once if more has come in even then; counted, and loud."""
    desk = await joined()
    desk.livekit.after("look", *events * [lambda: desk.hear(SWEPT)])
    assert await desk.drive() == due_in
    assert await desk.due_in() == pytest.approx(due_in, abs=SLACK)
    assert desk.livekit.calls == ["look", "create", *7 * ["look"]]
    assert desk.value("reconciler_rounds_exceeded_total") == 1
    assert [(line["level"], line["room"]) for line in desk.said("rounds.exceeded")] == [("error", "lobby")]


# What it was given --------------------------------------------------------------------------------------------------


async def test_a_session_of_a_project_that_left_the_configuration_rests() -> None:
    """Nobody can be asked about it; its record stays, for the day that the project is back."""
    desk = await joined()
    await desk.drive()
    kept = await desk.session()
    snapshot = desk.reconciler.holder.snapshot
    desk.reconciler.holder.snapshot = replace(snapshot, projects={"another": snapshot.projects[PROJECT]})
    await desk.hear(SWEPT)
    assert await desk.drive() is None
    assert await desk.due_in() is None
    assert (await desk.session()).assignments == kept.assignments
    assert desk.livekit.calls == ["look", "create"]


async def test_the_rules_metadata_says_what_the_look_shows() -> None:
    """It is made of the room and the person waiting, at the moment of asking."""
    telling = replace(rule(), metadata=lambda room, who: f"{room.name} {who and who.identity}")
    desk = await joined(telling)
    await desk.drive()
    assert desk.livekit.metadata == ["lobby alice"]


async def test_a_rule_that_a_reload_took_away_sends_no_metadata() -> None:
    """The assignment lives on with the policy it was born with; that its metadata is empty is told and counted."""
    desk = await joined(replace(rule(), metadata=lambda room, _: room.name))
    desk.livekit.before("create", DOWN)
    await desk.drive()
    desk.reload(rules=(rule("another", when=only("nobody")),))
    await desk.drive_on(1_000)
    assert desk.livekit.metadata == [""]
    assert [line["assignment"] for line in desk.said("rule.removed")] == ["greeter"]
    assert desk.value("rule_errors_total", rule="greeter", field="metadata", reason="rule_removed") == 1


async def test_an_undecodable_record_is_rebuilt_from_a_look() -> None:
    """The dispatch that is there is adopted: no second one."""
    desk = await joined()
    await desk.drive()
    desk.watch.later(2_000 + SLACK)
    handover = await desk.claim()
    await desk.reconciler.drive(replace(handover, record=b"of another version"))
    assert desk.livekit.dispatches() == ("greeter#1",)
    assert [line["reason"] for line in desk.said("dispatch.adopted")] == ["ours"]


# Whose work is never done --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lapses", "alone"), [(3, 60_000), (4, 120_000), (5, 240_000), (6, 480_000), (7, 600_000), (10**6, 600_000)]
)
def test_a_session_is_left_alone_for_longer_and_longer_up_to_a_bound(lapses: int, alone: Ms) -> None:
    """Ten minutes, however often."""
    assert alone_for(lapses) == alone


async def test_a_session_whose_leases_run_out_is_left_alone_for_longer_and_longer() -> None:
    """Driven three times by processes that die of it, then once a while; it is told each time, and counted."""
    desk = await joined()
    driven = []
    for _ in range(8):
        handover = await desk.claim()
        driven.append((desk.watch.time - NOW) // 1_000)
        if handover.lapses >= LAPSES_MAX:
            driven.pop()
            assert await desk.reconciler.drive(handover) == await desk.due_in()
        else:
            desk.watch.later(LEASE_MS)  # the process is dead
            continue
        desk.watch.later(await desk.due_in() or 0)
    assert driven == [0, 10, 20, 90, 220]
    assert desk.livekit.calls == []
    assert [(line["level"], line["lapses"], line["seconds"]) for line in desk.said("session.left_alone")] == [
        ("error", 3, 60),
        ("error", 4, 120),
        ("error", 5, 240),
    ]
    assert desk.value("sessions_left_alone_total") == 3


async def test_a_session_that_is_alone_no_more_is_driven_as_ever() -> None:
    """And once that ended well nothing is counted any more."""
    desk = await joined()
    for _ in range(LAPSES_MAX):
        await desk.claim()
        desk.watch.later(LEASE_MS)
    await desk.drive()
    desk.watch.later(alone_for(LAPSES_MAX))
    await desk.drive()
    assert desk.livekit.calls == ["look", "create"]
    await desk.hear(SWEPT)
    await desk.claim()
    desk.watch.later(LEASE_MS)
    assert (await desk.claim()).lapses == 1
