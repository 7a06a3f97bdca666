"""How a session stands, said to somebody with a caller on the line: verdict, who waits, what comes next, why."""

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Ms, Participant
from dispatcher.core.rules import NAMELESS, Target
from dispatcher.core.session import Assignment, Session, with_entry
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.explain import Known, diagnosis
from dispatcher.explain.words import about, at_utc
from tests.unit.core.world import LOBBY, NOW, agent, assignment, attempt, person, policy, session

LATER = NOW + 41_000
SINCE = "since 22:13:20 UTC"  # NOW
WAITING = assignment(attended=True, waiting_since=NOW)
AVATAR = Target("", launcher="avatar")
KNOWN = Known(now=LATER)
ASKED = attempt(1, started_at=LATER - 1_200)


def told(*assignments: Assignment, known: Known = KNOWN, entries: tuple[Entry, ...] = (), here: bool = False) -> str:
    """The diagnosis of a session of these, in one text; `here`: an agent that nobody asked for is."""
    stranger = {"unattributed": ("PA_x",), "unrequested_announced": True} if here else {}
    stands = session(*assignments, **stranger)
    for entry in entries:
        stands = with_entry(stands, entry)
    return "\n".join(diagnosis(stands, known))


def seen(*participants: Participant) -> Known:
    """What is known where LiveKit shows these people and agents."""
    return replace(KNOWN, look=RoomSnapshot(room=LOBBY, participants=participants))


HARMLESS = {Verdict.FINISHED, Verdict.REMOVED, Verdict.ENDED, Verdict.SURPLUS, Verdict.CANCELLED}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_failure_has_its_cause_and_what_to_look_at(verdict: Verdict) -> None:
    """A sentence behind the verdict, for each way an attempt can fail; the others are no failures."""
    said = told(replace(WAITING, attempts=(attempt(1, verdict=verdict),)))
    verdict_alone = f"somebody has waited for 41 s, {SINCE}; the next attempt, at `greeter`, is due now."
    if verdict in HARMLESS:
        assert said == f"No agent yet: {verdict_alone}"
    else:
        assert said.startswith(f"No agent: {verdict_alone} ")
        assert "``" not in said


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        pytest.param(
            session(), "No rule asks for an agent here, or nobody for whom one does has joined.", id="no-rule"
        ),
        pytest.param(session(looked_at=0), "Not known yet: no look at the room has succeeded.", id="never-seen"),
        pytest.param(replace(session(), finished=True), "The room has ended.", id="over"),
        pytest.param(
            session(assignment(finished_at=1)),
            "Finished: the agent left on purpose. Who joins later gets an agent again.",
            id="done",
        ),
        pytest.param(
            session(replace(assignment(finished_at=1), request="one", rule="")),
            "Finished: the agent left on purpose. Only another order brings one.",
            id="an-order-that-is-done",
        ),
        pytest.param(
            session(assignment(attempt(agent_sid="PA_bot", agent_seen_at=NOW))),
            f"Served: `greeter` has been in the room for 41 s, {SINCE}.",
            id="served",
        ),
        pytest.param(
            session(assignment(served_by_name=True)),
            "Served for now: an agent of its name is here, and no job explains it; after 30 s another is asked for.",
            id="law-15-served-by-name",
        ),
        pytest.param(session(assignment(attended=False)), "Nobody waits for an agent now.", id="idle"),
        pytest.param(
            session(WAITING),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; the next attempt, at `greeter`, is due now.",
            id="waiting",
        ),
        pytest.param(
            session(replace(WAITING, due_at=LATER + 12_000)),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; "
            "the next attempt, at `greeter`, comes in 12 s, at 22:14:13 UTC.",
            id="waiting-for-its-turn",
        ),
        pytest.param(
            session(replace(WAITING, attempts=(ASKED,))),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; attempt 1, at `greeter`, has been under way for "
            "1.2 s; without a job it is given up after 12 s.",
            id="under-way",
        ),
        pytest.param(
            session(replace(WAITING, attempts=(ASKED,), policy=policy(worker_type="publisher"))),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; attempt 1, at `greeter`, has been under way for "
            "1.2 s; LiveKit has no job for it until somebody publishes a track.",
            id="nobody-publishes",
        ),
        pytest.param(
            session(replace(WAITING, attempts=(replace(ASKED, target=AVATAR, dispatch="L1"),))),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; attempt 1, at `launch:avatar`, has been under way "
            "for 1.2 s; its process runs, and is given up if it has not joined after 30 s.",
            id="launched",
        ),
        pytest.param(
            session(replace(WAITING, attempts=(replace(ASKED, target=AVATAR, dispatch=""),))),
            f"No agent yet: somebody has waited for 41 s, {SINCE}; attempt 1, at `launch:avatar`, has been under way "
            "for 1.2 s; no launcher has answered; unless its process joins it is given up after 12 s.",
            id="no-launcher-has-answered",
        ),
        pytest.param(
            session(replace(WAITING, paused=True)),
            f"Paused: somebody has waited for 41 s, {SINCE}; its agent is asked for within seconds once a pause ends.",
            id="paused",
        ),
        pytest.param(
            session(replace(WAITING, identity="bob")),
            f"No agent yet: bob has waited for 41 s, {SINCE}; the next attempt, at `greeter`, is due now.",
            id="whom-it-is-for",
        ),
    ],
)
def test_how_a_session_stands(stands: Session, told: str) -> None:
    """The verdict, who waits and since when, and what comes next."""
    assert diagnosis(stands, KNOWN) == [told]


