"""What a signed body says: protojson in all its spellings, and bodies that say nothing we can read."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.protocol.models import DisconnectReason, ParticipantInfo

from dispatcher.core.events import Event
from dispatcher.core.facts import KIND_DETAILS, KINDS, Participant, Room, RoomSid
from dispatcher.core.text import NAME_MAX, brief
from dispatcher.livekit.webhook import ApiKey, Received, Undecodable, receive, verify
from tests.unit.livekit.forged import KEY, NOW, SECRET, claims, token

KEYS: Final = {KEY: ApiKey("default", SECRET)}


def signed(body: str | bytes) -> Received | Undecodable:
    """What becomes of a body under a good signature."""
    sent = body.encode() if isinstance(body, str) else body
    return receive(sent, verify(token(claims(sent)), KEYS, NOW * 1000))


def event(body: str | bytes) -> Event:
    """The event a body says."""
    received = signed(body)
    assert isinstance(received, Received), received
    return received.event


def participant(fields: str) -> Participant:
    """The participant of an event with these fields of it."""
    body = f'{{"id":"EV_1","event":"participant_joined","room":{{"sid":"RM_1","name":"r"}},"participant":{{{fields}}}}}'
    read = event(body.replace('"participant":{', '"participant":{"sid":"PA_1","identity":"i",')).participant
    assert read is not None
    return read


def room(fields: str) -> Room:
    """The room of an event with these fields of it."""
    read = event(f'{{"id":"EV_1","event":"room_started","room":{{"sid":"RM_1","name":"r",{fields}}}}}').room
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ('"kind":null', "STANDARD"),
        ('"kind":""', "STANDARD"),
        ('"kind":"STANDARD"', "STANDARD"),
        ('"kind":0', "STANDARD"),
        ('"kind":"SIP"', "SIP"),
        ('"kind":3', "SIP"),
        ('"kind":"3"', "SIP"),
        ('"kind":4.0', "AGENT"),
        ('"kind":7', "CONNECTOR"),
        ('"kind":"HOLOGRAM"', "HOLOGRAM"),
        ('"kind":"agent"', "agent"),
        ('"kind":99', "99"),
        ('"kind":-1', "-1"),
    ],
)
def test_a_kind_is_known_by_name_or_number_and_else_keeps_its_own(fields: str, kind: str) -> None:
    """LiveKit's name for every kind; a kind of a newer LiveKit is never taken for a person."""
    assert participant(fields).kind == kind


def test_every_kind_of_the_core_is_livekits() -> None:
    """The core and LiveKit have the same kinds."""
    assert set(ParticipantInfo.Kind.keys()) == KINDS
    assert set(ParticipantInfo.KindDetail.keys()) == KIND_DETAILS


@pytest.mark.parametrize(
    ("fields", "details", "region"),
    [
        ('"name":"x"', (), ""),
        ('"kindDetails":null,"region":null', (), ""),
        ('"kindDetails":[],"region":"eu-west-1"', (), "eu-west-1"),
        ('"kindDetails":["CONNECTOR_WHATSAPP","CLOUD_AGENT"]', ("CONNECTOR_WHATSAPP", "CLOUD_AGENT"), ""),
        ('"kind_details":[3,0,"2"]', ("CONNECTOR_TWILIO", "CLOUD_AGENT", "CONNECTOR_WHATSAPP"), ""),
        ('"kindDetails":["HOLOGRAM",99]', ("HOLOGRAM", "99"), ""),
        ('"kindDetails":[1,1,1,1,1,1,1,1,1]', ("FORWARDED",) * 8, ""),
        (f'"region":"{"x" * 2_000}"', (), brief("x" * 2_000, NAME_MAX)),
    ],
)
def test_details_of_a_kind_and_the_region_are_read(fields: str, details: tuple[str, ...], region: str) -> None:
    """By name or number; what a newer LiveKit calls them keeps its own name. No more than eight."""
    read = participant(fields)

    assert (read.kind_details, read.region) == (details, region)


