import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import Counts, Handover, Key, Ledger, SaveAnswer, SaveResult
from tests.contract.ledger.homes import KEY, OTHER, START, Home, held

THIRD = Key("p2", "lobby", "RM_3")


async def rest(ledger: Ledger, mine: Handover, record: bytes = b"record") -> None:
    """The session is at rest, and was saved by its holder."""
    assert await ledger.save(mine.lease, record, mine.upto, Then.REST) == SaveAnswer(result=SaveResult.OK)


async def test_a_due_session_is_claimed_when_its_time_has_come(home: Home) -> None:
    """Not a millisecond before; and the claim that finds nothing says how long to wait."""
    mine = await held(home.ledger)
    await home.ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + 500)

    home.advance(499)
    assert await home.ledger.claim(10) == ([], 1)

    home.advance(1)
    [claimed], _ = await home.ledger.claim(10)
    assert claimed.record == b"record"
    assert claimed.inbox == ()


async def test_a_due_time_in_the_past_is_now(ledger: Ledger) -> None:
    """A session saved as due without a time is claimable at once."""
    mine = await held(ledger)
    await ledger.save(mine.lease, b"record", mine.upto, Then.DUE)

    claimed, _ = await ledger.claim(10)

    assert [found.lease.key for found in claimed] == [KEY]


async def test_nothing_known_means_no_time_to_wait(ledger: Ledger) -> None:
    """An empty ledger, and one with everything at rest, name no time."""
    assert await ledger.claim(10) == ([], None)

    await rest(ledger, await held(ledger))

    assert await ledger.claim(10) == ([], None)


async def test_the_longest_due_is_claimed_first(ledger: Ledger) -> None:
    """Order is by due time, not by arrival."""
    for key, due_at in ((KEY, START - 10), (OTHER, START - 30), (THIRD, START - 20)):
        mine = await held(ledger, key)
        await ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=due_at)

    claimed, _ = await ledger.claim(10)

    assert [found.lease.key for found in claimed] == [OTHER, THIRD, KEY]


async def test_a_claim_takes_no_more_than_its_limit(ledger: Ledger) -> None:
    """The rest stays due, and the claim says that it need not wait."""
    for key in (KEY, OTHER, THIRD):
        await ledger.deliver(key, "", b"joined", take=False)

    claimed, wait = await ledger.claim(2)

    assert [found.lease.key for found in claimed] == [KEY, OTHER]
    assert wait == 0
    assert await ledger.counts() == Counts(due=1, held=2, rest=0)


async def test_a_late_claim_says_since_when(home: Home) -> None:
    """What was handed out late carries the instant at which it could have been; what was not carries now."""
    mine = await held(home.ledger)
    assert mine.due == START
    await home.ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + 500)
    home.advance(700)

    [claimed], _ = await home.ledger.claim(10)
    assert (claimed.due, claimed.now) == (START + 500, START + 700)

    home.advance(LEASE_MS + 30)
    [claimed], _ = await home.ledger.claim(10)
    assert claimed.due == START + 700 + LEASE_MS


async def test_an_event_that_comes_before_the_due_time_is_in_time(home: Home) -> None:
    """A session handed out by an event while nothing was due was not late, at rest or due later."""
    for then, due_at in ((Then.REST, 0), (Then.DUE, START + 60_000)):
        mine = await held(home.ledger)
        await home.ledger.save(mine.lease, b"record", mine.upto, then, due_at=due_at)
        home.advance(100)

        mine = await held(home.ledger)
        assert mine.due == mine.now
        await home.ledger.save(mine.lease, b"record", mine.upto, Then.REST)


async def test_a_claim_waits_for_the_leases_it_handed_out(ledger: Ledger) -> None:
    """The next thing to happen after everything is claimed is the end of a lease."""
    await ledger.deliver(KEY, "", b"joined", take=False)

    assert (await ledger.claim(10))[1] == LEASE_MS


