"""What a real livekit-server 1.13.5 sent: 27 deliveries, and what each of them says."""

import base64
import json
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.events import Event
from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.livekit.webhook import ApiKey, Received, receive, sign, verify

RECORDED: Final = Path(__file__).parents[2] / "recorded"
SECRET: Final = "devsecret-devsecret-devsecret-devsecret"
KEYS: Final = {"devkey": ApiKey("default", SECRET)}

SUPPORT: Final = Room(
    sid=RoomSid("RM_cf9JyWVAKj9d"),
    name="fx-support-42",
    metadata='{"tenant":"acme","plan":"pro","agent":"greeter"}',
    created_at=1795251778382,
)
SUPPORT_BY_NAME: Final = Room(sid=SUPPORT.sid, name=SUPPORT.name)
ABORTED: Final = Room(sid=RoomSid("RM_2NcSCbAboVXv"), name="fx-aborted", created_at=1795251789688)
CRASHED: Final = Room(sid=RoomSid("RM_XMVUhJcFJwoY"), name="crash-1795251102", created_at=1795251114923)
GHOST: Final = Room(sid=RoomSid("RM_Un4ciDQLR7at"), name="ghost-1795251259", created_at=1795251259084)

NOTE: Final = '{"lang":"no","note":"quotes \\" and <tags> & 日本"}'
GREETER: Final = {"lk.agent.name": "greeter", "lk.agent_name": "greeter"}
AVATAR: Final = {"lk.publish_on_behalf": "agent-AJ_x"}
CALL: Final = {
    "sip.callID": "SCL_8xKQ",
    "sip.callStatus": "active",
    "sip.phoneNumber": "+441632960961",
    "sip.ruleID": "SDR_1",
    "sip.trunkID": "ST_1",
    "sip.trunkPhoneNumber": "+442079460000",
}

