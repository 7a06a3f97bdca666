"""What a tape leaves out, and that the core makes the same of what is left."""

import pytest
from msgspec.structs import replace

from dispatcher.core.departures import Note
from dispatcher.core.effects import Ask, FindEarlier, FoundEarlier, Observe, Observed, Save, Saved, TakeBack, Then
from dispatcher.core.events import Event
from dispatcher.core.facts import AGENT, JOINED, Participant, Room, RoomSid
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.snapshot import Dispatch, Job, RoomSnapshot
from dispatcher.core.tags import Tag
from dispatcher.core.timeline import Entry, Said
from dispatcher.telemetry.tape import HIDDEN, Exchange, Hides, Hiding
from tests.unit.telemetry.tape.reel import hiding, mask

CALLER = "sip_+441632960961"
ROOM = Room(sid=RoomSid("RM_1"), name="call-_+441632960961_x", metadata="room-secret")
PERSON = Participant(
    sid="PA_1",
    identity=CALLER,
    kind="SIP",
    name="Alice Secret",
    kind_details=("FORWARDED",),
    region="eu-1",
    metadata="person-secret",
    attributes={"sip.phoneNumber": "+441632960961", "lk.agent_name": "attribute-secret", "empty": ""},
)
AGENT_HERE = Participant(
    sid="PA_2",
    identity="agent-AJ_1",
    kind=AGENT,
    attributes={"lk.agent_name": "greeter", "lk.agent.name": "said", "note": "agent-secret"},
)
AVATAR = Participant(sid="PA_3", identity="avatar-1", kind=AGENT, attributes={"lk.publish_on_behalf": "agent-AJ_1"})
KEY = f"callers/{CALLER}"
TAGS = (f"default:{KEY}#3", "other:tag-secret#1", "default:tag-secret", "tag-secret", "")
SEEN = RoomSnapshot(
    room=ROOM,
    participants=(PERSON, AGENT_HERE, AVATAR),
    dispatches=tuple(
        Dispatch(id=f"AD_{number}", agent="greeter", tag=tag, jobs=(Job(id="AJ_1", identity="agent-AJ_1"),))
        for number, tag in enumerate(TAGS)
    ),
)
SESSION = Session(
    room=ROOM.name,
    sid=ROOM.sid,
    assignments=(
        Assignment(
            rule="callers",
            policy=Policy(targets=(Target("greeter"),), per="participant"),
            identity=CALLER,
            attempts=(Attempt(number=1, target=Target("greeter"), started_at=1, identities=("agent-AJ_1",)),),
        ),
    ),
    notes=(Note(sid="PA_9", identity="agent-AJ_9", reason="", received_at=1, joined_at=1, left_at=1),),
    timeline=(Entry(at=1, said=Said.ASSIGNMENT_CREATED, assignment=KEY),),
)
CREATE = Create(assignment=KEY, number=1, target=Target("greeter"))
RETRACT = Retract(assignment=KEY, number=1, agent_sid="PA_2")
EVENT = Event(id="EV_1", name=JOINED, created_at=1, room=ROOM, participant=PERSON, assignment=KEY)
CONVERSATION = (
    Exchange(effect=Observe(), reply=Observed(2, 1, SEEN), found={"AD_1": Tag(KEY, 3)}),
    Exchange(effect=Ask(step=CREATE, metadata="sent-secret", tag=TAGS[0])),
    Exchange(effect=TakeBack(step=RETRACT, identity="agent-AJ_1")),
    Exchange(effect=FindEarlier(), reply=FoundEarlier(3, (SESSION,))),
    Exchange(effect=Save(session=SESSION, then=Then.REST), reply=Saved(3, (EVENT,))),
)


def hidden(how: Hiding) -> tuple[Exchange, ...]:
    """The conversation as a tape has it."""
    return tuple(how.exchange(one) for one in CONVERSATION)


def seen(how: Hiding) -> RoomSnapshot:
    """The look as a tape has it."""
    reply = hidden(how)[0].reply
    assert isinstance(reply, Observed)
    return reply.snapshot


@pytest.mark.parametrize("people", [False, True])
def test_law_11_no_fact_is_left(people: bool) -> None:
    """No metadata, no attribute's value, nobody's name, and no tag that is not ours."""
    text = repr((hidden(hiding(people=people)), hiding(people=people).event(EVENT)))

    for secret in ("secret", "Alice"):
        assert secret not in text
    assert ("+441632960961" in text) is not people


