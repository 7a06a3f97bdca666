"""Names, identities and ids of any size: each is cut where it enters the core, so no record outgrows RECORD_MAX."""

import json
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.protocol import agent, agent_dispatch, models
from msgspec.structs import replace

from dispatcher.core import acts
from dispatcher.core.events import JOINED, LEFT, Participant, Room
from dispatcher.core.fold import fold
from dispatcher.core.plan import Create, Retract, plan
from dispatcher.core.record import IDENTITIES_LEAST, RECORD_MAX, dump, dump_event, load, load_event, slim
from dispatcher.core.rules import Aimed, Policy, Rule, Target
from dispatcher.core.see import see
from dispatcher.core.seen import Seen
from dispatcher.core.session import (
    ATTEMPTS_MAX,
    NOTES_MAX,
    TIMELINE_MAX,
    WANTS_MAX,
    Attempt,
    Entry,
    Note,
    Said,
    Session,
    Verdict,
    Want,
)
from dispatcher.core.text import AGENT_MAX, ID_MAX, IDENTITY_MAX, NAME_MAX, brief
from dispatcher.core.ties import ATTEMPT_IDENTITIES
from dispatcher.messages import dispatch_of, participant_of, room_of
from dispatcher.webhook_body import read
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
    Rule(name="each", policy=Policy(targets=(Target("greeter"),), per="participant", worker="publisher"), go_on=True),
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
        seen = Seen(
            room=self.room,
            participants=tuple(map(participant_of, here)),
            dispatches=tuple(map(dispatch_of, listed)),
        )
        self.session = see(self.session, seen, RULES, tags=TAGS, now=self.now)
        for _ in range(WANTS_MAX):
            self._act(plan(self.session, self.now, fresh=True))

    def _act(self, step: object) -> None:
        if isinstance(step, Create):
            self.session = acts.ask(self.session, step, self.now)
            self.session = acts.unanswered(self.session, step, self.now, "timeout")
        if isinstance(step, Retract):
            self.session = acts.retracted(self.session, step, self.now, done=False, why="timeout")


@settings(deadline=None, max_examples=30)
@given(name=HUGE, life=st.lists(looks, min_size=1, max_size=6))
def test_law_8_no_sequence_of_inputs_makes_a_record_too_large(name: str, life: list[Look]) -> None:
    """Whatever LiveKit is made to show and tell, and however long it goes on; and what was saved can be read."""
    hostile = Hostile(name)
    for look in life:
        hostile.goes_on(*look)
        record = dump(hostile.session)

        assert len(record) <= RECORD_MAX
        assert len(load(record, hostile.room.name, hostile.room.sid).wants) == len(hostile.session.wants)


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


# Full ---------------------------------------------------------------------------------------------------------------

ID, IDENTITY = brief("x" * 99, ID_MAX), brief("x" * 99, IDENTITY_MAX)
EVERY = Target("y" * AGENT_MAX, "z" * 64)


def an_attempt(number: int) -> Attempt:
    """One with everything that an attempt can have; the first is open."""
    return Attempt(
        number=number, target=EVERY, since=NOW + number, dispatch=ID, ours=False, listed=True, agent=ID, last_agent=ID,
        identities=(IDENTITY,) * ATTEMPT_IDENTITIES, told=True, came=NOW, gone=NOW, retract_at=NOW, retracts=99,
        verdict=Verdict.VANISHED if number > 1 else None,
    )  # fmt: skip


POLICY = Policy(
    targets=(EVERY,) * 8, kinds=frozenset({"SIP", "STANDARD", "INGRESS", "CONNECTOR", "BRIDGE"}), on="room",
    per="participant", worker="publisher", attempts=10, confirm_within=600_000, join_within=599_999, min_stay=599_999,
    retry_every=3_600_000, on_finish="replace", surplus="report",
)  # fmt: skip


