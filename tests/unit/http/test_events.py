"""What an event says of a change, and what it keeps for itself."""

import json
from typing import Any

from dispatcher.core.pauses import Pause
from dispatcher.core.timeline import Entry, Said
from dispatcher.http.events import told
from dispatcher.http.feed import FeedEvent, Point
from dispatcher.ledger import changes
from dispatcher.ledger.changes import Change, Changed, CircuitChanged, PausesChanged, SessionChanged
from dispatcher.telemetry.masks import Mask

AT = 1_700_000_000_000
JOINED = Entry(at=AT - 5, said=Said.AGENT_JOINED, number=1, agent="greeter", took=1_500)


def events(changed: Changed, mask: Mask | None = None) -> list[FeedEvent]:
    """The events of this change, which was announced at AT."""
    return list(told(Change(AT, 2, 7, changes.dump(changed)), mask or Mask()))


def fields(event: FeedEvent) -> dict[str, Any]:
    """What the event says, with the kind and the id that it was sent with."""
    name, kind, data, *rest = event.text.decode().split("\n")
    assert rest == ["", ""]
    said: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return {"id": name.removeprefix("id: "), "kind": kind.removeprefix("event: "), **said}


def test_each_entry_of_a_session_is_an_event() -> None:
    """With the words that `explain` has; their points tell them apart."""
    entries = (Entry(at=AT - 9, said=Said.ASSIGNMENT_CREATED, assignment="all", agent="greeter"), JOINED)
    one, other = events(SessionChanged(project="p", room="lobby", sid="RM_1", entries=entries))

    assert (one.project, one.room, one.point, other.point) == ("p", "lobby", Point(AT, 2, 7, 1), Point(AT, 2, 7, 2))
    assert fields(other) == {
        "id": f"{AT}-2-7-2",
        "kind": "room",
        "project": "p",
        "room": "lobby",
        "session": "RM_1",
        "at": AT - 5,
        "event": "agent.joined",
        "text": "greeter is in the room (attempt 1), 1.50 s after the first person",
        "assignment": "",
        "agent": "greeter",
    }


def test_people_are_marks_where_identities_are_masked() -> None:
    """Wherever they show: in the room's name, in the assignment, in the sentence."""
    mask = Mask()
    mask.use(b"key")
    entry = Entry(at=AT, said=Said.ASSIGNMENT_STARVED, assignment="line/+15550100", agent="greeter")
    [event] = events(SessionChanged(project="p", room="call-+15550100", sid="RM_1", entries=(entry,)), mask)

    mark = mask.identity("15550100")
    said = fields(event)
    assert b"5550100" not in event.text
    assert (said["room"], said["assignment"]) == (f"call-{mark}", f"line/{mask.identity('+15550100')}")
    assert said["assignment"] in said["text"]
    assert event.room == "call-+15550100"  # by which it is asked for


def test_a_name_of_whatever_characters_stays_on_its_line() -> None:
    """Nobody writes events of their own into the stream by what they call a room or an agent."""
    odd = "a\n\nevent: forged\r\ndata: {}\x00\u2028"
    entry = Entry(at=AT, said=Said.AGENT_UNREQUESTED, agent=odd)
    [event] = events(SessionChanged(project="p", room=odd, sid="RM_1", entries=(entry,)))

    assert (fields(event)["room"], fields(event)["kind"]) == (odd, "room")
    assert b"\r" not in event.text


def test_a_circuit_is_an_event_of_its_agent() -> None:
    """Of no room: whoever asks for one room's does not get it."""
    opened, closed = (
        events(CircuitChanged(project="p", target="sales@blue", open=is_open))[0] for is_open in (True, False)
    )

    assert (opened.room, fields(opened)["kind"], fields(opened)["event"]) == ("", "agent", "circuit.opened")
    assert (fields(closed)["event"], fields(closed)["agent"], fields(closed)["at"]) == (
        "circuit.closed",
        "sales@blue",
        AT,
    )
    assert fields(opened)["text"].startswith("no agent of sales@blue is seen in any room")


def test_pauses_are_told_with_who_ordered_them() -> None:
    """Their beginning and their end, by an order or by themselves."""
    pause = Pause(by="ops", at=AT, until=AT + 60_000, reason="deploy")
    begun, over = events(PausesChanged(project="p", begun={"sales": pause}, ended=("greeter",), by="ops"))
    [by_itself] = events(PausesChanged(project="p", ended=("sales",)))

    assert fields(begun)["text"] == "sales is paused by ops until 22:14:20 UTC: deploy"
    assert [fields(one)["event"] for one in (begun, over)] == ["agent.paused", "agent.resumed"]
    assert fields(over)["text"] == "greeter is paused no longer: ops has resumed it"
    assert fields(by_itself)["text"] == "sales is paused no longer: its time is over"
    assert {fields(one)["kind"] for one in (begun, over, by_itself)} == {"pause"}


def test_what_a_later_release_announces_in_its_own_way_is_passed_over() -> None:
    """It is no defect."""
    for body in (b'{"type":"weather"}', b"no JSON", b'{"type":"session"}'):
        assert list(told(Change(AT, 0, 0, body), Mask())) == []