async def test_a_session_whose_holder_died_is_claimed(home: Home) -> None:
    """A lease that ran out is handed out again, with record and inbox as last saved."""
    mine = await held(home.ledger, event=b"joined")
    await home.ledger.save(mine.lease, b"checkpoint", mine.upto, Then.KEEP)
    await home.ledger.deliver(KEY, "e2", b"left")

    home.advance(LEASE_MS)

    [claimed], _ = await home.ledger.claim(10)
    assert claimed.record == b"checkpoint"
    assert claimed.inbox == (b"left",)
    assert claimed.lease.token != mine.lease.token


async def test_run_out_leases_and_due_times_are_one_order(home: Home) -> None:
    """What has waited longest comes first, whether it waited for a time or for its holder."""
    for key, due_in in ((OTHER, LEASE_MS + 10), (THIRD, LEASE_MS - 10)):
        mine = await held(home.ledger, key)
        await home.ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + due_in)
    await held(home.ledger, KEY)

    home.advance(LEASE_MS + 10)

    claimed, _ = await home.ledger.claim(10)
    assert [found.lease.key for found in claimed] == [THIRD, KEY, OTHER]


async def test_a_claim_for_one_sees_past_all_that_is_due_later(home: Home) -> None:
    """The only one whose time has come is found, however many of its name are due before long."""
    first, *others = [Key("p1", "lobby", f"RM_{n}") for n in range(4)]
    await held(home.ledger, first)
    for key in others:
        mine = await held(home.ledger, key)
        await home.ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + LEASE_MS + 5)

    home.advance(LEASE_MS)

    [claimed], wait = await home.ledger.claim(1)
    assert (claimed.lease.key, wait) == (first, 5)


@pytest.mark.parametrize("then", Then)
async def test_an_old_fence_changes_nothing(home: Home, then: Then) -> None:
    """Law 3: after another has taken the session, the old holder's save, renewal and release are lost."""
    old = await held(home.ledger)
    home.advance(LEASE_MS)
    [new], _ = await home.ledger.claim(1)

    assert await home.ledger.save(old.lease, b"old", old.upto, then) == SaveAnswer(result=SaveResult.LOST)
    assert await home.ledger.renew(old.lease) is None
    await home.ledger.release(old.lease)

    assert await home.ledger.counts() == Counts(due=0, held=1, rest=0)
    kept = await home.ledger.save(new.lease, b"new", 0, Then.REST)
    assert kept.handover is not None
    assert kept.handover.inbox == new.inbox


async def test_a_lease_that_ran_out_untaken_is_still_ours(home: Home) -> None:
    """The fence is the token: until another has the session a late save counts."""
    mine = await held(home.ledger)
    home.advance(LEASE_MS + 1)

    assert (await home.ledger.save(mine.lease, b"late", mine.upto, Then.REST)).result is SaveResult.OK


async def test_no_save_after_everything_was_forgotten(home: Home) -> None:
    """A lease from before the ledger was emptied resurrects nothing and fits no later session."""
    old = await held(home.ledger)
    await home.forget()
    assert (await home.ledger.save(old.lease, b"old", old.upto, Then.REST)).result is SaveResult.LOST

    await held(home.ledger)

    assert (await home.ledger.save(old.lease, b"old", old.upto, Then.REST)).result is SaveResult.LOST


async def test_a_save_sent_again_drains_once(ledger: Ledger) -> None:
    """`upto` is a position, not a count: what came in between is not lost to the second sending."""
    mine = await held(ledger, event=b"first")
    await ledger.deliver(KEY, "e2", b"second")

    first = await ledger.save(mine.lease, b"record", mine.upto, Then.REST)
    again = await ledger.save(mine.lease, b"record", mine.upto, Then.REST)

    assert first == again
    assert again.result is SaveResult.MORE
    assert again.handover is not None
    assert again.handover.inbox == (b"second",)


