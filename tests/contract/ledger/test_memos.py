import pytest

from dispatcher.ledger.interface import MEMO_TTL_MS, Ledger
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.memory_memos import MEMOS_MAX
from tests.contract.ledger.homes import START, Home

ODD = b'{"a":"\xc3\xa9 \n 1700000000000 x"}'


async def test_there_is_no_memo_until_somebody_leaves_one(ledger: Ledger) -> None:
    """Nothing is what a memo of another name is, and what the first one replaces."""
    assert await ledger.replace_memo("p1/greeter", None, b"first") == b"first"

    assert await ledger.memos(["p1/greeter", "p1/sales", "p1/greeter"]) == [b"first", None, b"first"]
    assert await ledger.memos([]) == []


async def test_a_memo_is_replaced_only_by_who_knows_it(ledger: Ledger) -> None:
    """Of two who read the same the first wins, and the second is told what is there now."""
    await ledger.replace_memo("p1/greeter", None, b"first")
    assert await ledger.replace_memo("p1/greeter", b"first", b"second") == b"second"

    assert await ledger.replace_memo("p1/greeter", b"first", b"third") == b"second"
    assert await ledger.replace_memo("p1/greeter", None, b"third") == b"second"
    assert await ledger.memos(["p1/greeter"]) == [b"second"]


async def test_who_replaces_what_is_gone_is_told_so(ledger: Ledger) -> None:
    """Nothing was replaced: it begins with nothing."""
    assert await ledger.replace_memo("p1/greeter", b"first", b"second") is None
    assert await ledger.memos(["p1/greeter"]) == [None]


async def test_a_replacement_that_is_sent_again_changes_nothing(ledger: Ledger) -> None:
    """Its answer may have been lost; it is answered alike."""
    await ledger.replace_memo("p1/greeter", None, b"first")
    await ledger.replace_memo("p1/greeter", b"first", b"second")

    assert await ledger.replace_memo("p1/greeter", b"first", b"second") == b"second"


async def test_a_slot_comes_with_the_memo_of_its_name(ledger: Ledger) -> None:
    """Read in the same moment; a name without one has none."""
    await ledger.replace_memo("p1/greeter", None, ODD)

    assert (await ledger.pace("p1/greeter", interval=64.0, burst=1)).memo == ODD
    assert (await ledger.pace("p1/sales", interval=64.0, burst=1)).memo is None


async def test_a_memo_is_forgotten(home: Home) -> None:
    """MEMO_TTL_MS after it was last replaced, to the millisecond: where it was read does not count."""
    await home.ledger.replace_memo("p1/greeter", None, b"first")
    home.advance(MEMO_TTL_MS - 1)
    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=1)).memo == b"first"
    await home.ledger.replace_memo("p1/greeter", b"first", b"second")
    home.advance(MEMO_TTL_MS - 1)
    assert await home.ledger.memos(["p1/greeter"]) == [b"second"]

    home.advance(1)

    assert await home.ledger.memos(["p1/greeter"]) == [None]
    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=1)).memo is None
    assert await home.ledger.replace_memo("p1/greeter", None, b"third") == b"third"


async def test_a_replacement_says_the_same_of_what_was_changed_meanwhile(home: Home) -> None:
    """A memo that goes back and forth is no trouble: what counts is what it is."""
    for before, after in ((None, b"a"), (b"a", b"b"), (b"b", b"a")):
        assert await home.ledger.replace_memo("p1/greeter", before, after) == after


@pytest.mark.parametrize("more", [0, 1])
async def test_the_memory_ledger_keeps_a_bounded_number(more: int) -> None:
    """The one that was replaced longest ago makes room."""
    ledger = MemoryLedger(lambda: START)
    for n in range(MEMOS_MAX):
        await ledger.replace_memo(f"p1/agent-{n}", None, b"memo")
    await ledger.replace_memo("p1/agent-0", b"memo", b"again")
    for n in range(more):
        await ledger.replace_memo(f"p1/one-more-{n}", None, b"memo")

    kept = await ledger.memos(["p1/agent-0", "p1/agent-1", f"p1/agent-{MEMOS_MAX - 1}"])

    assert kept == [b"again", b"memo" if not more else None, b"memo"]