def test_a_room_that_waits_itself() -> None:
    """`trigger: room_started`: since the assignment was made."""
    waits = assignment(policy=policy(trigger="room_started"))
    made = Entry(at=NOW + 1_000, said=Said.ASSIGNMENT_CREATED, assignment=waits.key)

    assert told(waits, entries=(made,)).startswith("No agent yet: the room has waited for 40 s, since 22:13:21 UTC; ")


@pytest.mark.parametrize(
    ("there", "who"),
    [
        ((), "somebody has"),
        ((person(),), "alice (STANDARD) has"),
        ((person("bob", kind="SIP", joined_at=1), person()), "bob (SIP) and alice (STANDARD) have"),
        ((person(), person("egress", kind="EGRESS"), agent(), person("eve", active=False)), "alice (STANDARD) has"),
        (
            tuple(person(str(number), joined_at=number) for number in range(5)),
            "0 (STANDARD), 1 (STANDARD), 2 (STANDARD) and 2 more have",
        ),
    ],
)
def test_who_waits_is_named_where_livekit_shows_them(there: tuple[Participant, ...], who: str) -> None:
    """Those for whom the rule is, three at most."""
    assert told(WAITING, known=seen(*there)).startswith(f"No agent yet: {who} waited for 41 s")


def test_an_empty_room_is_told_from_one_without_a_rule() -> None:
    """As LiveKit shows it at the moment of asking."""
    assert told(known=seen()) == "Nobody has joined yet for whom an agent could be wanted."
    assert told(known=seen(person())) == "No rule asks for an agent here: none applies to alice (STANDARD)."
    assert told(known=replace(KNOWN, look=RoomSnapshot(room=None))) == "LiveKit does not list the room any more."


def test_a_rule_that_names_no_agent_says_why() -> None:
    """No backticks around nothing."""
    nameless = replace(WAITING, policy=replace(policy(), targets=(NAMELESS,)), rounds=1)
    why = Entry(at=NOW, said=Said.AGENT_UNNAMED, assignment=nameless.key, reason="missing_key")

    assert told(nameless, entries=(why,)) == (
        f"No agent: somebody has waited for 41 s, {SINCE}; the rule's expressions name no agent (missing_key)."
    )
    assert told(nameless).endswith("the rule's expressions name no agent.")


def test_a_dry_run_blames_nobody() -> None:
    """It says whom it would have asked for."""
    simulated = Entry(at=NOW, said=Said.DISPATCH_SIMULATED, assignment="greeter", number=1, agent="greeter")

    assert told(WAITING, entries=(simulated,)) == (
        f"Dry run: somebody has waited for 41 s, {SINCE}, and `greeter` would have been asked for; nobody is."
    )