async def test_a_save_sent_again_after_it_ended_the_lease_is_lost(ledger: Ledger) -> None:
    """The lease is gone with the first: a lost answer costs a LOST, never a second effect."""
    mine = await held(ledger)
    await rest(ledger, mine)

    assert (await ledger.save(mine.lease, b"again", mine.upto, Then.DUE)).result is SaveResult.LOST
    assert await ledger.counts() == Counts(due=0, held=0, rest=1)


@pytest.mark.parametrize("then", [Then.DUE, Then.REST])
async def test_a_save_hands_out_what_came_in_meanwhile(home: Home, then: Then) -> None:
    """No event waits for a due time: the holder goes on with it, its lease renewed."""
    mine = await held(home.ledger)
    await home.ledger.deliver(KEY, "e2", b"left")
    home.advance(100)

    saved = await home.ledger.save(mine.lease, b"record", mine.upto, then, due_at=START + 60_000)

    assert saved.result is SaveResult.MORE
    assert saved.handover is not None
    assert saved.handover.record == b"record"
    assert saved.handover.inbox == (b"left",)
    assert saved.handover.lease.token == mine.lease.token
    assert saved.handover.lease.until == START + 100 + LEASE_MS
    assert (await home.ledger.save(saved.handover.lease, b"done", saved.handover.upto, then)).result is SaveResult.OK


async def test_a_checkpoint_renews_the_lease_and_leaves_the_inbox(home: Home) -> None:
    """KEEP stores the record; what came in waits, because an inbox is folded once per claim."""
    mine = await held(home.ledger)
    await home.ledger.deliver(KEY, "e2", b"left")
    home.advance(100)

    saved = await home.ledger.save(mine.lease, b"checkpoint", mine.upto, Then.KEEP)

    assert saved.result is SaveResult.KEPT
    assert saved.handover is not None
    assert saved.handover.record == b"checkpoint"
    assert saved.handover.inbox == ()
    assert saved.handover.upto == mine.upto
    assert saved.handover.lease.until == START + 100 + LEASE_MS
    later = await home.ledger.save(saved.handover.lease, b"record", saved.handover.upto, Then.REST)
    assert later.handover is not None
    assert later.handover.inbox == (b"left",)


async def test_a_renewed_lease_runs_from_now(home: Home) -> None:
    """The same token, LEASE_MS more, and nobody else gets the session meanwhile."""
    mine = await held(home.ledger)
    home.advance(LEASE_MS - 1)

    renewed = await home.ledger.renew(mine.lease)

    assert renewed is not None
    assert renewed.token == mine.lease.token
    assert renewed.until == START + 2 * LEASE_MS - 1
    home.advance(LEASE_MS - 1)
    assert await home.ledger.claim(10) == ([], 1)


async def test_a_released_session_is_due_now_for_anybody(ledger: Ledger) -> None:
    """A drive that cannot go on gives its session back whole; its lease is worth nothing afterwards."""
    mine = await held(ledger, event=b"joined")

    await ledger.release(mine.lease)

    [claimed], _ = await ledger.claim(10)
    assert claimed.inbox == (b"joined",)
    assert claimed.lease.token != mine.lease.token
    assert await ledger.renew(mine.lease) is None


async def test_a_released_lease_is_worth_nothing(ledger: Ledger) -> None:
    """Even while nobody else has the session, what was given back cannot be saved to."""
    mine = await held(ledger)
    await ledger.release(mine.lease)

    assert (await ledger.save(mine.lease, b"record", mine.upto, Then.REST)).result is SaveResult.LOST
    assert await ledger.counts() == Counts(due=1, held=0, rest=0)


async def test_every_lease_has_a_token_of_its_own(ledger: Ledger) -> None:
    """No fence is ever used twice."""
    tokens = set()
    for _ in range(20):
        mine = await held(ledger)
        tokens.add(mine.lease.token)
        await rest(ledger, mine)

    assert len(tokens) == 20


