"""One trace for each assignment, from what caused it to its agent, whoever drives the session."""

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, LEFT, Participant, Room
from dispatcher.core.orders import RequestAgent, policy_for
from dispatcher.core.rules import Rule, Target
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger import record
from dispatcher.livekit.failures import Reason, Refused, Unavailable
from dispatcher.telemetry.tracing import Tracing
from tests.unit.core.world import LOBBY, agent, job, person, rule
from tests.unit.desk import KEY, Desk, Staged, fails
from tests.unit.telemetry.tracing.spans import Traces, below_in_text, links, trace_of

JOIN = sorted([" > POST /webhook", "POST /webhook > drive", "drive > agent.request", "drive > room.look"])


@pytest.fixture
def traces() -> Traces:
    """Of all processes of a test."""
    return Traces()


def desk_of(tracing: Tracing, *rules: Rule) -> Desk:
    """A traced desk, and alice in its lobby."""
    return Desk(*rules, livekit=Staged(person()), tracing=tracing)


async def webhook(desk: Desk, tracing: Tracing, who: Participant | None = None, **fields: object) -> None:
    """A webhook, or an order, came in, as the intake records it."""
    room = Room(sid=LOBBY.sid, name=LOBBY.name)
    bare = Event(id="", name=JOINED, created_at=desk.watch.time, room=room, participant=who)
    with tracing.during("POST /webhook", {}, headers={}):
        event = tracing.caused(KEY, replace(bare, **fields))
        await desk.ledger.deliver(KEY, "", record.dump_event(event), take=False)


async def joined(tracing: Tracing, *rules: Rule) -> Desk:
    """Alice's webhook came in, and the agent was asked for."""
    desk = desk_of(tracing, *rules)
    await webhook(desk, tracing, person())
    await desk.drive()
    return desk


def serve(desk: Desk) -> None:
    """The newest dispatch has its job, and the job's agent is in the room."""
    snapshot = desk.livekit.lives[LOBBY.sid]
    *others, newest = snapshot.dispatches
    with_job = replace(newest, jobs=(job(),))
    desk.livekit.show(dispatches=(*others, with_job), participants=(*snapshot.participants, agent()))


async def test_a_join_is_one_trace_from_the_webhook_to_the_agent(traces: Traces) -> None:
    """The drive that sees the agent is part of it; the webhook that told of the agent is linked."""
    tracing = traces.process()
    desk = await joined(tracing)
    serve(desk)
    desk.watch.later(700)
    await webhook(desk, tracing, agent())
    await desk.drive()
    first, second = traces.trees()
    assert first == sorted([*JOIN, "POST /webhook > drive", "drive > room.look", "POST /webhook > agent.wait"])
    assert second == [" > POST /webhook"]
    assert links(traces.named("drive")[1]) == {trace_of(traces.named("POST /webhook")[1])}
    wait = traces.one("agent.wait")
    assert wait.status.status_code is StatusCode.UNSET
    assert ((wait.end_time or 0) - (wait.start_time or 0)) / 1e6 == pytest.approx(700, abs=300)
    assert wait.attributes == {
        "dispatcher.assignment": "greeter",
        "dispatcher.attempt": 1,
        "dispatcher.agent": "greeter",
        "dispatcher.duration_ms": 0,
    }


async def test_another_replica_goes_on_with_the_trace(traces: Traces) -> None:
    """The trace is kept with the assignment: who drives next may be a process that has never heard of it."""
    desk = await joined(traces.process())
    desk.tracing = traces.process()
    desk.reconciler = desk.started()
    serve(desk)
    desk.watch.later(2_500)
    await desk.drive()
    assert traces.trees() == [
        sorted([*JOIN, "POST /webhook > drive", "drive > room.look", "POST /webhook > agent.wait"])
    ]


async def test_the_agent_is_handed_the_place_of_its_request(traces: Traces) -> None:
    """Spans that it makes there are below `agent.request`."""
    desk = await joined(traces.process())
    assert desk.livekit.traces == [below_in_text(traces.one("agent.request"))]


async def test_nothing_is_handed_on_where_nothing_is_traced() -> None:
    """Neither to the agent nor to the ledger."""
    desk = Desk(livekit=Staged(person()))
    await desk.hear(who=person())
    await desk.drive()
    assert desk.livekit.traces == [""]
    assert b"trace" not in ((await desk.life()).record or b"")


async def test_who_samples_nothing_has_no_spans_and_tells_the_agent(traces: Traces) -> None:
    """The sampler's word holds for the whole trace: the flag that the agent is handed says so, too."""
    desk = await joined(traces.process(ALWAYS_OFF))
    assert traces.spans == []
    assert [int(trace[-2:], 16) & 1 for trace in desk.livekit.traces] == [0]


