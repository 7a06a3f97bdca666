"""The same judgement and the same reading as LiveKit's own SDK, but where we differ on purpose."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import jwt
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol.models import DisconnectReason, ParticipantInfo, ParticipantPermission
from livekit.protocol.models import Room as WireRoom
from livekit.protocol.webhook import WebhookEvent

from dispatcher.core.events import Event
from dispatcher.core.facts import RELEVANT_EVENTS, Participant, Room, RoomSid
from dispatcher.livekit.webhook import ApiKey, BadWebhook, Received, receive, verify
from tests.unit.livekit.forged import KEY, claims

T = TypeVar("T")
SECRET: Final = "long enough that PyJWT signs with HS512 and has nothing to say to it"
KEYS: Final = {KEY: ApiKey("default", SECRET)}
SDK: Final = WebhookReceiver(TokenVerifier(KEY, SECRET))

TEXT: Final = st.text(max_size=8)  # hypothesis leaves surrogates out, as protobuf does
WORD: Final = st.text(min_size=1, max_size=8)
SECONDS: Final = st.integers(-(10**15), 10**15)
NAMES: Final = st.sampled_from([*sorted(RELEVANT_EVENTS), "track_published", "egress_updated", "room_moved"])


def message(kind: Callable[..., T], fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[T]:
    """Messages with any subset of the fields set: what is not set is left out of the JSON."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda chosen: kind(**chosen))


ROOMS: Final = st.builds(
    WireRoom,
    sid=WORD,
    name=WORD,
    metadata=TEXT,
    creation_time=SECONDS,
    creation_time_ms=SECONDS | st.just(0),
    turn_password=TEXT,
    num_participants=st.integers(0, 2**32 - 1),
    active_recording=st.booleans(),
)
PERMISSIONS: Final = message(
    ParticipantPermission,
    {"hidden": st.booleans(), "agent": st.booleans(), "can_publish_sources": st.lists(st.integers(0, 4), max_size=2)},
)
PARTICIPANTS: Final = st.builds(
    ParticipantInfo,
    sid=WORD,
    identity=WORD,
    name=TEXT,
    kind=st.sampled_from([*ParticipantInfo.Kind.values(), 5, 99, -1]),
    state=st.sampled_from([*ParticipantInfo.State.values(), 17]),
    metadata=TEXT,
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    permission=st.none() | PERMISSIONS,
    is_publisher=st.booleans(),
    joined_at=SECONDS,
    joined_at_ms=SECONDS | st.just(0),
    disconnect_reason=st.sampled_from([*DisconnectReason.values(), 99]),
    region=TEXT,
    kind_details=st.lists(st.integers(0, 6), max_size=9),
)
EVENTS: Final = st.builds(
    WebhookEvent,
    id=WORD,
    event=NAMES,
    created_at=SECONDS,
    room=ROOMS,
    participant=PARTICIPANTS,
    num_dropped=st.integers(0, 9),
)
SPELLINGS: Final[st.SearchStrategy[Callable[[WebhookEvent], str]]] = st.builds(
    partial,
    st.just(json_format.MessageToJson),
    preserving_proto_field_name=st.booleans(),
    use_integers_for_enums=st.booleans(),
    always_print_fields_with_no_presence=st.booleans(),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)


def sdk_reads(body: str, authorization: str) -> WebhookEvent | None:
    """The SDK's event, or None where it refuses."""
    try:
        return SDK.receive(body, authorization)
    except Exception:  # noqa: BLE001 - the SDK says no with bare exceptions of many libraries
        return None


def we_read(body: str, authorization: str, keys: dict[str, ApiKey] = KEYS) -> Event | None:
    """Our event, or None where we refuse."""
    try:
        received = receive(body.encode(), verify(authorization, keys, int(time.time() * 1000)))
    except BadWebhook:
        return None
    return received.event if isinstance(received, Received) else None