def a_want(number: int) -> Want:
    """One with everything that a want can have, its numbers as long as they get."""
    return Want(
        rule=f"{number:064}", policy=POLICY, identity=IDENTITY, last=999_999_999, target=7, tries=9, rounds=99_999,
        attempts=tuple(an_attempt(number) for number in range(1, 1 + ATTEMPTS_MAX)), unsent=99_999, crashes=99_999,
        due=NOW, slot=NOW, done=NOW, attended=True, remnant=True, held=True, by_name=True, waiting_since=NOW, hoped=NOW,
        welcomed=True,
    )  # fmt: skip


NOTE = Note(sid=ID, identity=IDENTITY, reason=ID, heard=NOW, stayed=NOW, left=NOW)
ENTRY = Entry(
    at=NOW, said=Said.IGNORED, want=a_want(0).key, number=999_999_999, agent=str(EVERY), why="x" * 64, took=NOW
)
FULL = Session(
    room=brief("x" * 9_999, NAME_MAX), sid=room_of(models.Room(sid="x" * 99)).sid, over=True, final=True, stale=True,
    wants=tuple(a_want(number) for number in range(WANTS_MAX)), notes=(NOTE,) * NOTES_MAX, seen_at=NOW, slot=NOW,
    missed_at=NOW, published_at=NOW, untied=(ID,) * 8, untied_since=NOW, strange_since=NOW, named_since=NOW,
    unasked=True, overflow=True, timeline=(ENTRY,) * TIMELINE_MAX, told=10**9,
)  # fmt: skip


def test_law_8_a_session_that_is_full_of_everything_fits_its_record() -> None:
    """It would be half a megabyte: the story is shortened, and of each want what is under way is kept."""
    assert len(msgspec.json.encode(FULL)) > 4 * RECORD_MAX
    record = dump(FULL)

    kept = load(record, FULL.room, FULL.sid)
    assert len(record) <= RECORD_MAX
    assert kept == slim(FULL)
    assert all(1 in [one.number for one in want.attempts] for want in kept.wants)
    assert [want.last for want in kept.wants] == [want.last for want in FULL.wants]


def test_what_a_record_has_no_space_for_is_the_oldest_of_what_has_ended() -> None:
    """As many attempts stay as fit, the newest first."""
    crowded = replace(FULL, wants=tuple(replace(want, policy=Policy(targets=(EVERY,))) for want in FULL.wants))
    numbers = [[one.number for one in want.attempts] for want in slim(crowded).wants]

    assert {1, ATTEMPTS_MAX} <= set(numbers[0])
    assert all(kept == [1, *range(1 + ATTEMPTS_MAX - len(kept) + 1, 1 + ATTEMPTS_MAX)] for kept in numbers)
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1
    assert RECORD_MAX - len(dump(crowded)) < 2_000
    assert all(len(one.identities) == IDENTITIES_LEAST for want in slim(crowded).wants for one in want.attempts)


def test_a_shortened_story_has_its_beginning_and_its_end() -> None:
    """And a short one is left as it is."""
    told = tuple(replace(ENTRY, number=number) for number in range(TIMELINE_MAX))

    assert [one.number for one in slim(replace(FULL, timeline=told)).timeline] == [*range(8), *range(56, 64)]
    assert slim(replace(FULL, timeline=told[:11])).timeline == told[:11]


@pytest.mark.parametrize("serves", [True, False])
def test_of_a_want_who_serves_is_kept_before_what_is_under_way(*, serves: bool) -> None:
    """Without either, what is still to be taken back."""
    others = [replace(an_attempt(number), agent="", listed=False) for number in range(2, 9)]
    one = replace(others[2], verdict=None, agent=ID, gone=0) if serves else replace(others[2], listed=True)
    attempts = tuple(one if old.number == one.number else old for old in others)
    full = replace(FULL, wants=tuple(replace(want, attempts=attempts) for want in FULL.wants))

    assert all(one.number in [kept.number for kept in want.attempts] for want in slim(full).wants)
