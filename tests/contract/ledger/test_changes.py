"""What is announced to whoever watches: in the step that saves it, in order, bounded, and never lost unsaid."""

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.changes import CHANGES_MAX, WATCH_MS, Announced
from dispatcher.ledger.interface import Handover, Key, Ledger, SaveResult, Telling
from dispatcher.ledger.redis.scripts import PARTITIONS
from tests.contract.ledger.homes import KEY, OTHER, START, Home, held


async def watched(home: Home) -> Announced:
    """Somebody watches from now on; a millisecond has passed since."""
    changes = await home.ledger.changes(0)
    home.advance(1)
    return changes


def bodies(changes: Announced) -> list[bytes]:
    """What was announced."""
    return [one.body for one in changes.changes]


async def saved(ledger: Ledger, change: bytes, then: Then = Then.REST, key: Key = KEY) -> Handover:
    """The session was saved, with another record than before, and the change announced."""
    mine = await held(ledger, key)
    await ledger.save(mine.lease, b"record of " + change, mine.upto, then, telling=Telling(change=change))
    return mine


async def test_nothing_is_announced_while_nobody_watches(home: Home) -> None:
    """Who comes later knows from when on nothing is missing."""
    await saved(home.ledger, b"unheard")
    home.advance(5)

    first = await home.ledger.changes(0)

    assert first == Announced((), START + 5, START + 5)


@pytest.mark.parametrize("then", Then)
async def test_a_save_announces_its_change(home: Home, then: Then) -> None:
    """Whatever becomes of the session; one without a change announces nothing."""
    await watched(home)
    mine = await saved(home.ledger, b"first", then)
    if then is Then.KEEP:
        await home.ledger.save(mine.lease, b"another record", mine.upto, Then.REST)
    home.advance(1)

    changes = await home.ledger.changes(START)

    assert [(one.at, one.number, one.body) for one in changes.changes] == [(START + 1, 0, b"first")]
    assert (changes.until, changes.complete_from) == (START + 2, START)


async def test_what_was_not_saved_is_not_announced(home: Home) -> None:
    """Neither by who has lost the lease, nor twice by who sends a save again as its answer was lost."""
    await watched(home)
    mine = await held(home.ledger)
    for _ in range(2):
        await home.ledger.save(mine.lease, b"record", mine.upto, Then.KEEP, telling=Telling(change=b"once"))
    home.advance(LEASE_MS)
    await held(home.ledger)
    late = await home.ledger.save(mine.lease, b"late", mine.upto, Then.REST, telling=Telling(change=b"late"))
    home.advance(1)

    assert late.result is SaveResult.LOST
    assert bodies(await home.ledger.changes(0)) == [b"once"]


async def test_a_memo_that_is_replaced_announces_its_change(home: Home) -> None:
    """Not one that is not, and not one that stays the same."""
    await watched(home)
    for before, after, change in ((None, b"a", b"1"), (None, b"b", b"2"), (b"a", b"a", b"3"), (b"a", b"b", b"4")):
        await home.ledger.replace_memo("p1/greeter", before, after, telling=Telling(change=change))
    home.advance(1)

    assert bodies(await home.ledger.changes(0)) == [b"1", b"4"]


async def test_changes_come_in_the_order_of_their_time(home: Home) -> None:
    """Whichever session they are of; those of one session in the order of its saves, even within a millisecond."""
    await watched(home)
    for number in range(6):
        key = OTHER if number % 3 else KEY
        await saved(home.ledger, b"%d" % number, key=key)
        home.advance(number % 2)
    home.advance(1)

    changes = await home.ledger.changes(START)

    assert [one[:3] for one in changes.changes] == sorted({one[:3] for one in changes.changes})
    for key in (KEY, OTHER):
        numbers = [b"%d" % number for number in range(6) if (OTHER if number % 3 else KEY) == key]
        assert [body for body in bodies(changes) if body in numbers] == numbers


async def test_who_asks_on_from_where_the_last_answer_ended_misses_nothing(home: Home) -> None:
    """What is announced in the very millisecond of an answer comes with the next one, and once."""
    told = await watched(home)
    heard: list[bytes] = []
    for number in range(8):
        await saved(home.ledger, b"%d" % number, key=OTHER if number % 2 else KEY)
        told = await home.ledger.changes(told.until)
        heard += bodies(told)
        home.advance(number % 3)
        await saved(home.ledger, b"%d again" % number)
    home.advance(1)
    heard += bodies(await home.ledger.changes(told.until))

    assert sorted(heard) == sorted(b"%d%s" % (number, said) for number in range(8) for said in (b"", b" again"))


async def test_the_newest_are_kept_and_what_is_missing_shows(home: Home) -> None:
    """Those of one room name are in one partition, which keeps its share."""
    await watched(home)
    mine = await held(home.ledger)
    for number in range(CHANGES_MAX + 2):
        await home.ledger.save(mine.lease, b"%d" % number, mine.upto, Then.KEEP, telling=Telling(change=b"%d" % number))
        home.advance(1)

    changes = await home.ledger.changes(0)

    kept = len(changes.changes)
    assert kept in {CHANGES_MAX, CHANGES_MAX // PARTITIONS}
    assert bodies(changes) == [b"%d" % number for number in range(CHANGES_MAX + 2 - kept, CHANGES_MAX + 2)]
    assert START + 2 < changes.complete_from <= changes.changes[0].at + 1


async def test_they_are_announced_for_a_while_after_the_last_watcher_has_gone(home: Home) -> None:
    """Who comes back within WATCH_MS has missed nothing; who comes later is told that they have."""
    first = await watched(home)
    home.advance(WATCH_MS - 2)
    await saved(home.ledger, b"in time")
    again = await home.ledger.changes(first.until)
    home.advance(1)
    assert bodies(await home.ledger.changes(first.until)) == [b"in time"]
    assert again.complete_from == START

    home.advance(WATCH_MS)
    await saved(home.ledger, b"unheard")
    home.advance(1)

    late = await home.ledger.changes(again.until)
    assert (bodies(late), late.complete_from) == ([], late.until)


async def test_an_emptied_ledger_shows_that_changes_are_missing(home: Home) -> None:
    """It begins anew."""
    first = await watched(home)
    await saved(home.ledger, b"lost")
    home.advance(1)
    await home.forget()

    changes = await home.ledger.changes(first.until)

    assert (bodies(changes), changes.complete_from) == ([], START + 2)
    home.advance(1)
    await saved(home.ledger, b"heard")
    home.advance(1)
    assert bodies(await home.ledger.changes(changes.until)) == [b"heard"]