def test_people_are_hidden_everywhere_alike() -> None:
    """The same mark in participants, jobs, notes, assignments, attempts and keys; and the number in a room's name."""
    how, people = hiding(people=True), mask(b"people")
    caller, job, looked = people.identity(CALLER), people.identity("agent-AJ_1"), seen(how)
    session, (_, asked, back, found, saved) = how.session(SESSION), hidden(how)

    assert "agent-AJ" not in repr((session, hidden(how)))
    assert [one.identity for one in looked.participants] == [caller, job, people.identity("avatar-1")]
    assert looked.participants[2].attributes == {"lk.publish_on_behalf": job}
    assert {one.jobs[0].identity for one in looked.dispatches} == {job}
    assert (KEY in looked.dispatches[0].tag, bool(looked.dispatches[0].tag)) == (False, True)
    assert (session.assignments[0].key, session.timeline[0].assignment) == (f"callers/{caller}",) * 2
    assert session.assignments[0].attempts[0].identities == (job,)
    assert session.room == looked.room.name == people.numbers(ROOM.name) if looked.room else None
    assert asked.effect == Ask(step=replace(CREATE, assignment=session.assignments[0].key), metadata="", tag="")
    assert hidden(how)[0].found == {"AD_1": Tag(session.assignments[0].key, 3)}
    assert back.effect == TakeBack(step=replace(RETRACT, assignment=session.assignments[0].key), identity=job)
    assert found.reply == FoundEarlier(3, (session,))
    assert how.event(EVENT).assignment == session.assignments[0].key
    assert saved.effect == Save(session=session, then=Then.REST)
    assert saved.reply == Saved(3, (how.event(EVENT),))


def test_a_long_identity_has_the_mark_of_what_sessions_remember_of_it() -> None:
    """Else an assignment of a caller with a long identity would be nobody's when the tape is replayed."""
    long = replace(PERSON, identity="caller-" + "x" * 60)
    event = hiding(people=True).event(replace(EVENT, participant=long))
    back = hiding(people=True).exchange(Exchange(effect=TakeBack(step=RETRACT, identity=long.identity))).effect

    assert event.participant is not None
    assert isinstance(back, TakeBack)
    assert event.participant.known_as == back.identity == mask(b"people").identity(long.known_as)
    assert hiding().event(replace(EVENT, participant=long)).participant == replace(
        long, name=event.participant.name, metadata=HIDDEN, attributes=event.participant.attributes
    )


def test_what_the_core_reads_is_kept() -> None:
    """Under which name an agent registered, that an avatar is one, which dispatches are ours, and what was there.

    Where somebody is connected, and by which connector, is nothing of their own.
    """
    looked = seen(hiding())
    person, agent, avatar = looked.participants

    assert (agent.agent_name, agent.is_agent, avatar.is_agent) == ("greeter", True, False)
    assert (looked.room, person.metadata) == (replace(ROOM, metadata=HIDDEN), HIDDEN)
    assert (person.kind_details, person.region) == (("FORWARDED",), "eu-1")
    assert person.attributes.keys() == PERSON.attributes.keys()
    assert (person.attributes["empty"], agent.name, agent.metadata) == ("", "", "")
    assert hidden(hiding())[0].found == {"AD_1": Tag(KEY, 3)}
    assert looked.dispatches[-1].tag == ""
    assert all(one.tag.startswith("#") for one in looked.dispatches[:-1])
    assert hiding().session(SESSION) is SESSION


def test_plain_is_plain_but_for_the_metadata_that_is_sent() -> None:
    """Also where identities are masked in the log."""
    how = Hiding(mask(b"people"), mask(b"facts"), plain=True)

    assert seen(how) == SEEN
    assert (how.session(SESSION), how.event(EVENT)) == (SESSION, EVENT)
    assert hidden(how)[1].effect == Ask(step=CREATE, metadata="", tag="")
    assert hidden(how)[2:] == CONVERSATION[2:]


@pytest.mark.parametrize(
    ("how", "hides"),
    [
        (hiding(), Hides.FACTS),
        (hiding(people=True), Hides.PEOPLE),
        (hiding(plain=True), Hides.NOTHING),
        (hiding(people=True, plain=True), Hides.NOTHING),
    ],
)
def test_a_line_says_how_much_it_hides(how: Hiding, hides: Hides) -> None:
    """As things are when it is written."""
    assert how.hides is hides