@pytest.mark.parametrize(("name", "number"), ParticipantInfo.Kind.items())
def test_each_number_of_a_kind_has_livekits_name(name: str, number: int) -> None:
    """The same by number as by name."""
    assert participant(f'"kind":{number}').kind == name


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ('"state":"ACTIVE"', True),
        ('"state":2', True),
        ('"state":"2"', True),
        ('"state":"JOINED"', False),
        ('"state":"DISCONNECTED"', False),
        ('"state":3', False),
        ('"state":null', False),
        ('"state":"ACTIVE_ISH"', False),
    ],
)
def test_only_the_state_active_is_active(fields: str, *, active: bool) -> None:
    """Media is connected in one state alone."""
    assert participant(fields).active is active


@pytest.mark.parametrize("name", ["disconnectReason", "disconnect_reason"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("null", ""),
        ("0", ""),
        ('"0"', ""),
        ('"UNKNOWN_REASON"', ""),
        ('"CLIENT_INITIATED"', "CLIENT_INITIATED"),
        ("14", "CONNECTION_TIMEOUT"),
        ('"14"', "CONNECTION_TIMEOUT"),
        ('"ABDUCTED"', "ABDUCTED"),
        ("99", "99"),
    ],
)
def test_a_disconnect_reason_is_livekits_name_or_nothing(name: str, value: str, reason: str) -> None:
    """An unknown or absent reason is empty; one of a newer LiveKit keeps its own name."""
    assert participant(f'"{name}":{value}').disconnect_reason == reason


@pytest.mark.parametrize(("name", "number"), [item for item in DisconnectReason.items() if item[1]])
def test_each_number_of_a_reason_has_livekits_name(name: str, number: int) -> None:
    """The same by number as by name."""
    assert participant(f'"disconnectReason":{number}').disconnect_reason == name


@pytest.mark.parametrize(
    ("fields", "joined_at"),
    [
        ('"joinedAtMs":"1795251778445","joinedAt":"1795251778"', 1795251778445),
        ('"joinedAtMs":1795251778445', 1795251778445),
        ('"joinedAt":"1795251778"', 1795251778000),
        ('"joinedAt":1795251778', 1795251778000),
        ('"joinedAt":1.795251778e9', 1795251778000),
        ('"joinedAt":"1795251778.0"', 1795251778000),
        ('"joinedAtMs":"0","joinedAt":"1795251778"', 1795251778000),
        ('"joinedAtMs":null,"joinedAt":null', 0),
        ('"joined_at_ms":"1795251778445"', 1795251778445),
        ('"joined_at":"1795251778"', 1795251778000),
        ('"joinedAtMs":null,"joined_at_ms":5', 5),
        ('"joinedAt":"-62135596800"', -62135596800000),  # Go's zero time
    ],
)
def test_joining_is_in_milliseconds_whichever_field_has_it(fields: str, joined_at: int) -> None:
    """The finer field counts, the coarser one where it is absent; a 64-bit integer may be a string."""
    assert participant(fields).joined_at == joined_at


@pytest.mark.parametrize(
    ("fields", "created_at"),
    [
        ('"creationTimeMs":"1795251778382","creationTime":"1795251778"', 1795251778382),
        ('"creationTime":"1795251778"', 1795251778000),
        ('"creation_time_ms":1795251778382', 1795251778382),
        ('"creation_time":1795251778', 1795251778000),
        ('"creationTimeMs":null', 0),
    ],
)
def test_creation_of_a_room_is_in_milliseconds_whichever_field_has_it(fields: str, created_at: int) -> None:
    """The finer field counts, the coarser one where it is absent."""
    assert room(fields).created_at == created_at


@pytest.mark.parametrize("name", ["createdAt", "created_at"])
@pytest.mark.parametrize(("value", "created_at"), [('"17"', 17000), ("17", 17000), ("null", 0)])
def test_an_events_time_is_in_milliseconds(name: str, value: str, created_at: int) -> None:
    """LiveKit's seconds, times a thousand."""
    assert event(f'{{"id":"EV_1","event":"track_published","{name}":{value}}}').created_at == created_at


