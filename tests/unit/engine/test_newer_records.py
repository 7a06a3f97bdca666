"""Two releases side by side: neither destroys what the other wrote, and a roll back leaves no session behind."""

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.session import Session
from dispatcher.core.timing import LEASE_MS
from dispatcher.engine.newer_records import MET_MAX, PATIENCE_MS, NewerRecords
from dispatcher.ledger.interface import Handover, Key, Lease
from dispatcher.ledger.record import VERSION, dump
from tests.unit.core.world import LOBBY, NOW, person
from tests.unit.desk import KEY, Desk, Staged

OURS = dump(Session(room=LOBBY.name, sid=LOBBY.sid))
NEWER = b'{"v":%d,"s":{"mood":"good"}}' % (VERSION + 1)
NEWER_STILL = b'{"v":%d,"s":{"mood":"better"}}' % (VERSION + 1)


def met(record: bytes | None, now: int, key: Key = KEY) -> Handover:
    """The session, handed out with this record at this time."""
    lease = Lease(key=key, token="t", until=now + LEASE_MS)
    return Handover(lease=lease, record=record, inbox=(), upto=0, now=now, due=now)


@pytest.mark.parametrize("record", [None, OURS, b"", b"garbage"])
def test_what_no_later_release_wrote_is_ours(record: bytes | None) -> None:
    """Also what is no record: a look rebuilds it."""
    assert not NewerRecords().defers(met(record, NOW))


@pytest.mark.parametrize(
    ("meetings", "asked_for"),
    [
        pytest.param([(NEWER, 0)], True, id="first-met"),
        pytest.param([(NEWER, 0), (NEWER, PATIENCE_MS - 1)], True, id="not-for-long"),
        pytest.param([(NEWER, 0), (NEWER, 10), (NEWER, PATIENCE_MS)], False, id="nobody-came"),
        pytest.param([(NEWER, 0), (NEWER_STILL, PATIENCE_MS)], True, id="somebody-advanced-it"),
        pytest.param([(NEWER, 0), (OURS, 10), (NEWER, PATIENCE_MS)], True, id="we-had-it-in-between"),
    ],
)
def test_patience_runs_out_where_nobody_advances_the_record(
    meetings: list[tuple[bytes, int]], *, asked_for: bool
) -> None:
    """It counts from the first meeting with the same bytes."""
    records = NewerRecords()
    assert [records.defers(met(record, NOW + later)) for record, later in meetings][-1] is asked_for


def test_patience_is_exercised_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a session was left to somebody else, and not for ever."""
    records = NewerRecords()
    assert [(records.defers(met(one, NOW)), records.deferred_lately) for one in (OURS, NEWER)] == [
        (False, False),
        (True, True),
    ]
    monkeypatch.setattr("dispatcher.engine.newer_records.PATIENCE_MS", 0)
    assert not records.deferred_lately


def test_patience_remembers_no_more_than_it_may() -> None:
    """With more sessions than that it begins anew: slower, not bigger."""
    records = NewerRecords()
    for n in range(MET_MAX + 1):
        records.defers(met(NEWER, NOW, Key("p1", "lobby", f"RM_{n}")))
    assert records.defers(met(NEWER, NOW + PATIENCE_MS, Key("p1", "lobby", "RM_0")))


async def written_by_a_later_release() -> Desk:
    """Alice is in the lobby, whose record we cannot read, and her webhook is in the ledger."""
    desk = Desk(livekit=Staged(person()))
    await desk.hear(who=person())
    handover = await desk.claim()
    await desk.ledger.save(handover.lease, NEWER, handover.upto, Then.REST)
    await desk.hear(who=person())
    return desk


async def test_a_record_of_a_later_release_is_left_as_it_is() -> None:
    """Nothing is asked of LiveKit, nothing saved; its event waits, and with the lease's end somebody else has both."""
    desk = await written_by_a_later_release()

    assert await desk.drive() is None

    assert desk.livekit.calls == []
    assert (await desk.life()).record == NEWER
    assert [line["sid"] for line in desk.said("session.deferred")] == [KEY.sid]
    desk.watch.later(LEASE_MS)
    successor = await desk.claim()
    assert (successor.record, len(successor.inbox)) == (NEWER, 1)


async def test_where_the_later_release_is_gone_a_look_rebuilds_the_session() -> None:
    """A minute later Alice has her agent."""
    desk = await written_by_a_later_release()

    await desk.drive_on(PATIENCE_MS + LEASE_MS)

    assert "create" in desk.livekit.calls
    assert (await desk.session()).assignments
