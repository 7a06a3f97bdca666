"""What is told of a session: for each entry one line at its level, and what it counts."""

import pytest
from msgspec.structs import replace

from dispatcher.core.session import TIMELINE_MAX, Session, entries_since, with_entry
from dispatcher.core.timeline import Because, Entry, Part, Patience, Said, Verdict
from dispatcher.expressions import Failed, FailureReason, Unread, UnreadMetadata
from dispatcher.telemetry.masks import MARK
from dispatcher.telemetry.recorder import TOLD_MAX, SessionRecorder
from tests.unit.core.world import NOW, session
from tests.unit.desk import KEY, PROJECT, Desk


def told(*entries: Entry, before: Session | None = None) -> Desk:
    """What was logged and counted as the session came to these entries."""
    desk = Desk()
    old = new = before or session()
    for entry in entries:
        new = with_entry(new, entry)
    SessionRecorder(desk.log, desk.metrics, desk.health).tell(KEY, entries_since(new, old.entries_total))
    return desk


def entry(said: Said, **fields: object) -> Entry:
    """An entry about the greeter."""
    return Entry(at=NOW, said=said, **{"assignment": "greeter", "number": 1, "agent": "greeter", **fields})  # type: ignore[arg-type]


def counted(desk: Desk) -> dict[str, float]:
    """Every counter that is not 0, as series → value."""
    return {
        ",".join((sample.name.removeprefix("livekit_dispatcher_"), *sample.labels.values())): sample.value
        for metric in desk.registry.collect()
        for sample in metric.samples
        if sample.value and sample.name.startswith("livekit_") and sample.name.endswith(("_total", "_count", "_sum"))
    }


ALARMS = (
    Said.ASSIGNMENT_STARVED,
    Said.AGENT_UNREQUESTED,
    Said.ASSIGNMENT_OMITTED,
    Said.DISPATCH_UNANSWERED,
    Said.AGENT_UNNAMED,
    Said.DEPLOYMENT_IGNORED,
    Said.RULE_REMOVED,
    Said.DISPATCH_DUPLICATED,
)
DEFECTS = {Said.ROUNDS_EXCEEDED, Said.PASSES_EXCEEDED}


@pytest.mark.parametrize("said", Said)
def test_every_entry_is_a_line_of_its_own_name(said: Said) -> None:
    """With the session it is about; as a warning where somebody may have to do something."""
    desk = told(entry(said))
    level = "error" if said in DEFECTS else "warning" if said in ALARMS else "info"
    assert [(line["action"], line["level"]) for line in desk.lines] == [(said, level)]
    assert {"project": PROJECT, "room": "lobby", "sid": "RM_1", "assignment": "greeter"}.items() <= desk.lines[
        0
    ].items()


def test_a_line_has_what_the_entry_says_and_no_more() -> None:
    """No empty fields; a span that is 0 is a span."""
    desk = told(entry(Said.AGENT_JOINED, took=0), Entry(at=NOW, said=Said.ROOM_UNLISTED))
    served, missed = desk.lines
    assert served["duration_ms"] == 0
    assert missed.keys() == {"ts", "level", "action", "msg", "project", "room", "sid"}


