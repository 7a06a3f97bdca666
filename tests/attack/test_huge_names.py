"""Names, identities and ids of any size: each is cut where it enters the core, so no record outgrows RECORD_MAX."""

import json
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.protocol import agent, agent_dispatch, models

from dispatcher.core import transitions
from dispatcher.core.facts import JOINED, LEFT, Participant, Room
from dispatcher.core.fold import fold
from dispatcher.core.observe import observe
from dispatcher.core.plan import Create, Retract, plan
from dispatcher.core.rules import Aimed, Policy, Rule, Target
from dispatcher.core.session import (
    ASSIGNMENTS_MAX,
    Session,
)
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.text import AGENT_MAX
from dispatcher.ledger.record import RECORD_MAX, dump, dump_event, load, load_event
from dispatcher.livekit.messages import dispatch_of, participant_of, room_of
from dispatcher.livekit.webhook_body import read
from tests.examples import examples
from tests.unit.core.scene import Scene
from tests.unit.core.world import NOW, TAGS, seconds
from tests.unit.core.world import agent as an_agent
from tests.unit.core.world import person as somebody

P = models.ParticipantInfo
INBOX_ENTRY_MAX = 16_000  # bytes; an ordinary entry has 300

HUGE = st.sampled_from(["", "x", "x" * 70, "x" * 56_000, "\x01" * 2_000, '"' * 2_000, "é" * 900, "😀" * 900])
NUMBERED = st.builds("{1}{0}".format, HUGE, st.integers(0, 40))


def computed(_: Room, who: Participant | None) -> Aimed:
    """The agents that somebody's name gives, as long as expressions let them be."""
    named = [f"{number}{who.name if who else ''}"[: AGENT_MAX // 4] for number in range(8)]
    return Aimed(tuple(Target(name) for name in named))


RULES = (
    Rule(
        name="each", policy=Policy(targets=(Target("greeter"),), per="participant", worker_type="publisher"), go_on=True
    ),
    Rule(name="named", policy=Policy(targets=(Target("x"),), per="participant"), aim=computed, go_on=True),
    Rule(name="one", policy=Policy(targets=(Target("greeter", "blue"), Target("x"))), go_on=True),
)

people = st.builds(
    P,
    sid=NUMBERED,
    identity=NUMBERED,
    name=HUGE,
    kind=st.sampled_from([P.Kind.STANDARD, P.Kind.SIP, P.Kind.AGENT]),
    state=st.just(P.State.ACTIVE),
    is_publisher=st.booleans(),
    permission=st.builds(models.ParticipantPermission, agent=st.booleans()),
    attributes=st.dictionaries(st.sampled_from(["lk.agent_name", "lk.agent.name"]), HUGE | st.just("greeter")),
)
jobs = st.builds(
    agent.Job, id=NUMBERED, state=st.builds(agent.JobState, participant_identity=NUMBERED, status=st.integers(0, 3))
)
dispatches = st.builds(
    agent_dispatch.AgentDispatch,
    id=NUMBERED,
    agent_name=HUGE | st.just("greeter"),
    deployment=HUGE | st.just("blue"),
    attributes=st.dictionaries(st.just("dispatcher.assignment"), HUGE),
    state=st.builds(agent_dispatch.AgentDispatchState, jobs=st.lists(jobs, max_size=20)),
)
webhooks = st.fixed_dictionaries({
    "event": st.sampled_from([JOINED, LEFT]),
    "id": NUMBERED,
    "room": st.fixed_dictionaries({"sid": st.just("RM_1"), "name": HUGE.filter(bool)}),
    "participant": st.fixed_dictionaries({
        "sid": NUMBERED,
        "identity": NUMBERED,
        "kind": st.sampled_from(["AGENT", "STANDARD", "k" * 9_000]),
        "disconnectReason": HUGE,
        "attributes": st.dictionaries(HUGE, HUGE, max_size=1),
    }),
})  # fmt: skip
Look: TypeAlias = tuple[list[models.ParticipantInfo], list[agent_dispatch.AgentDispatch], list[object]]
looks = st.tuples(st.lists(people, max_size=40), st.lists(dispatches, max_size=12), st.lists(webhooks, max_size=4))


class Hostile:
    """One session, and nobody who wishes it well. What comes in comes through the doors that LiveKit's words have."""

    def __init__(self, name: str) -> None:
        self.room = room_of(models.Room(sid="RM_1", name=name))
        self.session = Session(room=self.room.name, sid=self.room.sid)
        self.now = NOW

    def goes_on(
        self, here: list[models.ParticipantInfo], listed: list[agent_dispatch.AgentDispatch], heard: list[object]
    ) -> None:
        """Webhooks come, a look is made, and what it asks for is done; nobody answers."""
        self.now += seconds(7)
        for one in heard:
            entry = dump_event(read(json.dumps(one).encode()))
            assert len(entry) <= INBOX_ENTRY_MAX
            event = load_event(entry)
            assert event is not None
            self.session = fold(self.session, event, RULES, self.now)
        snapshot = RoomSnapshot(
            room=self.room,
            participants=tuple(map(participant_of, here)),
            dispatches=tuple(map(dispatch_of, listed)),
        )
        self.session = observe(self.session, snapshot, RULES, tags=TAGS, now=self.now)
        for _ in range(ASSIGNMENTS_MAX):
            self._act(plan(self.session, self.now, fresh=True))

    def _act(self, step: object) -> None:
        if isinstance(step, Create):
            self.session = transitions.ask(self.session, step, self.now)
            self.session = transitions.unanswered(self.session, step, self.now, "timeout")
        if isinstance(step, Retract):
            self.session = transitions.retracted(self.session, step, self.now, reason="timeout")


@pytest.mark.no_cover  # tracing doubles its time; other tests cover what it walks through
@settings(deadline=None, max_examples=examples(15))
@given(name=HUGE, life=st.lists(looks, min_size=1, max_size=6))
def test_law_8_no_sequence_of_inputs_makes_a_record_too_large(name: str, life: list[Look]) -> None:
    """Whatever LiveKit is made to show and tell, and however long it goes on; and what was saved can be read."""
    hostile = Hostile(name)
    for look in life:
        hostile.goes_on(*look)
        record = dump(hostile.session)

        assert len(record) <= RECORD_MAX
        assert len(load(record, hostile.room.name, hostile.room.sid).assignments) == len(hostile.session.assignments)


def test_law_8_eight_agents_with_names_of_56_kb_leave_a_small_record() -> None:
    """They come again every 12 s for ten minutes, each time as somebody else."""
    scene = Scene()
    scene.joins(somebody())
    scene.run(0.1)
    scene.comes("AD_1")
    for turn in range(50):
        for number in range(8):
            for old in [one for one in scene.present.values() if one.identity == f"x{number}"]:
                scene.goes(old)
            name = f"{turn} {number}" + "A" * 56_000
            scene.joins(an_agent(f"x{number}", sid=f"PA_{turn}_{number}", attributes={"lk.agent.name": name}))
        scene.run(12)

    assert len(scene.creates) == 1
    assert len(dump(scene.session)) < 16_000