@pytest.mark.parametrize(
    ("fields", "hidden", "publisher"),
    [
        ('"permission":{"hidden":true},"isPublisher":true', True, True),
        ('"permission":{"hidden":false},"isPublisher":false', False, False),
        ('"permission":{"agent":true},"is_publisher":true', False, True),
        ('"permission":{"hidden":null},"isPublisher":null', False, False),
        ('"permission":null', False, False),
    ],
)
def test_hidden_and_publishing_are_claims_that_default_to_no(fields: str, *, hidden: bool, publisher: bool) -> None:
    """Whatever is left out or null is no."""
    read = participant(fields)

    assert (read.hidden, read.publisher) == (hidden, publisher)


@pytest.mark.parametrize(
    ("permission", "agent", "recorder"),
    [('{"agent":true}', True, False), ('{"recorder":true}', False, True), ('{"agent":null}', False, False)],
)
def test_grants_are_claims_that_default_to_no(permission: str, *, agent: bool, recorder: bool) -> None:
    """LiveKit sends those of every participant's token."""
    read = participant(f'"permission":{permission}')

    assert (read.granted, read.recorder, read.is_person) == (agent, recorder, not agent and not recorder)


def test_null_is_the_default_everywhere() -> None:
    """A participant of nulls is one that says no more than who it is."""
    read = participant('"name":null,"kind":null,"state":null,"metadata":null,"attributes":null,"permission":null')

    assert read == Participant(sid="PA_1", identity="i")
    assert room('"metadata":null,"creationTime":null').metadata == ""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            '{"id":"EV_1","event":"track_published","room":{"sid":"RM_1","name":"r"},"participant":{"sid":"PA_1"}}',
            Event(
                id="EV_1",
                name="track_published",
                created_at=0,
                room=Room(sid=RoomSid("RM_1"), name="r"),
                participant=Participant(sid="PA_1", identity=""),
            ),
            id="W6 a minimal room",
        ),
        pytest.param(
            '{"id":"EV_1","event":"ingress_started","room":{"name":"r"},"ingressInfo":{"ingressId":"IN_1"}}',
            Event(id="EV_1", name="ingress_started", created_at=0, room=Room(sid=RoomSid(""), name="r")),
            id="W6 a room of a name alone",
        ),
        pytest.param(
            '{"id":"EV_1","event":"agent_job_started","job":{"id":"AJ_1","room":{"sid":"RM_1","name":"r"}}}',
            Event(id="EV_1", name="agent_job_started", created_at=0, room=Room(sid=RoomSid("RM_1"), name="r")),
            id="W9 an agent job is of its room",
        ),
        pytest.param(
            '{"id":"EV_1","event":"agent_job_ended","job":{"id":"AJ_1","room":{"sid":"RM_1","name":"r"}}}',
            Event(id="EV_1", name="agent_job_ended", created_at=0, room=Room(sid=RoomSid("RM_1"), name="r")),
            id="W9 an agent job that has ended is of its room",
        ),
        pytest.param(
            '{"id":"EV_1","event":"agent_job_ended","job":{"id":"AJ_1"}}',
            Event(id="EV_1", name="agent_job_ended", created_at=0),
            id="W9 an agent job without a room",
        ),
        pytest.param(
            '{"id":"EV_1","event":"agent_job_pending","job":{"id":"AJ_1","room":{"sid":"RM_1","name":"r"},'
            '"attributes":{"x":"y","dispatcher.assignment":"default:RM_1:line/a:b#12:sig"}}}',
            Event(
                id="EV_1",
                name="agent_job_pending",
                created_at=0,
                room=Room(sid=RoomSid("RM_1"), name="r"),
                assignment="line/a:b",
                number=12,
            ),
            id="W9 an agent job with the tag of its dispatch",
        ),
        pytest.param(
            '{"id":"EV_1","event":"room_finished","room":{"sid":"RM_1","name":"r"},"roomEndReason":"ROOM_END_SUPERSEDED"}',
            Event(
                id="EV_1",
                name="room_finished",
                created_at=0,
                room=Room(sid=RoomSid("RM_1"), name="r"),
                end_reason="ROOM_END_SUPERSEDED",
            ),
            id="the end of a room with its reason",
        ),
        pytest.param(
            '{"id":"EV_1","event":"room_finished","room":{"sid":"RM_1","name":"r"},"room_end_reason":2}',
            Event(
                id="EV_1",
                name="room_finished",
                created_at=0,
                room=Room(sid=RoomSid("RM_1"), name="r"),
                end_reason="ROOM_END_IDLE_TIMEOUT",
            ),
            id="the same by its number",
        ),
        pytest.param(
            '{"id":"EV_1","event":"room_finished","room":{"sid":"RM_1","name":"r"},"roomEndReason":"ROOM_END_UNKNOWN"}',
            Event(id="EV_1", name="room_finished", created_at=0, room=Room(sid=RoomSid("RM_1"), name="r")),
            id="the end of a room whose reason nobody knows",
        ),
        pytest.param(
            '{"id":"EV_1","event":"room_moved","room":null,"participant":null,"into":{"deep":[1,{"a":[]}]},"x":1e9}',
            Event(id="EV_1", name="room_moved", created_at=0),
            id="W9 a future event",
        ),
        pytest.param(
            '{"id":"EV_0","event":"x","id":"EV_1"}',
            Event(id="EV_1", name="x", created_at=0),
            id="S8 a key twice: the last one counts",
        ),
        pytest.param(
            '{"id":"EV_1","event":"x","room":{"name":"a\\u0000b"}}',
            Event(id="EV_1", name="x", created_at=0, room=Room(sid=RoomSid(""), name="a\0b")),
            id="S8 NUL in a name: it is the room's name",
        ),
        pytest.param(
            '{"id":"EV_1","event":"x","room":{"name":"\\ud83d\\ude00 \\u003cb\\u003e"}}',
            Event(id="EV_1", name="x", created_at=0, room=Room(sid=RoomSid(""), name="\U0001f600 <b>")),
            id="S1 escapes",
        ),
        pytest.param(
            ' \n{ "event" : "x",\t"id":"EV_1" }\r\n',
            Event(id="EV_1", name="x", created_at=0),
            id="S1 spaces",
        ),
    ],
)
def test_an_event_is_what_it_says_and_no_more(body: str, expected: Event) -> None:
    """Minimal rooms, absent rooms, future events and fields are all read; what we do not use is passed over."""
    assert event(body) == expected