@pytest.mark.parametrize(
    ("verdict", "done", "told"),
    [
        (Verdict.FINISHED, "said so: call over", "Finished: its agent said so: call over."),
        (Verdict.FINISHED, "job succeeded", "Finished: its agent's job ended well."),
        (Verdict.FINISHED, "left again", "Finished: its agent left twice in a row, soon after it had come,"),
        (Verdict.FINISHED, "on_finish", "Finished: its agent left, and the rule takes that for done:"),
        (Verdict.REMOVED, "", "Finished: somebody removed its agent."),
        (Verdict.CANCELLED, "", "Finished: somebody cancelled it."),
    ],
)
def test_why_nobody_is_asked_for_any_more(verdict: Verdict, done: str, told: str) -> None:
    """The last ending of the assignment's own attempts, and what to set where it was not meant."""
    others = Entry(at=2, said=Said.ATTEMPT_ENDED, assignment="other", verdict=Verdict.SILENT)
    end = Entry(at=1, said=Said.ATTEMPT_ENDED, assignment="greeter", verdict=verdict, done=done)

    [line] = diagnosis(with_entry(with_entry(session(assignment(finished_at=1)), end), others))
    assert line.startswith(told)


def test_assignments_are_told_apart_and_who_lacks_an_agent_comes_first() -> None:
    """Each by its key, where there are several."""
    served = assignment(attempt(agent_sid="PA_bot"), name="first")
    lines = diagnosis(session(served, replace(WAITING, rule="second")), KNOWN)

    assert [line.partition(":")[0] for line in lines] == ["second", "first"]


# Served late --------------------------------------------------------------------------------------------------------

SERVED = assignment(attempt(2, agent_sid="PA_bot", agent_seen_at=NOW), announced=True)
JOINED = Entry(at=NOW, said=Said.AGENT_JOINED, assignment="greeter", number=2, agent="greeter", took=28_700)
CREATED = Entry(at=NOW - 400, said=Said.ASSIGNMENT_CREATED, assignment="greeter", agent="greeter")
PAUSED = Entry(at=NOW, said=Said.ASSIGNMENT_PAUSED, assignment="greeter", agent="greeter")
FOUND = Entry(at=NOW - 500, said=Said.ROOM_FOUND)
REQUESTED = Entry(at=NOW - 300, said=Said.DISPATCH_REQUESTED, assignment="greeter", number=2, agent="greeter")
SILENT = Entry(at=NOW - 350, said=Said.ATTEMPT_ENDED, assignment="greeter", number=1, agent="x", verdict=Verdict.SILENT)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ((FOUND, CREATED, REQUESTED, JOINED), "no webhook came, the sweep found the room"),
        ((CREATED, SILENT, REQUESTED, JOINED), "attempt 1 at x: no worker took the job"),
        (
            (FOUND, CREATED, SILENT, REQUESTED, JOINED),
            "no webhook came, the sweep found the room; attempt 1 at x: no worker took the job",
        ),
        ((replace(CREATED, at=NOW - 9_000), replace(REQUESTED, at=NOW - 8_000), JOINED), "its worker took 8.0 s"),
        (
            (
                replace(CREATED, at=NOW - 9_000),
                replace(REQUESTED, at=NOW - 8_000),
                replace(JOINED, agent="launch:avatar"),
            ),
            "its process took 8.0 s",
        ),
        (
            (CREATED, replace(SILENT, agent="launch:avatar", verdict=Verdict.NO_SHOW), REQUESTED, JOINED),
            "attempt 1 at launch:avatar: its process did not join",
        ),
        (
            (replace(CREATED, at=NOW - 9_000), REQUESTED, JOINED),
            "it was asked for 8.7 s late: creates take turns, or LiveKit did not answer",
        ),
        (
            (replace(CREATED, at=NOW - 9_000), replace(PAUSED, at=NOW - 8_900), REQUESTED, JOINED),
            "it was asked for 8.7 s late: greeter was paused",
        ),
        ((CREATED, REQUESTED, JOINED), "the service heard late of who had joined"),
        ((JOINED,), "the service heard late of who had joined"),
    ],
)
def test_who_was_served_late_is_told_why(entries: tuple[Entry, ...], why: str) -> None:
    """Each delay, in the order in which they came."""
    assert told(SERVED, entries=entries) == (
        f"Served: `greeter` has been in the room for 41 s, {SINCE}. It came 29 s after the first person: {why}."
    )