ALICE: Final = Participant(sid="PA_ZgpQiBJz4zsc", identity="alice")
ALICE_AGAIN: Final = "PA_awwM6yJu7LZ4"
SAYS: Final[dict[str, Event]] = {
    "01": Event(id="EV_ude2GgXymJ3J", name="room_started", created_at=1795251778000, room=SUPPORT),
    "02": Event(
        id="EV_jTMfifKpRFHM",
        name="participant_joined",
        created_at=1795251778000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_ZgpQiBJz4zsc",
            identity="alice",
            kind="STANDARD",
            name="Alice Ødegård",
            active=True,
            joined_at=1795251778445,
            metadata=NOTE,
            attributes={"tier": "gold"},
        ),
    ),
    "03": Event(
        id="EV_TC2zYCS7AyGk",
        name="track_published",
        created_at=1795251778000,
        room=SUPPORT_BY_NAME,
        participant=ALICE,
    ),
    "04": Event(
        id="EV_qzWeYbDDWhYm",
        name="track_unpublished",
        created_at=1795251779000,
        room=SUPPORT_BY_NAME,
        participant=ALICE,
    ),
    "05": Event(
        id="EV_dnKkDQKPHXUV",
        name="participant_joined",
        created_at=1795251780000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_sPmKyysrJTDe",
            identity="sip_+441632960961",
            kind="SIP",
            name="Phone +441632960961",
            active=True,
            joined_at=1795251780466,
            attributes=CALL,
        ),
    ),
    "06": Event(
        id="EV_sthCFRMmW6vr",
        name="participant_joined",
        created_at=1795251781000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_NCC4acH9RdPS",
            identity="EG_abc",
            kind="EGRESS",
            active=True,
            joined_at=1795251780972,
        ),
    ),
    "07": Event(
        id="EV_CQHWqKwEcfR8",
        name="participant_joined",
        created_at=1795251781000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_wDATPQqDWg7o",
            identity="ingress-1",
            kind="INGRESS",
            active=True,
            joined_at=1795251781480,
        ),
    ),
    "08": Event(
        id="EV_5NwJuksseuYg",
        name="participant_joined",
        created_at=1795251782000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_nTp4byYnSdQw",
            identity="wa-1",
            kind="CONNECTOR",
            active=True,
            joined_at=1795251781994,
        ),
    ),
    "09": Event(
        id="EV_TKJXi3EJWgyC",
        name="participant_joined",
        created_at=1795251782000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_bS8XTLFomxQC",
            identity="watcher",
            active=True,
            hidden=True,
            joined_at=1795251782542,
        ),
    ),
    "10": Event(
        id="EV_Sjp6GMKj8pEG",
        name="participant_joined",
        created_at=1795251783000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_GgRttGnmSi7Y",
            identity="avatar_worker",
            kind="AGENT",
            active=True,
            joined_at=1795251783089,
            attributes=AVATAR,
        ),
    ),
    "11": Event(
        id="EV_jLFKLuh3Knax",
        name="participant_joined",
        created_at=1795251783000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_c4UdnxHzXYrT",
            identity="agent-AJ_Z4HDWTFfVivJ",
            kind="AGENT",
            granted=True,
            active=True,
            joined_at=1795251783800,
            attributes=GREETER,
        ),
    ),
    "12": Event(
        id="EV_jVBbZgWu4igy",
        name="participant_left",
        created_at=1795251785000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_ZgpQiBJz4zsc",
            identity="alice",
            name="Alice Ødegård",
            publisher=True,
            joined_at=1795251778445,
            metadata=NOTE,
            attributes={"tier": "gold"},
            disconnect_reason="DUPLICATE_IDENTITY",
        ),
    ),
    "13": Event(
        id="EV_JdPphcG2hJCF",
        name="participant_joined",
        created_at=1795251785000,
        room=SUPPORT,
        participant=Participant(
            sid=ALICE_AGAIN,
            identity="alice",
            name="Alice Ødegård",
            active=True,
            joined_at=1795251785596,
        ),
    ),
    "14": Event(
        id="EV_HUEonAVbBhHU",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_nTp4byYnSdQw",
            identity="wa-1",
            kind="CONNECTOR",
            joined_at=1795251781994,
            disconnect_reason="PARTICIPANT_REMOVED",
        ),
    ),
    "15": Event(
        id="EV_YnVhJZk8X9wb",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_sPmKyysrJTDe",
            identity="sip_+441632960961",
            kind="SIP",
            name="Phone +441632960961",
            joined_at=1795251780466,
            attributes=CALL,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "16": Event(
        id="EV_pPZD4ceJ3HNV",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_NCC4acH9RdPS",
            identity="EG_abc",
            kind="EGRESS",
            joined_at=1795251780972,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "17": Event(
        id="EV_aW9YYTzwXAQn",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_wDATPQqDWg7o",
            identity="ingress-1",
            kind="INGRESS",
            joined_at=1795251781480,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "18": Event(
        id="EV_hwspwpF7eGQD",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_bS8XTLFomxQC",
            identity="watcher",
            hidden=True,
            joined_at=1795251782542,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "19": Event(
        id="EV_DKMXTiohCW44",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_GgRttGnmSi7Y",
            identity="avatar_worker",
            kind="AGENT",
            joined_at=1795251783089,
            attributes=AVATAR,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "20": Event(
        id="EV_n6ncAd5Z5ka2",
        name="participant_left",
        created_at=1795251787000,
        room=SUPPORT,
        participant=Participant(
            sid=ALICE_AGAIN,
            identity="alice",
            name="Alice Ødegård",
            joined_at=1795251785596,
            disconnect_reason="CLIENT_INITIATED",
        ),
    ),
    "21": Event(
        id="EV_gnyBjCN7xErk",
        name="participant_left",
        created_at=1795251788000,
        room=SUPPORT,
        participant=Participant(
            sid="PA_c4UdnxHzXYrT",
            identity="agent-AJ_Z4HDWTFfVivJ",
            kind="AGENT",
            granted=True,
            joined_at=1795251783800,
            attributes=GREETER,
            disconnect_reason="ROOM_DELETED",
        ),
    ),
    "22": Event(id="EV_9eiyoy3ndhSg", name="room_finished", created_at=1795251788000, room=SUPPORT),
    "23": Event(id="EV_vzt3HejtBp3q", name="room_started", created_at=1795251789000, room=ABORTED),
    "24": Event(
        id="EV_MSpgFDCJDJiC",
        name="participant_connection_aborted",
        created_at=1795251790000,
        room=ABORTED,
        participant=Participant(
            sid="PA_iDkn4W5DfZmt",
            identity="bob",
            joined_at=1795251789688,
            disconnect_reason="SIGNAL_CLOSE",
        ),
    ),
    "25": Event(id="EV_MTmy6SnBuNR7", name="room_finished", created_at=1795251795000, room=ABORTED),
    "26": Event(
        id="EV_FNs4Xz5G45pz",
        name="participant_left",
        created_at=1795251133000,
        room=CRASHED,
        participant=Participant(
            sid="PA_SCXDDWib9Zbh",
            identity="agent-AJ_X37q9cedanZT",
            kind="AGENT",
            granted=True,
            joined_at=1795251115306,
            attributes=GREETER,
            disconnect_reason="ROOM_CLOSED",
        ),
    ),
    "27": Event(
        id="EV_Q4e3Sk9CgwUi",
        name="participant_left",
        created_at=1795251282000,
        room=GHOST,
        participant=Participant(
            sid="PA_T3XSoZKGWYcq",
            identity="agent-AJ_wtfQpvSZS4Gw",
            kind="AGENT",
            granted=True,
            joined_at=1795251259367,
            attributes=GREETER,
            disconnect_reason="CONNECTION_TIMEOUT",
        ),
    ),
}


def delivery(number: str) -> tuple[bytes, str, int]:
    """Body, Authorization and the second in which the token was made, of one recorded delivery."""
    (path,) = RECORDED.glob(f"{number}-*.json")
    recorded = json.loads(path.read_text())
    authorization = recorded["headers"]["Authorization"]
    claims = json.loads(base64.urlsafe_b64decode(authorization.split(".")[1] + "=="))
    return recorded["body"].encode(), authorization, claims["iat"]


def test_every_recorded_delivery_is_in_the_table() -> None:
    """The table has a line for each file."""
    assert {path.name[:2] for path in RECORDED.glob("*.json")} == SAYS.keys()


@pytest.mark.parametrize("number", SAYS)
def test_a_recorded_delivery_says_what_it_says(number: str) -> None:
    """A delivery of a real server is verified at its own instant and read to the last field."""
    body, authorization, made_at = delivery(number)

    received = receive(body, verify(authorization, KEYS, made_at * 1000 + 7))

    assert received == Received("default", "devkey", SAYS[number], 7)


@pytest.mark.parametrize("number", SAYS)
def test_sign_makes_the_token_that_livekit_made(number: str) -> None:
    """Signing a recorded body at its instant gives the recorded token, byte for byte."""
    body, authorization, made_at = delivery(number)

    assert sign(body, key="devkey", secret=SECRET, now=made_at * 1000 + 999) == authorization


@pytest.mark.parametrize("number", SAYS)
def test_a_delivery_of_a_server_before_1_13_says_the_same(number: str) -> None:
    """Those servers sign with iss, nbf, exp and sha256, and no iat: the event is read, and its age known."""
    body, authorization, made_at = delivery(number)
    older = sign(body, key="devkey", secret=SECRET, now=made_at * 1000, iat=False)
    claims = json.loads(base64.urlsafe_b64decode(older.split(".")[1] + "=="))

    assert claims.keys() == {"iss", "nbf", "exp", "sha256"}
    assert older != authorization
    assert receive(body, verify(older, KEYS, made_at * 1000 + 7)) == Received("default", "devkey", SAYS[number], 7)


def test_nothing_that_is_not_used_is_decoded() -> None:
    """The room's TURN password, a secret, is in the body and nowhere in what was read of it."""
    body, authorization, made_at = delivery("01")
    password = json.loads(body)["room"]["turnPassword"]

    assert password not in repr(receive(body, verify(authorization, KEYS, made_at * 1000)))