async def test_an_attempt_that_nobody_answered_is_a_wait_in_vain(traces: Traces) -> None:
    """It says as what it ended; the next attempt is part of the same trace."""
    desk = await joined(traces.process(), rule(attempts=2))
    await desk.drive_on(60_000)
    silent, *_ = traces.named("agent.wait")
    assert silent.status.status_code is StatusCode.ERROR
    assert silent.status.description == "silent"
    assert len({trace_of(span) for span in traces.named("agent.request")[:2]}) == 1


async def test_a_starved_assignment_fills_no_trace_without_end(traces: Traces) -> None:
    """Its drives have traces of their own, linked to the one in which it began."""
    desk = await joined(traces.process(), rule(attempts=1))
    await desk.drive_on(600_000)
    began = trace_of(traces.one("POST /webhook"))
    late = traces.named("agent.request")[-1]
    assert trace_of(late) != began
    assert began in links(next(span for span in traces.named("drive") if trace_of(span) == trace_of(late)))
    assert sum(trace_of(span) == began for span in traces.named("agent.request")) == 1


async def test_two_assignments_of_one_session_have_a_trace_each(traces: Traces) -> None:
    """Each is part of what caused it; a request in a drive of the other's trace is linked to that drive."""
    tracing = traces.process()
    desk = await joined(tracing, rule("greeter", attempts=2))
    order = RequestAgent(id="42", policy=policy_for((Target("notary"),)))
    await webhook(desk, tracing, name="ordered", order=order, by="ops")
    await desk.drive()
    asked, ordered = traces.named("POST /webhook")
    greeter, notary = traces.named("agent.request")
    assert trace_of(greeter) == trace_of(asked)
    assert trace_of(notary) == trace_of(ordered)
    assert links(notary) == {trace_of(asked)}
    assert {one.key: one.trace for one in (await desk.session()).assignments} == {
        "greeter": below_in_text(asked),
        "request:42": below_in_text(ordered),
    }


async def test_what_no_request_has_caused_begins_a_trace(traces: Traces) -> None:
    """The sweep found the room: the drive is the first span."""
    desk = desk_of(traces.process())
    await desk.hear(who=person())
    await desk.drive()
    assert traces.trees() == [sorted([" > drive", "drive > agent.request", "drive > room.look"])]
    assert (await desk.session()).assignments[0].trace == below_in_text(traces.one("drive"))


async def test_once_served_a_drive_is_part_of_what_came_in(traces: Traces) -> None:
    """A call of an hour is no trace of an hour."""
    tracing = traces.process()
    desk = await joined(tracing)
    serve(desk)
    desk.watch.later(2_500)
    await desk.drive()
    await webhook(desk, tracing, person("bob"), name=LEFT)
    await desk.drive()
    assert traces.trees()[1][:2] == [" > POST /webhook", "POST /webhook > drive"]


async def test_what_livekit_refused_is_an_error_of_its_span(traces: Traces) -> None:
    """A look and a request that failed say so."""
    desk = desk_of(traces.process())
    desk.livekit.before("look", fails(Unavailable, Reason.UNREACHABLE))
    desk.livekit.before("create", fails(Refused, Reason.INVALID))
    await desk.hear(who=person())
    await desk.drive_on(5_000)
    assert traces.named("room.look")[0].status.status_code is StatusCode.ERROR
    refused = traces.named("agent.request")[0]
    assert (refused.status.status_code, refused.status.description) == (StatusCode.ERROR, "invalid")
    assert (refused.attributes or {})["dispatcher.outcome"] == "refused"


async def test_what_is_taken_back_is_a_span(traces: Traces) -> None:
    """Of the assignment and the attempt."""
    desk = await joined(traces.process(), rule(attempts=1))
    await desk.drive_on(120_000)
    retract = traces.named("agent.retract")[0]
    assert retract.attributes == {"dispatcher.assignment": "greeter", "dispatcher.attempt": 1}


async def test_a_lost_lease_ends_the_drive_s_span(traces: Traces) -> None:
    """And nothing is told of what was not done."""
    desk = desk_of(traces.process())
    await desk.hear(who=person())

    async def overtaken() -> None:
        desk.watch.later(LEASE_MS)
        await desk.claim()

    desk.livekit.after("look", overtaken)
    assert await desk.drive() is None
    assert [span.name for span in traces.spans] == ["drive", "room.look"]
    assert traces.one("drive").events == ()


async def test_what_happened_is_told_in_the_drive_and_the_log_names_the_trace(traces: Traces) -> None:
    """Whoever has one finds the other."""
    desk = await joined(traces.process())
    (drive,) = traces.named("drive")
    assert [event.name for event in drive.events] == ["assignment.created", "dispatch.requested"]
    assert {line["trace_id"] for line in desk.lines} == {f"{trace_of(drive):032x}"}


async def test_identities_are_masked_as_in_the_log(traces: Traces) -> None:
    """A caller's number is no attribute of a span."""
    traces.mask.use(b"a key")
    desk = await joined(traces.process(), rule(per="participant"))
    assert desk.livekit.calls
    said = str([(span.attributes, [event.attributes for event in span.events]) for span in traces.spans])
    assert "greeter/#" in said
    assert "alice" not in said
