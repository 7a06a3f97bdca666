"""An event loop in a thread of its own, so that a test may be any function, and use any library for asyncio or none."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs what it is given, and waits for the result. At its end it leaves what it has entered, the last first."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="dispatcher's test kit", daemon=True)
        self._entered = AsyncExitStack()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises, there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def call(self, function: Callable[[], T]) -> T:
        """What a function returns or raises that must be called there."""

        async def called() -> T:
            return function()

        return self.run(called())

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """What the context gives; it is left when the loop ends."""
        return self.run(self._entered.enter_async_context(context))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self._entered.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
