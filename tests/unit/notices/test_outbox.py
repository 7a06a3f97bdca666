"""What a save tells: rooms by their states, agents by the timeline, nobody where nobody listens."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.config import Receiver
from dispatcher.core.notices import TEXT_MAX, Happening, NoticeKind
from dispatcher.core.session import Session
from dispatcher.core.targets import TargetFacts
from dispatcher.core.timeline import Entry, Part, Said
from dispatcher.notices.outbox import Outbox, read
from dispatcher.telemetry.masks import Mask
from tests.unit.core.world import NOW, assignment, attempt, session
from tests.unit.desk import KEY
from tests.unit.notices.tell import receiver

STARVED, RECOVERED, RELEASED = NoticeKind.ROOM_STARVED, NoticeKind.ROOM_RECOVERED, NoticeKind.ROOM_RELEASED


def told(
    before: Session,
    after: Session,
    *entries: Entry,
    receivers: Sequence[Receiver] | None = None,
    mask: Mask | None = None,
) -> list[Happening]:
    """What the save of `after` tells."""
    outbox = Outbox(lambda: [receiver()] if receivers is None else receivers, mask or Mask())
    notices = outbox.of_session(KEY, before, after, entries, NOW)
    return [one for notice in notices if (one := read(notice))]


def starved(**fields: Any) -> Session:  # noqa: ANN401 - an assignment's
    """Somebody waits, and every target has been tried."""
    return session(assignment(rounds=1, attended=True, **fields))


def test_a_room_that_starves_is_told_with_its_diagnosis() -> None:
    """Where, which agent, and why."""
    [one] = told(session(assignment(attended=True)), starved(waiting_since=NOW - 40_000))

    assert (one.kind, one.project, one.room, one.session) == (STARVED, KEY.project, KEY.room, KEY.sid)
    assert (one.agent, one.assignment, one.at) == ("greeter", "greeter", NOW)
    assert one.text.startswith("No agent")


def test_it_is_told_once_while_it_starves() -> None:
    """Whatever is tried meanwhile."""
    assert told(starved(), starved()) == []
    assert told(starved(), starved(attempts=(attempt(),))) == []


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (session(assignment(attempts=(attempt(agent_sid="PA_1"),), attended=True)), RECOVERED),
        (session(assignment(rounds=1, attended=False)), RELEASED),
        (session(assignment(rounds=1, attended=True, finished_at=NOW)), RELEASED),
        (session(assignment(rounds=1, attended=True, paused=True)), RELEASED),
        (replace(starved(), finished=True), RELEASED),
        (session(), RELEASED),
    ],
    ids=["served", "left", "finished", "paused", "room over", "gone"],
)
def test_how_it_ends_is_told(after: Session, kind: NoticeKind) -> None:
    """A recovery is one only where the agent is there."""
    [one] = told(starved(), after)

    assert (one.kind, one.agent) == (kind, "greeter")


def test_a_room_that_is_over_starves_no_more_and_is_not_told_again() -> None:
    """Its record may still say that somebody waits."""
    over = replace(starved(), finished=True)

    assert told(over, over) == []


def test_agents_are_told_by_the_timeline() -> None:
    """What was asked to go, and went; what nobody asked for. A refusal is no removal."""
    entries = [
        Entry(at=NOW, said=Said.ATTEMPT_RETRACTED, part=Part.AGENT, agent="greeter", assignment="greeter"),
        Entry(at=NOW, said=Said.ATTEMPT_RETRACTED, part=Part.AGENT, agent="greeter", reason="timeout"),
        Entry(at=NOW, said=Said.ATTEMPT_RETRACTED, part=Part.DISPATCH, agent="greeter"),
        Entry(at=NOW, said=Said.AGENT_SENT_AWAY, agent=""),
        Entry(at=NOW, said=Said.AGENT_UNREQUESTED, agent="sales, "),
        Entry(at=NOW, said=Said.AGENT_JOINED, agent="greeter"),
    ]

    found = told(session(), session(), *entries)

    assert [(one.kind, one.agent) for one in found] == [
        (NoticeKind.AGENT_REMOVED, "greeter"),
        (NoticeKind.AGENT_REMOVED, "one without a name"),
        (NoticeKind.AGENT_UNREQUESTED, "sales, one without a name"),
    ]


def test_people_are_masked_where_they_are_masked_everywhere() -> None:
    """In the room's name, the assignment's, and the diagnosis."""
    mask = Mask()
    mask.use(b"key")
    before, after = (session(assignment(identity="+442079460000", rounds=n, attended=True)) for n in (0, 1))

    [one] = told(before, after, mask=mask)

    assert "2079460000" not in repr(one)
    assert one.assignment == f"greeter/{mask.identity('+442079460000')}"


def test_nobody_is_told_where_nobody_listens() -> None:
    """No receiver, or none of this kind."""
    assert told(session(), starved(), receivers=()) == []
    assert told(session(), starved(), receivers=[receiver(kinds=frozenset({RECOVERED}))]) == []
    assert not Outbox(tuple, Mask()).used


def test_what_is_told_is_bounded() -> None:
    """A computed agent may be called anything."""
    outbox = Outbox(lambda: [receiver()], Mask())

    [notice] = outbox.posted(Happening(kind=STARVED, at=NOW, agent="a" * 9_000, text="t" * 9_000))

    one = read(notice)
    assert one is not None
    assert len(one.text) == TEXT_MAX
    assert len(one.agent) < 100


def test_a_circuit_is_told_as_it_opens_and_closes() -> None:
    """What else changes of a target is nobody's news."""
    outbox = Outbox(lambda: [receiver()], Mask())
    closed, opened = TargetFacts(seen_at=NOW), TargetFacts(opened_at=NOW)

    kinds = [
        [one.kind for notice in outbox.of_circuit("p", "greeter", *change) if (one := read(notice))]
        for change in ((closed, opened), (opened, closed), (opened, replace(opened, probed_at=9)), (closed, closed))
    ]

    assert kinds == [[NoticeKind.CIRCUIT_OPENED], [NoticeKind.CIRCUIT_CLOSED], [], []]


def test_a_notice_of_another_release_is_none() -> None:
    """It is dropped, and stops nothing."""
    assert read(b'{"kind":"of tomorrow","at":1}') is None
    assert read(b"\xff") is None