@pytest.mark.parametrize(
    ("ahead", "since", "asked_at"),
    [
        (0, NOW - 7_690, NOW - 7_900),  # LiveKit lists the job of an agent that has been there for eight seconds
        (-60_000, NOW - 7_900, NOW - 7_900),  # its clock is behind: not before it was asked for
        (60_000, NOW, NOW - 7_900),  # its clock is ahead: not after it was seen
    ],
)
def test_an_agent_is_there_since_it_came_not_since_its_job_was_listed(ahead: Ms, since: Ms, asked_at: Ms) -> None:
    """By the time that it took, within what our own clock says of it."""
    serving = attempt(2, agent_sid="PA_bot", agent_seen_at=NOW, started_at=asked_at)
    stands = replace(assignment(serving), first_waiting_at=NOW - 8_000 + ahead)
    said = told(stands, entries=(CREATED, REQUESTED, replace(JOINED, at=NOW, took=310)))

    assert said == f"Served: `greeter` has been in the room for {about(LATER - since)}, since {at_utc(since)}."


def test_an_agent_that_was_ordered_is_there_since_it_was_seen_after_the_order() -> None:
    """By our own clock alone; whoever was there before counts for nothing."""
    serving = attempt(2, agent_sid="PA_bot", agent_seen_at=NOW, started_at=NOW - 5_300)
    stands = replace(assignment(serving), first_waiting_at=NOW - 60_000)
    said = told(replace(stands, ordered_at=NOW - 5_310), entries=(replace(JOINED, took=2_310),))

    assert said == f"Served: `greeter` has been in the room for 44 s, since {at_utc(NOW - 3_000)}."


def test_the_agent_of_a_later_attempt_is_there_since_it_was_seen() -> None:
    """What the first one took says nothing of it."""
    stands = replace(assignment(attempt(3, agent_sid="PA_bot", agent_seen_at=NOW)), first_waiting_at=NOW - 60_000)
    said = told(stands, entries=(replace(JOINED, at=NOW - 59_000, took=310),))

    assert said == f"Served: `greeter` has been in the room for 41 s, {SINCE}."


def test_a_worker_took_as_long_as_its_agent_was_on_its_way() -> None:
    """Not as long as LiveKit took to list its job."""
    asked = replace(REQUESTED, at=NOW - 28_000)
    stands = replace(SERVED, first_waiting_at=NOW - 28_400)
    said = told(stands, entries=(replace(CREATED, at=NOW - 28_300), asked, replace(JOINED, at=NOW, took=20_400)))

    assert said.endswith(" It came 20 s after the first person: its worker took 20 s.")


def test_who_was_served_soon_is_told_no_more() -> None:
    """Nor of whom it is not known."""
    soon = replace(JOINED, took=310)

    assert told(SERVED, entries=(FOUND, soon)) == told(SERVED) == told(SERVED, entries=(replace(JOINED, took=None),))


# Agents that nobody asked for ---------------------------------------------------------------------------------------

STRANGER = Entry(at=NOW, said=Said.AGENT_UNREQUESTED, agent="scribe")


@pytest.mark.parametrize("assignments", [(), (SERVED,)], ids=["no-rule", "served"])
def test_an_agent_that_nobody_asked_for_is_told_beside_the_rest(assignments: tuple[Assignment, ...]) -> None:
    """While it is there; one without a name as what it is."""
    known = told(*assignments, entries=(STRANGER,), here=True)
    nameless = told(*assignments, entries=(replace(STRANGER, agent=", scribe"),), here=True)

    assert known.endswith("An agent is in the room that no rule asked for: scribe.")
    assert "asked for: one without a name, scribe (its worker registered without agent_name, so " in nameless
    assert "scribe" not in told(*assignments, entries=(STRANGER,))


def test_names_are_written_as_they_are_shown() -> None:
    """Whoever chose them."""
    odd = replace(WAITING, identity="a\x1bb", policy=replace(policy(), targets=(Target("x\ny"),)))

    assert r"a\x1bb" in told(odd)
    assert r"`x\ny`" in told(odd)
