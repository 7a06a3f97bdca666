"""What a record leaves out of a session that is too large for it."""

import msgspec
import pytest
from msgspec.structs import replace

from dispatcher.core.attribution import ATTEMPT_IDENTITIES
from dispatcher.core.departures import DEPARTED_MAX, HERE_MAX, NOTES_MAX, Attendee, Departed, Note
from dispatcher.core.facts import DONE_MAX, RoomSid
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import ASSIGNMENTS_MAX, ATTEMPTS_MAX, TIMELINE_MAX, Assignment, Attempt, Session
from dispatcher.core.text import AGENT_MAX, ID_MAX, IDENTITY_MAX, NAME_MAX, brief
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.ledger.record import IDENTITIES_LEAST, RECORD_MAX, dump, load, slim
from tests.unit.core.world import NOW

ID, IDENTITY = brief("x" * 99, ID_MAX), brief("x" * 99, IDENTITY_MAX)
EVERY = Target("y" * AGENT_MAX, "z" * 64)


def an_attempt(number: int) -> Attempt:
    """One with everything that an attempt can have; the first is open."""
    return Attempt(
        number=number,
        target=EVERY,
        started_at=NOW + number,
        dispatch=ID,
        ours=False,
        listed=True,
        agent_sid=ID,
        last_agent_sid=ID,
        identities=(IDENTITY,) * ATTEMPT_IDENTITIES,
        announced=True,
        done="x" * DONE_MAX,
        agent_seen_at=NOW,
        agent_missed_at=NOW,
        retract_at=NOW,
        retracts=99,
        verdict=Verdict.VANISHED if number > 1 else None,
    )


POLICY = Policy(
    targets=(EVERY,) * 8,
    kinds=frozenset({"SIP", "STANDARD", "INGRESS", "CONNECTOR", "BRIDGE"}),
    trigger="room_started",
    per="participant",
    worker_type="publisher",
    attempts=10,
    confirm_within=600_000,
    join_within=599_999,
    min_stay=599_999,
    retry_every=3_600_000,
    on_finish="done",
    finish_grace=59_999,
    extra_agents="report",
    unrequested_agents="remove",
)


def an_assignment(number: int) -> Assignment:
    """One with everything that an assignment can have, its numbers as long as they get."""
    return Assignment(
        rule=f"{number:064}",
        policy=POLICY,
        identity=IDENTITY,
        last_number=999_999_999,
        target_index=7,
        tries=9,
        rounds=99_999,
        attempts=tuple(an_attempt(number) for number in range(1, 1 + ATTEMPTS_MAX)),
        unsent=99_999,
        crashes=99_999,
        goodbyes=9,
        left_at=NOW,
        due_at=NOW,
        slot_at=NOW,
        finished_at=NOW,
        attended=True,
        remnant=True,
        paused=True,
        served_by_name=True,
        waiting_since=NOW,
        first_waiting_at=NOW,
        announced=True,
    )


NOTE = Note(sid=ID, identity=IDENTITY, reason=ID, received_at=NOW, joined_at=NOW, left_at=NOW, done="x" * DONE_MAX)
ENTRY = Entry(
    at=NOW,
    said=Said.DEPLOYMENT_IGNORED,
    assignment=an_assignment(0).key,
    number=999_999_999,
    agent=str(EVERY),
    verdict=Verdict.SURPLUS,  # an entry has this or a `part`, never both
    reason=ID,
    done=f"said so: {'x' * DONE_MAX}",
    took=NOW,
)
FULL = Session(
    room=brief("x" * 9_999, NAME_MAX),
    sid=RoomSid(ID),
    finished=True,
    final=True,
    stale=True,
    assignments=tuple(an_assignment(number) for number in range(ASSIGNMENTS_MAX)),
    notes=(NOTE,) * NOTES_MAX,
    departed=(Departed(sid=ID, identity=IDENTITY, heard_at=NOW),) * DEPARTED_MAX,
    here=(Attendee(ID, IDENTITY),) * HERE_MAX,
    looked_at=NOW,
    slot_at=NOW,
    missed_at=NOW,
    published_at=NOW,
    unattributed=(ID,) * 8,
    unattributed_since=NOW,
    strange_since=NOW,
    named_since=NOW,
    unrequested_announced=True,
    overflow_announced=True,
    timeline=(ENTRY,) * TIMELINE_MAX,
    entries_total=10**9,
)


def test_law_8_a_session_that_is_full_of_everything_fits_its_record() -> None:
    """It would be half a megabyte: the story is shortened, and of each assignment what is under way is kept."""
    assert len(msgspec.json.encode(FULL)) > 4 * RECORD_MAX
    record = dump(FULL)

    kept = load(record, FULL.room, FULL.sid)
    assert len(record) <= RECORD_MAX
    assert kept == slim(FULL)
    assert all(1 in [one.number for one in assignment.attempts] for assignment in kept.assignments)
    assert [assignment.last_number for assignment in kept.assignments] == [
        assignment.last_number for assignment in FULL.assignments
    ]


def test_what_a_record_has_no_space_for_is_the_oldest_of_what_has_ended() -> None:
    """As many attempts stay as fit, the newest first."""
    crowded = replace(
        FULL, assignments=tuple(replace(assignment, policy=Policy(targets=(EVERY,))) for assignment in FULL.assignments)
    )
    numbers = [[one.number for one in assignment.attempts] for assignment in slim(crowded).assignments]

    assert {1, ATTEMPTS_MAX} <= set(numbers[0])
    assert all(kept == [1, *range(1 + ATTEMPTS_MAX - len(kept) + 1, 1 + ATTEMPTS_MAX)] for kept in numbers)
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1
    assert RECORD_MAX - len(dump(crowded)) < 2_000
    assert all(
        len(one.identities) == IDENTITIES_LEAST
        for assignment in slim(crowded).assignments
        for one in assignment.attempts
    )


def test_a_shortened_story_has_its_beginning_and_its_end() -> None:
    """And a short one is left as it is."""
    told = tuple(replace(ENTRY, number=number) for number in range(TIMELINE_MAX))

    assert [one.number for one in slim(replace(FULL, timeline=told)).timeline] == [*range(8), *range(56, 64)]
    assert slim(replace(FULL, timeline=told[:11])).timeline == told[:11]


@pytest.mark.parametrize("serves", [True, False])
def test_of_an_assignment_who_serves_is_kept_before_what_is_under_way(*, serves: bool) -> None:
    """Without either, what is still to be taken back."""
    others = [replace(an_attempt(number), agent_sid="", listed=False) for number in range(2, 9)]
    one = (
        replace(others[2], verdict=None, agent_sid=ID, agent_missed_at=0) if serves else replace(others[2], listed=True)
    )
    attempts = tuple(one if old.number == one.number else old for old in others)
    full = replace(FULL, assignments=tuple(replace(assignment, attempts=attempts) for assignment in FULL.assignments))

    assert all(one.number in [kept.number for kept in assignment.attempts] for assignment in slim(full).assignments)