JOINED: Final = '{"id":"EV_1","event":"participant_joined","room":{"sid":"RM_1","name":"r"}'
UNDECODABLE: Final[dict[str, bytes]] = {
    "empty": b"",
    "a space": b" ",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"room_started"',
    "nothing": b"{}",
    "no id": b'{"event":"x"}',
    "empty id": b'{"id":"","event":"x"}',
    "null id": b'{"id":null,"event":"x"}',
    "a number for an id": b'{"id":5,"event":"x"}',
    "no event": b'{"id":"EV_1"}',
    "null event": b'{"id":"EV_1","event":null}',
    "a room without a name": b'{"id":"EV_1","event":"x","room":{"sid":"RM_1"}}',
    "a room with an empty name": b'{"id":"EV_1","event":"x","room":{"sid":"RM_1","name":""}}',
    "a list for a room": b'{"id":"EV_1","event":"x","room":[]}',
    "a room event without a room": b'{"id":"EV_1","event":"room_started"}',
    "a room event without a SID": b'{"id":"EV_1","event":"room_finished","room":{"name":"r"}}',
    "a participant event without a room": b'{"id":"EV_1","event":"participant_joined","participant":{"sid":"PA_1"}}',
    "a participant event without a participant": f"{JOINED}}}".encode(),
    "a participant without a SID": f'{JOINED},"participant":{{"identity":"i"}}}}'.encode(),
    "a participant without an identity": f'{JOINED},"participant":{{"sid":"PA_1"}}}}'.encode(),
    "a number for an attribute": b'{"id":"EV_1","event":"x","participant":{"attributes":{"a":5}}}',
    "a list of attributes": b'{"id":"EV_1","event":"x","participant":{"attributes":[]}}',
    "an object for a kind": b'{"id":"EV_1","event":"x","participant":{"kind":{}}}',
    "a fraction for a kind": b'{"id":"EV_1","event":"x","participant":{"kind":1.5}}',
    "truth for a time": b'{"id":"EV_1","event":"x","createdAt":true}',
    "a fraction of a second": b'{"id":"EV_1","event":"x","createdAt":1.5}',
    "a word for a time": b'{"id":"EV_1","event":"x","createdAt":"now"}',
    "an empty time": b'{"id":"EV_1","event":"x","createdAt":""}',
    "a time without end": b'{"id":"EV_1","event":"x","createdAt":1e400}',
    "a time beyond all": b'{"id":"EV_1","event":"x","createdAt":"1000000000000001"}',
    "a time of many digits": b'{"id":"EV_1","event":"x","createdAt":"' + b"9" * 5000 + b'"}',
    "not a number": b'{"id":"EV_1","event":"x","y":NaN}',
    "a trailing comma": b'{"id":"EV_1","event":"x",}',
    "something after it": b'{"id":"EV_1","event":"x"}{}',
    "cut off": b'{"id":"EV_1","event":"x',
    "a BOM": b'\xef\xbb\xbf{"id":"EV_1","event":"x"}',
    "UTF-16": '{"id":"EV_1","event":"x"}'.encode("utf-16"),
    "invalid UTF-8": b'{"id":"EV_1","event":"x","room":{"name":"\xff"}}',
    "invalid UTF-8 where we do not look": b'{"id":"EV_1","event":"x","y":"\xff"}',
    "a surrogate as UTF-8": b'{"id":"EV_1","event":"x","room":{"name":"\xed\xa0\x80"}}',
    "half a surrogate pair": b'{"id":"EV_1","event":"x","room":{"name":"\\ud800"}}',
    "the other half": b'{"id":"EV_1","event":"x","room":{"name":"\\udc00"}}',
    "a control character": b'{"id":"EV_1","event":"x","room":{"name":"\n"}}',
    "4 MiB of lists": b'{"id":"EV_1","event":"x","y":' + b"[" * (4 << 20),
    "4 MiB of objects": b'{"y":' * ((4 << 20) // 5),
    "4 MiB of rooms": b'{"room":' * ((4 << 20) // 8),
    "4 MiB of nothing": b" " * (4 << 20),
}


@pytest.mark.parametrize("body", UNDECODABLE)
def test_s8_a_signed_body_that_cannot_be_read_says_so(body: str) -> None:
    """It is not rejected (LiveKit would not send it again, nor better): whose it is and what is wrong is known."""
    undecodable = signed(UNDECODABLE[body])

    assert isinstance(undecodable, Undecodable), undecodable
    assert (undecodable.project, undecodable.key) == ("default", KEY)
    assert undecodable.why


def test_s8_an_event_of_4_mib_is_read() -> None:
    """Size alone makes nothing undecodable: metadata may be large, and the server limits the body."""
    metadata = "x" * (4 << 20)

    assert room(f'"metadata":"{metadata}"').metadata == metadata


@pytest.mark.parametrize(
    "body",
    [
        '{"id":"EV_1","event":"x","room":{"name":["hush"]}}',
        '{"id":"EV_1","event":"x","participant":{"attributes":{"hush":5}}}',
        '{"id":"EV_1","event":"x","participant":{"state":{"hush":"hush"}}}',
        '{"id":"EV_1","event":"x","createdAt":"hush"}',
        '{"id":"EV_1","event":"x","hush":hush}',
        '{"id":"EV_1","event":"room_started","room":{"name":"hush"}}',
        '{"id":"EV_1","event":"x","room":{"name":"hush\udcff"}}',
    ],
)
def test_why_a_body_is_undecodable_names_places_and_never_content(body: str) -> None:
    """What is logged of an undecodable body holds nothing that a user wrote into it."""
    undecodable = signed(body.encode("utf-8", "surrogateescape"))

    assert isinstance(undecodable, Undecodable)
    assert "hush" not in undecodable.why


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_no_signed_body_raises(body: bytes) -> None:
    """Whatever is signed is an event or undecodable."""
    assert isinstance(signed(body), Received | Undecodable)


@settings(deadline=None)
@given(at=st.integers(0, len(JOINED)), junk=st.binary(max_size=3))
def test_no_signed_body_that_is_nearly_right_raises(at: int, junk: bytes) -> None:
    """The same for what begins well."""
    whole = f'{JOINED},"participant":{{"sid":"PA_1","identity":"i","kind":4}}}}'.encode()

    assert isinstance(signed(whole[:at] + junk + whole[at + len(junk) :]), Received | Undecodable)
