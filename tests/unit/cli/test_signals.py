"""What a running service does on a signal, in this process; at any other moment: tests/attack/test_signals.py."""

import asyncio
import os
import signal
import threading

import pytest

from dispatcher.cli.signals import on_hangup, stopping

SOON_S = 5.0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_and_the_second_does_not(first: signal.Signals, second: signal.Signals) -> None:
    """The second one need not be the same, nor wait for the loop; afterwards all is as before."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    ended: list[signal.Signals] = []
    with stopping(ended.append) as stopped:
        assert not stopped.is_set()
        os.kill(os.getpid(), first)
        async with asyncio.timeout(SOON_S):
            await stopped.wait()
        assert ended == []
        os.kill(os.getpid(), second)
        assert ended == [second]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_a_hangup_that_came_before_is_not_lost() -> None:
    """It is answered once; a later one, too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    signal.pthread_kill(threading.get_ident(), signal.SIGHUP)  # a thread of pytest's would not block it, and end us
    heard = asyncio.Event()
    on_hangup(heard.set)
    for again in (True, False):
        async with asyncio.timeout(SOON_S):
            await heard.wait()
        heard.clear()
        if again:
            os.kill(os.getpid(), signal.SIGHUP)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
