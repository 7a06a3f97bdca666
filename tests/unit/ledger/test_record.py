import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.departures import Note
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, LEFT
from dispatcher.core.fold import fold
from dispatcher.core.session import Session
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.ledger.record import VERSION, dump, dump_event, is_newer, load, load_event
from tests.unit.core.world import LOBBY, NOW, agent, assignment, attempt, done, event, person, policy, rule, session

FULL = session(
    assignment(
        attempt(dispatch="AD_1", verdict=Verdict.SILENT, listed=True, retract_at=NOW),
        attempt(
            2, ours=False, identities=("bot", "ünïcode"), agent_sid="PA_bot", agent_seen_at=NOW, agent_missed_at=NOW
        ),
        policy=policy("greeter", "backup", kinds=frozenset({"SIP"}), per="participant", on_finish="replace"),
        identity="alice",
    ),
    notes=(Note(sid="PA_bot", identity="bot", reason="", received_at=NOW, joined_at=1, left_at=2),),
    missed_at=NOW,
    unattributed=("PA_x",),
    timeline=(
        Entry(at=NOW, said=Said.AGENT_JOINED, took=0),
        Entry(at=NOW, said=Said.ATTEMPT_ENDED, verdict=Verdict.SILENT),
    ),
    entries_total=2,
)
NEW = Session(room=LOBBY.name, sid=LOBBY.sid)
TO_BE_LOOKED_AT = replace(NEW, stale=True)


@pytest.mark.parametrize(
    "one", [NEW, session(), FULL, session(finished=True, final=True)], ids=["new", "empty", "full", "over"]
)
def test_a_record_says_all_of_a_session(one: Session) -> None:
    """What is loaded is what was dumped."""
    assert load(dump(one), LOBBY.name, LOBBY.sid) == one


@given(
    one=st.builds(
        Session,
        room=st.text(),
        sid=st.text(),
        entries_total=st.integers(0, 2**50),
        unattributed=st.lists(st.text()).map(tuple),
    )
)
def test_any_name_survives_a_record(one: Session) -> None:
    """Room names and SIDs are LiveKit's own text, whatever stands in it."""
    assert load(dump(one), "other", LOBBY.sid) == one


def test_where_there_is_no_record_there_is_a_new_session() -> None:
    """What makes it look comes with the event."""
    assert load(None, LOBBY.name, LOBBY.sid) == NEW


@pytest.mark.parametrize(
    "undecodable",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff", id="not-text"),
        pytest.param(dump(FULL)[:-9], id="cut-off"),
        pytest.param(b"[]", id="another-shape"),
        pytest.param(b'{"v":1,"s":{}}', id="a-field-is-missing"),
        pytest.param(b'{"v":1,"s":{"room":1,"sid":"RM_1"}}', id="a-field-of-another-type"),
        pytest.param(dump(FULL).replace(b'"silent"', b'"sulking"'), id="a-verdict-of-another-release"),
        pytest.param(dump(FULL).replace(b'{"v":%d' % VERSION, b'{"v":%d' % (VERSION + 1)), id="another-version"),
        pytest.param(dump(FULL).replace(b'{"v":%d' % VERSION, b'{"v":%d' % (VERSION - 1)), id="an-earlier-version"),
    ],
)
def test_law_10_what_cannot_be_read_is_rebuilt_from_a_look(undecodable: bytes) -> None:
    """The session is new and stale; nothing fails."""
    assert load(undecodable, LOBBY.name, LOBBY.sid) == TO_BE_LOOKED_AT


def test_a_field_that_is_not_known_yet_is_passed_over() -> None:
    """A release may add a field and be taken back."""
    newer = dump(FULL).replace(b'"room":"lobby"', b'"room":"lobby","mood":"good"')

    assert load(newer, LOBBY.name, LOBBY.sid) == FULL


SECRET = "hush-hush"
SECRETS = Event(
    id="EV_1",
    name=LEFT,
    created_at=NOW,
    room=replace(LOBBY, metadata=SECRET),
    participant=agent(
        metadata=SECRET, attributes={"lk.agent_name": SECRET, "sip.phoneNumber": SECRET}, disconnect_reason="MIGRATION"
    ),
)


def test_law_11_metadata_and_attributes_stay_out_of_the_inbox() -> None:
    """Neither they nor what else only rules read reach the ledger."""
    person = SECRETS.participant and replace(SECRETS.participant, name=SECRET, region=SECRET, kind_details=(SECRET,))
    named = replace(SECRETS, participant=person)

    assert SECRET not in dump_event(named).decode()


def test_the_word_by_which_an_agent_says_that_it_is_done_is_in_the_inbox() -> None:
    """An agent's, cut where it is long; a person's attribute of that name is nothing but an attribute."""
    said, long = load_event(dump_event(event(LEFT, done(agent())))), done(agent(), "x" * 999)
    assert said.participant is not None
    assert said.participant.done == "bye"
    assert len(dump_event(event(LEFT, long))) < 600
    assert "bye" not in dump_event(event(LEFT, done(person()))).decode()


def test_law_11_metadata_and_attributes_stay_out_of_the_record() -> None:
    """Whatever an event carried, nothing of it is in the session it was folded into."""
    assert SECRET not in dump(fold(FULL, SECRETS, (rule(),), NOW)).decode()


@pytest.mark.parametrize(
    "heard",
    [
        event(JOINED, person("bob", hidden=True)),
        event(LEFT, agent("bot", disconnect_reason="CLIENT_INITIATED")),
        event("room_finished"),
        Event(id="", name="swept", created_at=0),
    ],
    ids=["joined", "left", "room_finished", "no-room"],
)
def test_an_inbox_entry_folds_as_the_event_itself(heard: Event) -> None:
    """What is left out is nothing that fold asks for."""
    read = load_event(dump_event(heard))

    assert fold(FULL, read, (rule(),), NOW) == fold(FULL, heard, (rule(),), NOW)


@pytest.mark.parametrize("entry", [b"", b"{}", b"\xff", b'{"id":1,"name":"x","created_at":0}'])
def test_an_inbox_entry_that_cannot_be_read_means_look(entry: bytes) -> None:
    """And no more."""
    assert fold(session(), load_event(entry), (rule(),), NOW) == session(stale=True)


def test_a_record_of_one_ordinary_session_is_small() -> None:
    """Some 1 kB: it is saved at each step."""
    assert len(dump(FULL)) < 1_200
    assert msgspec.json.decode(dump(FULL))["v"] == VERSION


@pytest.mark.parametrize(
    ("record", "newer"),
    [
        (dump(FULL), False),
        (dump(FULL).replace(b'{"v":%d' % VERSION, b'{"v":%d' % (VERSION + 1)), True),
        (b'{"v":%d,"s":"of a shape that nobody knows yet"}' % (VERSION + 1), True),
        (b'{"v":%d,"s":{}}' % (VERSION - 1), False),
        (b'{"v":"2"}', False),
        (b"[2]", False),
        (b"", False),
        (b"\x00\xff", False),
    ],
    ids=["ours", "newer", "of-another-shape", "older", "odd", "not-ours", "empty", "not-text"],
)
def test_a_record_of_a_later_release_is_known_by_its_version(record: bytes, *, newer: bool) -> None:
    """Whatever else is in it; what is no record at all is nobody's."""
    assert is_newer(record) is newer