def test_of_a_silent_attempt_it_is_told_why_it_was_given_up_then() -> None:
    """By a word of ours; and how soon the target's agents come, where that is why."""
    fast = Patience(after=6_000, because=Because.FAST, usual=300)
    few = Patience(after=9_000, because=Because.FEW)
    ended = [entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, patience=one) for one in (fast, few)]
    lines = told(*ended).lines
    assert [(line["reason"], line.get("usual_ms")) for line in lines] == [("fast_target", 300), ("few_at_once", None)]


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (
            entry(Said.AGENT_JOINED, took=1_500),
            {
                "agents_joined_total,greeter": 1,
                "time_to_agent_seconds_count,greeter": 1,
                "time_to_agent_seconds_sum,greeter": 1.5,
            },
        ),
        (
            entry(Said.AGENT_JOINED, since_invite=4_500),
            {
                "agents_joined_total,greeter": 1,
                "invite_to_agent_seconds_count,greeter": 1,
                "invite_to_agent_seconds_sum,greeter": 4.5,
            },
        ),
        (entry(Said.AGENT_JOINED), {"agents_joined_total,greeter": 1}),
        (
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.CRASHED, reason="connection_timeout"),
            {"agents_left_total,greeter,CONNECTION_TIMEOUT": 1, "dispatches_total,greeter,crashed": 1},
        ),
        (
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.FAILED),
            {"agents_left_total,greeter,UNKNOWN_REASON": 1, "dispatches_total,greeter,failed": 1},
        ),
        (entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT), {"dispatches_total,greeter,silent": 1}),
        (entry(Said.ATTEMPT_ENDED, verdict=Verdict.UNSENT, reason="limited"), {"dispatches_total,greeter,unsent": 1}),
        (
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.SURPLUS),
            {"dispatches_total,greeter,surplus": 1, "surplus_agents_total,found": 1},
        ),
        (entry(Said.ATTEMPT_RETRACTED, part=Part.AGENT), {"surplus_agents_total,removed": 1}),
        (entry(Said.ATTEMPT_RETRACTED, part=Part.DISPATCH), {}),
        (entry(Said.ATTEMPT_RETRACTED, part=Part.AGENT, reason="timeout"), {}),
        (entry(Said.AGENT_UNREQUESTED), {"surplus_agents_total,reported": 1}),
        (entry(Said.ASSIGNMENT_STARVED), {"assignments_starved_total": 1}),
        (entry(Said.TARGET_BYPASSED), {"targets_bypassed_total,greeter": 1}),
        (entry(Said.DEPLOYMENT_IGNORED), {"deployments_ignored_total,greeter": 1}),
        (
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, agent="nobody-knows-it"),
            {"dispatches_total,other,silent": 1},
        ),
        (entry(Said.DISPATCH_REQUESTED), {}),
        (
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.CRASHED, reason="connection_timeout", again=True),
            {"agents_left_total,greeter,CONNECTION_TIMEOUT": 1},
        ),
        (entry(Said.RULE_REMOVED), {"rule_errors_total,greeter,metadata,rule_removed": 1}),
        (entry(Said.ROUNDS_EXCEEDED), {"reconciler_rounds_exceeded_total": 1}),
        (entry(Said.PASSES_EXCEEDED), {"reconciler_passes_exceeded_total": 1}),
    ],
)
def test_what_an_entry_counts(one: Entry, counts: dict[str, float]) -> None:
    """By agent and verdict, once for each attempt; names that the configuration does not know are other."""
    assert counted(told(one)) == counts


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_counts_as_an_ended_attempt(verdict: Verdict) -> None:
    """And as an agent that left where there was one."""
    counts = counted(told(entry(Said.ATTEMPT_ENDED, verdict=verdict)))
    assert counts[f"dispatches_total,greeter,{verdict}"] == 1
    gone = {Verdict.LEFT, Verdict.FAILED, Verdict.CRASHED, Verdict.FINISHED, Verdict.REMOVED, Verdict.ENDED}
    assert ("agents_left_total,greeter,UNKNOWN_REASON" in counts) == (verdict in gone)


def test_only_what_is_new_is_told() -> None:
    """Also of a timeline that is full, whose length says nothing."""
    full = session()
    for _ in range(TIMELINE_MAX + 5):
        full = with_entry(full, entry(Said.DISPATCH_REQUESTED))
    assert told(before=full).lines == []
    assert [line["action"] for line in told(entry(Said.AGENT_JOINED), before=full).lines] == ["agent.joined"]


