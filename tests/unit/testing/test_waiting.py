import asyncio

import pytest

from dispatcher.testing import NeverSeen
from dispatcher.testing.changes import Changes
from dispatcher.testing.timers import Timers, Timings


async def test_a_claim_that_holds_is_answered_at_once() -> None:
    """The true answer itself is handed back."""
    assert await Changes().wait_until(lambda: ["alice"], within=1, found=str) == ["alice"]


async def test_a_claim_is_asked_again_at_each_change() -> None:
    """Nothing polls: the claim is asked once at first and once for each change."""
    changes, asked = Changes(), list[int]()

    def third_time() -> bool:
        asked.append(1)
        asyncio.get_running_loop().call_soon(changes.announce)
        return len(asked) == 3

    assert await changes.wait_until(third_time, within=1, found=str)
    assert len(asked) == 3


async def test_a_claim_never_seen_says_what_was_found() -> None:
    """The failure of a test tells what the world looked like."""
    with pytest.raises(NeverSeen, match=r"not seen within 0\.01 s; found instead:\nno rooms"):
        await Changes().wait_until(bool, within=0.01, found=lambda: "no rooms")


async def test_a_failure_of_the_fake_itself_is_raised_when_it_closes() -> None:
    """Nothing that breaks later is lost with its task."""
    timers, broken = Timers(Timings()), asyncio.Event()

    def act() -> None:
        broken.set()
        raise LookupError

    timers.later(0.0, act)
    await broken.wait()

    with pytest.raises(ExceptionGroup, match="the fake LiveKit has failed") as caught:
        await timers.aclose()
    assert isinstance(caught.value.exceptions[0], LookupError)


async def test_nothing_happens_after_closing() -> None:
    """What was to come later is cancelled, whichever way it was asked for."""
    happened, timers = list[str](), Timers(Timings())
    timers.later(0.0, lambda: happened.append("later"))
    timers.spawn(asyncio.Event().wait())  # type: ignore[arg-type]

    await timers.aclose()
    await asyncio.sleep(0)

    assert happened == []
