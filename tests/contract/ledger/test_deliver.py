import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.ended import OVER_FINAL_MS
from dispatcher.ledger.interface import DEDUPE_MS, INBOX_MAX, Counts, Delivered, Delivery, Key, Ledger
from tests.contract.ledger.homes import KEY, OTHER, START, Home, held


async def test_the_first_event_of_a_session_hands_it_out(ledger: Ledger) -> None:
    """Who delivers to a session that nobody holds has its lease, its inbox and the ledger's clock."""
    delivery = await ledger.deliver(KEY, "e1", b"joined")

    assert delivery.outcome is Delivered.ACCEPTED
    assert delivery.handover is not None
    assert delivery.handover.lease.key == KEY
    assert delivery.handover.lease.until == START + LEASE_MS
    assert delivery.handover.record is None
    assert delivery.handover.inbox == (b"joined",)
    assert delivery.handover.now == START


async def test_an_event_without_take_makes_the_session_due(ledger: Ledger) -> None:
    """Whoever is draining or overloaded records the event and leaves the session to a claim."""
    delivery = await ledger.deliver(KEY, "e1", b"joined", take=False)

    assert delivery == Delivery(outcome=Delivered.ACCEPTED)
    [claimed], _ = await ledger.claim(10)
    assert claimed.inbox == (b"joined",)


async def test_an_event_for_a_held_session_waits_in_its_inbox(ledger: Ledger) -> None:
    """One lease per session: a second event hands nothing out and reaches the holder with its next save."""
    mine = await held(ledger)

    delivery = await ledger.deliver(KEY, "e2", b"left")

    assert delivery == Delivery(outcome=Delivered.ACCEPTED)
    saved = await ledger.save(mine.lease, b"record", mine.upto, Then.REST)
    assert saved.handover is not None
    assert saved.handover.inbox == (b"left",)


async def test_an_event_finds_the_record_that_was_saved(ledger: Ledger) -> None:
    """A session at rest is handed out with its record by the next event."""
    mine = await held(ledger)
    await ledger.save(mine.lease, b"record", mine.upto, Then.REST)

    again = await held(ledger, event=b"left")

    assert again.record == b"record"
    assert again.inbox == (b"left",)


async def test_an_empty_record_is_a_record(ledger: Ledger) -> None:
    """Empty bytes come back as empty bytes, not as None."""
    mine = await held(ledger)
    await ledger.save(mine.lease, b"", mine.upto, Then.REST)

    assert (await held(ledger)).record == b""


async def test_a_repeat_is_recorded_once(ledger: Ledger) -> None:
    """An event id seen before is DUPLICATE and adds nothing to the inbox."""
    await ledger.deliver(KEY, "e1", b"joined", take=False)

    assert await ledger.deliver(KEY, "e1", b"joined", take=False) == Delivery(outcome=Delivered.DUPLICATE)

    [claimed], _ = await ledger.claim(10)
    assert claimed.inbox == (b"joined",)


async def test_a_repeat_for_a_held_session_hands_nothing_out(ledger: Ledger) -> None:
    """A repeat never takes a lease from its holder."""
    await ledger.deliver(KEY, "e1", b"joined")

    assert await ledger.deliver(KEY, "e1", b"joined") == Delivery(outcome=Delivered.DUPLICATE)


async def test_a_repeat_for_a_drained_session_hands_nothing_out(ledger: Ledger) -> None:
    """What the event said has been folded and saved: there is nothing to do."""
    delivery = await ledger.deliver(KEY, "e1", b"joined")
    assert delivery.handover is not None
    await ledger.save(delivery.handover.lease, b"record", delivery.handover.upto, Then.DUE)

    assert await ledger.deliver(KEY, "e1", b"joined") == Delivery(outcome=Delivered.DUPLICATE)


async def test_a_repeat_takes_over_what_nobody_has_folded(ledger: Ledger) -> None:
    """The answer to the first delivery may have been lost: with the inbox full and nobody there, the repeat has it."""
    await ledger.deliver(KEY, "e1", b"joined", take=False)

    delivery = await ledger.deliver(KEY, "e1", b"joined")

    assert delivery.outcome is Delivered.DUPLICATE
    assert delivery.handover is not None
    assert delivery.handover.inbox == (b"joined",)


async def test_a_repeat_without_take_takes_nothing_over(ledger: Ledger) -> None:
    """`take=False` hands nothing out, whatever waits."""
    await ledger.deliver(KEY, "e1", b"joined", take=False)

    assert (await ledger.deliver(KEY, "e1", b"joined", take=False)).handover is None


@pytest.mark.parametrize("later", [1, DEDUPE_MS - 1, DEDUPE_MS])
async def test_an_event_id_is_remembered_long_enough(home: Home, later: int) -> None:
    """For DEDUPE_MS a repeat is known, wherever between two buckets it falls."""
    await home.ledger.deliver(KEY, "e1", b"joined")

    home.advance(later)

    assert (await home.ledger.deliver(KEY, "e1", b"joined", take=False)).outcome is Delivered.DUPLICATE