def test_metadata_that_cannot_be_read_is_told_once_for_each_room() -> None:
    """And counted so, whoever's it is; each look sees it again."""
    desk = Desk()
    recorder = SessionRecorder(desk.log, desk.metrics, desk.health)
    unread = UnreadMetadata("room", Unread.NOT_A_NUMBER, "lobby", "RM_1")
    others = (replace(unread, whose="participant"), replace(unread, sid="RM_2"))
    for one in (unread, unread, *others, *others, unread):
        recorder.judged(PROJECT, one)

    assert [(line["whose"], line["sid"], line["why"]) for line in desk.lines] == [
        ("room", "RM_1", "not_a_number"),
        ("participant", "RM_1", "not_a_number"),
        ("room", "RM_2", "not_a_number"),
    ]
    assert counted(desk)["metadata_unread_total,room,not_a_number"] == 2


def test_of_many_rooms_the_oldest_is_told_anew() -> None:
    """What is remembered is bounded."""
    desk = Desk()
    recorder = SessionRecorder(desk.log, desk.metrics, desk.health)
    for number in (*range(TOLD_MAX), 0, TOLD_MAX, 1, 0):
        recorder.judged(PROJECT, UnreadMetadata("room", Unread.NUL, "lobby", f"RM_{number}"))

    assert [line["sid"] for line in desk.lines[TOLD_MAX:]] == [f"RM_{TOLD_MAX}", "RM_0"]


def test_an_entry_of_metadata_that_gave_nothing_is_named_in_the_log_alone() -> None:
    """A metric's labels are bounded by what a rule has."""
    desk = Desk()
    SessionRecorder(desk.log, desk.metrics, desk.health).judged(
        PROJECT, Failed("greeter", "metadata.caller", FailureReason.MISSING_KEY, "lobby", "RM_1", "alice")
    )

    assert desk.lines[0]["field"] == "metadata.caller"
    assert desk.lines[0]["msg"] == "`metadata.caller` of the rule greeter gave nothing: missing_key"
    assert counted(desk) == {"rule_errors_total,greeter,metadata,missing_key": 1}


def test_a_broken_rule_is_told_once_for_each_session_and_counted_each_time() -> None:
    """Each look judges it anew: the line says in which session, by which rule, and for whom."""
    desk = Desk()
    desk.metrics.know(agents=[], rules=["greeter"], keys={})
    recorder = SessionRecorder(desk.log, desk.metrics, desk.health)
    for sid in ("RM_1", "RM_1", "RM_2", "RM_1"):
        for field in ("when", "metadata"):
            recorder.judged(PROJECT, Failed("greeter", field, FailureReason.NO_OVERLOAD, "lobby", sid, "alice"))

    assert [(line["sid"], line["field"]) for line in desk.said("rule.failed")] == [
        *(("RM_1", "when"), ("RM_1", "metadata")),
        *(("RM_2", "when"), ("RM_2", "metadata")),
    ]
    said = {"project": PROJECT, "room": "lobby", "rule": "greeter", "why": "no_overload", "identity": "alice"}
    assert desk.lines[0].items() >= said.items()
    assert desk.value("rule_errors_total", rule="greeter", field="when", reason="no_overload") == 4


def test_of_whom_a_broken_rule_was_judged_is_masked() -> None:
    """Where identities are."""
    desk = Desk()
    desk.log.mask.use(b"a key")
    failed = Failed("greeter", "metadata", FailureReason.EMPTY, "lobby", "RM_1", "sip_+15105550100")
    SessionRecorder(desk.log, desk.metrics, desk.health).judged(PROJECT, failed)

    assert MARK.fullmatch(desk.lines[0]["identity"])


def test_a_lost_lease_is_told() -> None:
    """With the session that was lost."""
    desk = Desk()
    SessionRecorder(desk.log, desk.metrics, desk.health).lost(KEY)
    assert [(line["level"], line["action"], line["sid"]) for line in desk.lines] == [("warning", "lease.lost", "RM_1")]