def as_event(wire: WebhookEvent) -> Event:
    """What the core is to have of an event that the SDK has read."""
    room, person = wire.room, wire.participant
    reason = named(DisconnectReason.items(), person.disconnect_reason)
    return Event(
        id=wire.id,
        name=wire.event,
        created_at=wire.created_at * 1000,
        room=Room(
            sid=RoomSid(room.sid),
            name=room.name,
            metadata=room.metadata,
            created_at=room.creation_time_ms or room.creation_time * 1000,
        ),
        participant=Participant(
            sid=person.sid,
            identity=person.identity,
            kind=named(ParticipantInfo.Kind.items(), person.kind),
            kind_details=tuple(named(ParticipantInfo.KindDetail.items(), one) for one in person.kind_details[:8]),
            region=person.region,
            name=person.name,
            active=person.state == ParticipantInfo.State.ACTIVE,
            hidden=person.permission.hidden,
            granted=person.permission.agent,
            recorder=person.permission.recorder,
            publisher=person.is_publisher,
            joined_at=person.joined_at_ms or person.joined_at * 1000,
            metadata=person.metadata,
            attributes=dict(person.attributes),
            disconnect_reason="" if reason == "UNKNOWN_REASON" else reason,
        ),
    )


def named(values: list[tuple[str, int]], number: int) -> str:
    """The enum's name for the number, or the number."""
    return {value: name for name, value in values}.get(number, str(number))


def fresh(body: str, **changed: object) -> dict[str, object]:
    """LiveKit's claims for a body that is sent now."""
    now = int(time.time())
    times: dict[str, object] = {"iat": now, "nbf": now, "exp": now + 300}
    return claims(body.encode(), **times | changed)