@pytest.mark.parametrize("later", [2 * DEDUPE_MS, 7 * DEDUPE_MS])
async def test_an_event_id_is_not_remembered_for_ever(home: Home, later: int) -> None:
    """After twice DEDUPE_MS the id is forgotten: the memory of ids is bounded."""
    await home.ledger.deliver(KEY, "e1", b"joined")

    home.advance(later)

    assert (await home.ledger.deliver(KEY, "e1", b"joined")).outcome is Delivered.ACCEPTED


async def test_events_without_an_id_are_never_repeats(ledger: Ledger) -> None:
    """The sweep and the operator deliver without an id, as often as they like."""
    await ledger.deliver(KEY, "", b"sweep", take=False)

    assert (await ledger.deliver(KEY, "", b"sweep", take=False)).outcome is Delivered.ACCEPTED


async def test_a_session_that_is_over_keeps_nothing(ledger: Ledger) -> None:
    """A late event is answered OVER, hands nothing out and is stored nowhere."""
    mine = await held(ledger)
    await ledger.save(mine.lease, b"last", mine.upto, Then.OVER)

    assert await ledger.deliver(KEY, "e2", b"late") == Delivery(outcome=Delivered.OVER)
    assert await ledger.deliver(KEY, "e2", b"late") == Delivery(outcome=Delivered.OVER)

    assert await ledger.claim(10) == ([], None)
    [life] = await ledger.find("p1", "lobby")
    assert life.record == b"last"


async def test_a_session_that_ended_a_minute_ago_begins_anew(home: Home) -> None:
    """LiveKit may revive a room under its old SID: whoever hears of it later than any late event comes, opens it."""
    mine = await held(home.ledger)
    await home.ledger.save(mine.lease, b"last", mine.upto, Then.OVER)

    home.advance(OVER_FINAL_MS - 1)
    assert await home.ledger.deliver(KEY, "e2", b"late") == Delivery(outcome=Delivered.OVER)
    assert await home.ledger.touch([KEY]) == set()
    home.advance(1)
    assert await home.ledger.touch([KEY]) == {KEY}
    again = (await home.ledger.deliver(KEY, "e2", b"alive")).handover

    assert again
    assert (again.record, again.inbox) == (None, (b"alive",))
    assert len(await home.ledger.find("p1", "lobby")) == 1
    assert await home.ledger.counts() == Counts(due=0, held=1, rest=0)


async def test_the_inbox_keeps_the_newest(ledger: Ledger) -> None:
    """A crowded inbox loses its oldest entries, and the positions behind them stay true."""
    mine = await held(ledger, event=b"first")
    for n in range(INBOX_MAX + 1):
        await ledger.deliver(KEY, f"e{n}", str(n).encode())

    saved = await ledger.save(mine.lease, b"record", mine.upto, Then.REST)

    assert saved.handover is not None
    assert len(saved.handover.inbox) == INBOX_MAX
    assert saved.handover.inbox[0] == b"1"
    assert saved.handover.inbox[-1] == str(INBOX_MAX).encode()


async def test_an_event_does_not_wait_for_the_due_time(ledger: Ledger) -> None:
    """A session due later is claimable now once an event comes, taken or not."""
    mine = await held(ledger)
    await ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + 60_000)

    await ledger.deliver(KEY, "e2", b"left", take=False)

    [claimed], _ = await ledger.claim(10)
    assert claimed.inbox == (b"left",)


async def test_an_event_does_not_cost_an_overdue_session_its_place(home: Home) -> None:
    """A session that was due before another still comes first after one more event."""
    for key in (KEY, OTHER):
        await home.ledger.deliver(key, "", b"joined", take=False)
        home.advance(10)

    await home.ledger.deliver(KEY, "", b"left", take=False)

    claimed, _ = await home.ledger.claim(10)
    assert [found.lease.key for found in claimed] == [KEY, OTHER]


async def test_an_event_takes_a_session_whose_lease_has_run_out(home: Home) -> None:
    """A lease that has run out holds nothing: the next event has the session, with what was never saved."""
    first = await held(home.ledger, event=b"first")

    home.advance(LEASE_MS)
    delivery = await home.ledger.deliver(KEY, "e2", b"second")

    assert delivery.handover is not None
    assert delivery.handover.inbox == (b"first", b"second")
    assert delivery.handover.lease.token != first.lease.token


async def test_a_lease_holds_to_its_last_millisecond(home: Home) -> None:
    """Until the lease has run out nobody else gets the session."""
    await held(home.ledger)

    home.advance(LEASE_MS - 1)

    assert (await home.ledger.deliver(KEY, "", b"second")).handover is None
    assert await home.ledger.claim(10) == ([], 1)


async def test_sessions_are_told_apart_by_project_and_sid(ledger: Ledger) -> None:
    """The same SID in another project and another SID under the same name are other sessions."""
    await held(ledger, KEY)
    await held(ledger, Key("p2", "lobby", "RM_1"))
    await held(ledger, Key("p1", "lobby", "RM_3"))

    assert await ledger.counts() == Counts(due=0, held=3, rest=0)
