"""The fixture `livekit`: the fake LiveKit, as a test without asyncio speaks to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from dispatcher.kit.thread import LoopThread
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from dispatcher.testing.rooms import Details
from dispatcher.testing.workers import Behaviour
from dispatcher.testing.written import arm, written_worker


class TestLiveKit:
    """People, workers and faults of one fake. What a call says is true when it returns; spans are LiveKit's own.

    `fake` is the whole of it, for what stands not here: use it by `loop`, as it belongs to that thread.
    """

    __test__ = False  # pytest, it is no test

    def __init__(self, fake: FakeLiveKit, loop: LoopThread) -> None:
        self.fake = fake
        self.loop = loop
        self.url = fake.url
        self.api_key = fake.api_key
        self.api_secret = fake.api_secret

    def worker(self, written: str, *outcomes: JobOutcome, **behaviour: Unpack[Behaviour]) -> None:
        """A worker is registered, such as "greeter" or "busy:rejects,serves", as `fake-livekit --worker` takes it."""
        agent, more, fields = written_worker(written)
        self.loop.call(lambda: self.fake.workers.register(agent, *more, *outcomes, **fields | behaviour))

    def fault(self, written: str) -> None:
        """Something will go wrong, such as "lose_webhooks:times=2", as `fake-livekit --fault` takes it."""
        self.loop.call(lambda: arm(self.fake.faults, written))

    def join(self, room: str, identity: str, **details: Unpack[Details]) -> None:
        """They are in the room, which is opened if need be."""
        self.loop.run(self.fake.rooms.join(room, identity, **details))

    def leave(self, room: str, identity: str, reason: str = "CLIENT_INITIATED") -> None:
        """They are gone, for LiveKit's `reason`."""
        self.loop.run(self.fake.rooms.leave(room, identity, reason))

    def close(self, room: str) -> None:
        """Everybody has left, and the room is finished."""
        self.loop.run(self.fake.rooms.close(room))

    def agents_in(self, room: str) -> list[str]:
        """The names of the agents in the room, in the order they came; none if it is not live."""
        return self.loop.call(lambda: names(self.fake, room))

    def metadata_of(self, room: str, agent: str) -> list[str]:
        """What each dispatch of this agent to the room brought it as metadata."""
        dispatches = self.loop.call(lambda: self.fake.rooms.dispatches_in(room))
        return [one.metadata for one in dispatches if one.agent_name == agent]


def names(fake: FakeLiveKit, room: str) -> list[str]:
    """The names of the agents in a room."""
    return [one.attributes["lk.agent_name"] for one in fake.rooms.agents_in(room)]


@contextmanager
def started(*, speed: float) -> Iterator[TestLiveKit]:
    """One that answers until the block ends, and takes so much less time than LiveKit for all that it does."""
    with LoopThread() as loop:
        yield TestLiveKit(loop.enter(FakeLiveKit(timings=Timings(speed=speed))), loop)