def signed(payload: dict[str, object], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token made by PyJWT."""
    return jwt.encode(payload, secret, algorithm=algorithm)


@settings(deadline=None)
@given(EVENTS, SPELLINGS)
def test_every_spelling_of_an_event_is_read_as_the_sdk_reads_it(
    wire: WebhookEvent,
    spelled: Callable[[WebhookEvent], str],
) -> None:
    """Names in camel or snake case, enums as names or numbers, defaults left out or not: the fields are the same."""
    body = spelled(wire)
    authorization = signed(fresh(body))

    read = sdk_reads(body, authorization)

    assert read == wire
    assert we_read(body, authorization) == as_event(read)


WRONG: Final = st.sampled_from(
    [
        {},
        {"claims": {"sha256": None}},
        {"claims": {"sha256": "AAAA"}},
        {"claims": {"iss": "other"}},
        {"claims": {"iss": None}},
        {"claims": {"exp": None}},
        {"claims": {"nbf": None}},
        {"claims": {"aud": "somebody"}},
        {"claims": {"aud": ""}},
        {"claims": {"sub": "alice", "video": {"roomJoin": True}}},
        {"secret": SECRET + "x"},
        {"algorithm": "HS384"},
        {"algorithm": "HS512"},
        {"body": " "},
        {"before": "x"},
        {"after": "x"},
    ],
)
NEAR: Final = st.sampled_from([-600, -63, -57, 0, 57, 63, 600])  # three seconds from the edge: two clocks are read


@settings(deadline=None)
@given(EVENTS, WRONG, NEAR, NEAR)
def test_every_request_is_judged_as_the_sdk_judges_it(
    wire: WebhookEvent,
    wrong: dict[str, object],
    begins: int,
    ends: int,
) -> None:
    """Right and wrong secrets, issuers, hashes, algorithms and times: both accept it, or neither does."""
    body = json_format.MessageToJson(wire, indent=None)
    now = int(time.time())
    claimed = fresh(body, iat=now + begins, nbf=now + begins, exp=now + ends)
    changed = wrong.get("claims", {})
    assert isinstance(changed, dict)
    payload = {name: value for name, value in (claimed | changed).items() if value is not None}
    token = signed(
        payload,
        secret=str(wrong.get("secret", SECRET)),
        algorithm=str(wrong.get("algorithm", "HS256")),
    )
    sent = (body + str(wrong.get("body", "")), str(wrong.get("before", "")) + token + str(wrong.get("after", "")))

    assert (we_read(*sent) is None) == (sdk_reads(*sent) is None)


PLAIN: Final = '{"id":"EV_1","event":"room_started","room":{"sid":"RM_1","name":"r"}}'
WITHOUT_PLACE: Final = '{"id":"EV_1","event":"room_started"}'
TWICE: Final = '{"id":"EV_1","id":"EV_2","event":"x"}'
HUGE: Final = '{"id":"EV_1","event":"x","createdAt":"9223372036854775807"}'
TRUTH_AS_WORD: Final = '{"id":"EV_1","event":"x","participant":{"isPublisher":"true"}}'


@pytest.mark.parametrize(
    ("body", "changed", "around", "ours", "theirs"),
    [
        pytest.param(PLAIN, {}, "{}", True, True, id="the same, as a check of this table"),
        pytest.param(PLAIN, {}, "Bearer {}", True, False, id="proxies and tests send Bearer"),
        pytest.param(PLAIN, {}, " {} ", True, False, id="space around a header means nothing"),
        pytest.param(PLAIN, {"iss": "second"}, "{}", True, False, id="a project has several keys"),
        pytest.param(
            PLAIN, {"iat": None}, "{}", True, True, id="the same without iat, as servers before 1.13.0 send it"
        ),
        pytest.param(PLAIN, {"exp": 2e9}, "{}", False, True, id="LiveKit's times are whole seconds"),
        pytest.param(PLAIN, {"exp": "2000000000"}, "{}", False, True, id="and numbers"),
        pytest.param(PLAIN, {"exp": 10**16}, "{}", False, True, id="within this geological age"),
        pytest.param(PLAIN, {"sub": 5}, "{}", True, False, id="claims we do not use are not judged"),
        pytest.param(PLAIN, {"sha256": "!"}, "{}", False, True, id="LiveKit's hash is plain base64"),
        pytest.param("[]", {}, "{}", False, True, id="an event has an id, a name"),
        pytest.param(WITHOUT_PLACE, {}, "{}", False, True, id="and a place"),
        pytest.param(HUGE, {}, "{}", False, True, id="times fit 64 bits in milliseconds"),
        pytest.param(TWICE, {}, "{}", True, False, id="of a key given twice the last one counts"),
        pytest.param(TRUTH_AS_WORD, {}, "{}", True, False, id="true in quotes is true"),
    ],
)
def test_where_we_differ_from_the_sdk_on_purpose(
    body: str,
    changed: dict[str, object],
    around: str,
    ours: bool,
    theirs: bool,
) -> None:
    """Stricter about what LiveKit always sends, more lenient about what does not matter."""
    payload = fresh(body, **changed)
    if changed.get("sha256") == "!":
        payload["sha256"] = f"{fresh(body)['sha256']}!"  # the SDK's base64 passes over it
    authorization = around.format(signed(payload))
    keys = KEYS | {"second": ApiKey("default", SECRET)}

    assert (we_read(body, authorization, keys) is not None) is ours
    assert (sdk_reads(body, authorization) is not None) is theirs


@pytest.mark.parametrize(("ours", "theirs"), [("HOLOGRAM", "STANDARD")])
def test_a_kind_that_nobody_knows_is_no_person_to_us(ours: str, theirs: str) -> None:
    """The SDK reads a kind of a newer LiveKit as STANDARD, and would send an agent to it; it keeps its name with us."""
    body = json.dumps({"id": "EV_1", "event": "track_published", "participant": {"kind": ours}})
    authorization = signed(fresh(body))

    event, read = we_read(body, authorization), sdk_reads(body, authorization)

    assert event is not None
    assert event.participant is not None
    assert read is not None
    assert (event.participant.kind, ParticipantInfo.Kind.Name(read.participant.kind)) == (ours, theirs)
