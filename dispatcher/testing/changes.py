"""Waiting for the world to be as a test claims, without sleeping and without polling."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dispatcher.core.errors import DispatcherError

T = TypeVar("T")


class NeverSeen(DispatcherError, AssertionError):
    """What a test waited for did not come in time. Its text says what was found instead."""


class Changes:
    """Everyone who waits asks again after each change."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def announce(self) -> None:
        """Something changed: claims are looked at again."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait_until(self, claim: Callable[[], T], *, within: float, found: Callable[[], str]) -> T:
        """The first true answer of `claim`, asked now and after every change; NeverSeen after `within` real seconds."""
        try:
            async with asyncio.timeout(within):
                while not (answer := claim()):
                    await self._next.wait()
                return answer
        except TimeoutError:
            message = f"not seen within {within} s; found instead:\n{found()}"
            raise NeverSeen(message) from None