async def test_an_ended_session_is_in_none_of_the_places(home: Home) -> None:
    """OVER ends the lease for good, whatever came in: it is not claimed, counted or taken again."""
    mine = await held(home.ledger)
    await home.ledger.deliver(KEY, "e2", b"left")

    assert await home.ledger.save(mine.lease, b"last", mine.upto, Then.OVER) == SaveAnswer(result=SaveResult.OK)

    assert await home.ledger.counts() == Counts(due=0, held=0, rest=0)
    assert await home.ledger.renew(mine.lease) is None
    home.advance(LEASE_MS)
    assert await home.ledger.claim(10) == ([], None)


async def test_leases_that_run_out_in_a_row_are_counted(home: Home) -> None:
    """Whoever gets the session for that reason is told, by claim and by event; another one is not."""
    assert (await held(home.ledger)).lapses == 0
    for lapses in (1, 2, 3):
        home.advance(LEASE_MS)
        [mine], _ = await home.ledger.claim(10)
        assert mine.lapses == lapses
    home.advance(LEASE_MS)
    assert (await held(home.ledger)).lapses == 4


@pytest.mark.parametrize("then", [Then.REST, Then.DUE])
async def test_work_that_ends_well_is_no_lapse_and_ends_the_row(home: Home, then: Then) -> None:
    """The next lease that runs out is the first again."""
    await held(home.ledger)
    home.advance(LEASE_MS)
    [mine], _ = await home.ledger.claim(10)
    await home.ledger.save(mine.lease, b"record", mine.upto, then)
    assert (await held(home.ledger)).lapses == 0
    home.advance(LEASE_MS)
    assert (await held(home.ledger)).lapses == 1


async def test_a_checkpoint_does_not_end_the_row(home: Home) -> None:
    """Whoever saved it may have died of what came after."""
    await held(home.ledger)
    home.advance(LEASE_MS)
    [mine], _ = await home.ledger.claim(10)
    await home.ledger.save(mine.lease, b"record", mine.upto, Then.KEEP)
    home.advance(LEASE_MS)
    assert (await held(home.ledger)).lapses == 2


async def test_what_is_handed_back_is_no_lapse(home: Home) -> None:
    """A worker that is drained did not die of the session."""
    mine = await held(home.ledger)
    await home.ledger.release(mine.lease)
    assert (await held(home.ledger)).lapses == 0


async def test_a_session_that_is_left_alone_is_handed_out_to_nobody(home: Home) -> None:
    """Whatever comes in is kept until its time has come, and its last holder has no lease."""
    mine = await held(home.ledger)
    await home.ledger.release(mine.lease, alone_until=START + 60_000)

    home.advance(59_999)
    assert (await home.ledger.deliver(KEY, "e2", b"left")).handover is None
    assert (await home.ledger.deliver(KEY, "e2", b"left")).handover is None
    await home.ledger.deliver(KEY, "", b"swept", take=False)
    assert await home.ledger.claim(10) == ([], 1)
    assert (await home.ledger.save(mine.lease, b"record", mine.upto, Then.REST)).result is SaveResult.LOST

    home.advance(1)
    [claimed], _ = await home.ledger.claim(10)
    assert (claimed.lapses, claimed.inbox[-2:]) == (0, (b"left", b"swept"))


async def test_the_row_outlasts_being_left_alone(home: Home) -> None:
    """Who lapses again after that has not begun anew."""
    await held(home.ledger)
    home.advance(LEASE_MS)
    [mine], _ = await home.ledger.claim(10)
    await home.ledger.release(mine.lease, alone_until=START + LEASE_MS + 500)
    home.advance(500)
    [mine], _ = await home.ledger.claim(10)
    assert mine.lapses == 0
    home.advance(LEASE_MS)
    [mine], _ = await home.ledger.claim(10)
    assert mine.lapses == 2


async def test_a_lost_lease_leaves_nothing_alone(home: Home) -> None:
    """Another has the session."""
    mine = await held(home.ledger)
    home.advance(LEASE_MS)
    [other], _ = await home.ledger.claim(10)
    await home.ledger.release(mine.lease, alone_until=START + 60_000)
    assert (await home.ledger.save(other.lease, b"record", other.upto, Then.REST)).result is SaveResult.OK
