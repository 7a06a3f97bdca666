"""Situations in which no agent comes, or the service is in trouble: each holds for as long as it is looked at."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias, cast

from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import Receiver
from dispatcher.core.rules import Rule, Target
from dispatcher.expressions import Agents, Split
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.ledger.timed import TimedLedger
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, Ears, House, config, house, rule, swept
from tests.integration.test_notices import receiver
from tests.integration.test_reload import BAD, GREETER, following, reload
from tests.real.server import free_port
from tests.unit.notices.tell import SECRET

Told: TypeAlias = tuple[Receiver, ...]  # who is told by notices
Situation: TypeAlias = Callable[[Told], AbstractAsyncContextManager[House]]

NOBODY: Final[Told] = ()
HASTY: Final = rule("greeter", attempts=2)
SPLIT: Final = Agents("default", (Split(((50, Target("greeter")), (50, Target("next")))),))
CALLERS: Final = 60  # more than it takes to tell that a side of a split is worse


async def starved(here: House) -> None:
    """Somebody waits until every attempt has failed."""
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("assignment.starved", within=20)


async def served(here: House) -> None:
    """An agent comes."""
    here.livekit.workers.register("greeter")
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("agent.joined", within=20)


@asynccontextmanager
async def no_worker(told: Told = NOBODY) -> AsyncIterator[House]:
    """None is there; one of another name is, and serves another room."""
    sales = replace(rule("sales", name="sales"), when=lambda room, _: room.name == "shop")
    async with house(sales, HASTY, receivers=told) as here:
        here.livekit.workers.register("sales")
        await here.livekit.rooms.join("shop", "bob")
        await here.told("agent.joined", room="shop", within=20)
        await starved(here)
        yield here


@asynccontextmanager
async def rejects(told: Told = NOBODY) -> AsyncIterator[House]:
    """Its request handler says no."""
    async with house(HASTY, receivers=told) as here:
        here.livekit.workers.register("greeter", JobOutcome.REJECTS)
        await starved(here)
        yield here


@asynccontextmanager
async def never_shows(told: Told = NOBODY) -> AsyncIterator[House]:
    """A worker took the job, and its process never connects."""
    async with house(HASTY, receivers=told) as here:
        here.livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS)
        await starved(here)
        yield here


@asynccontextmanager
async def raises(told: Told = NOBODY) -> AsyncIterator[House]:
    """In the first line of the entrypoint."""
    async with house(rule("greeter", attempts=2, min_stay=5_000), receivers=told) as here:
        here.livekit.workers.register("greeter", JobOutcome.RAISES)
        await starved(here)
        yield here


@asynccontextmanager
async def circuit_open(told: Told = NOBODY) -> AsyncIterator[House]:
    """No worker of the first agent is there; the second one serves its rooms."""
    async with house(rule("sales", "greeter", attempts=2), receivers=told) as here:
        await served(here)
        await here.told("circuit.opened", agent="sales", within=20)
        await here.livekit.rooms.leave("lobby", here.livekit.rooms.agents_in("lobby")[0].identity)
        await here.told("agent.joined", number=3, within=20)
        yield here


@asynccontextmanager
async def side_stopped(told: Told = NOBODY) -> AsyncIterator[House]:
    """Nobody serves one side of a split, and the guard has taken it out."""
    patient = rule("greeter", "next", attempts=1, confirm_within=2_000, join_within=8_000, retry_every=60_000)
    canary = replace(patient, aim=SPLIT)
    async with house(canary, receivers=told) as here:
        here.livekit.workers.register("greeter")
        for number in range(CALLERS):
            await here.livekit.rooms.join(f"room-{number}", "alice")
        await here.told("split.stopped", agent="next", within=40)
        yield here


@asynccontextmanager
async def no_webhooks(told: Told = NOBODY) -> AsyncIterator[House]:
    """They go to another host; the sweep has found the room."""
    async with house(HASTY, sweep_every=1_000, receivers=told) as here:
        here.livekit.webhook_url = None
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", within=20)
        yield here


@asynccontextmanager
async def wrong_secret(told: Told = NOBODY) -> AsyncIterator[House]:
    """LiveKit refuses our calls, and we its webhooks."""
    theirs = {key: f"{secret}-of-theirs" for key, secret in DEV_KEYS.items()}
    async with serving(HASTY, keys=theirs, told=told) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("webhook.rejected", within=20)
        await here.told("sweep.postponed", within=20)
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) > 1)
        yield here


@asynccontextmanager
async def livekit_down(told: Told = NOBODY) -> AsyncIterator[House]:
    """Nobody answers where it was; a room waits that its webhook has told of."""
    async with house(HASTY, sweep_every=1_000, receivers=told) as here:
        await here.livekit.stop_api()
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("look.failed", why="unreachable", within=20)
        yield here


@asynccontextmanager
async def hangs(told: Told = NOBODY) -> AsyncIterator[House]:
    """It takes connections and requests, and answers nothing."""
    async with house(HASTY, receivers=told) as here:
        for method in ("ListRooms", "ListParticipants", "ListDispatch"):
            here.livekit.faults.slow(method, 60 * SPEED, times=100)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("look.failed", why="timeout", within=20)
        yield here


@asynccontextmanager
async def redis_down(told: Told = NOBODY) -> AsyncIterator[House]:
    """While the room has its agent."""
    async with house(HASTY, receivers=told) as here:
        await served(here)
        with broken(here.service.ledger):
            await here.told("ledger.failed", within=20)
            yield here


@asynccontextmanager
async def receiver_dead(told: Told = NOBODY) -> AsyncIterator[House]:
    """Nobody listens where one of those is who are told; three agents of a room do not come."""
    dead = receiver(f"http://127.0.0.1:{free_port()}/in", name="dead")
    names = ("greeter", "sales", "support")  # each has messages of its own
    rules = (rule(one, name=one, attempts=1, retry_every=60_000, go_on=True) for one in names)
    async with house(*rules, receivers=(*told, dead)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("notice.failed", receiver="dead", within=20)
        yield here


@asynccontextmanager
async def config_refused(told: Told = NOBODY) -> AsyncIterator[House]:
    """Somebody has written a field that there is not; the room is served by what was there before."""
    with TemporaryDirectory() as folder:
        async with following(Path(folder), GREETER + _written(told)) as (here, written):
            await served(here)
            await reload(here, written, BAD + _written(told), "config.rejected")
            yield here


def _written(told: Told) -> str:
    """The receivers, as a file has them."""
    if not told:
        return ""
    fields = "allow_private: true, group_wait: 0s"
    lines = [
        f"- {{name: {one.name}, url: '{one.url.get_secret_value()}', secret: '{SECRET}', {fields}}}\n" for one in told
    ]
    return f"notices:\n{''.join(lines)}"


@asynccontextmanager
async def serving(
    *rules: Rule, keys: dict[str, str] | None = None, paused: frozenset[str] = frozenset(), told: Told = NOBODY
) -> AsyncIterator[House]:
    """As `house`, where LiveKit has other `keys`, or agents are paused."""
    ears = Ears()
    async with FakeLiveKit(keys=keys or DEV_KEYS, timings=Timings(speed=SPEED)) as livekit:
        settings = replace(config(livekit.url, *rules, sweep_every=1_000), receivers=told)
        settings = replace(settings, projects=tuple(replace(one, paused=paused) for one in settings.projects))
        async with running(settings, Log(ears.hear, time.time), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            if keys is None:  # with other keys no sweep sees a room
                await swept(livekit)
            yield House(livekit, service, ears)


@contextmanager
def broken(ledger: Ledger) -> Iterator[None]:
    """No operation of the ledger's succeeds: its home is away."""
    assert isinstance(ledger, TimedLedger)

    class Away:
        def __getattr__(self, _operation: str) -> Callable[..., Awaitable[None]]:
            async def fail(*_: object, **__: object) -> None:
                raise LedgerUnavailable

            return fail

    home, ledger._ledger = ledger._ledger, cast("Ledger", Away())  # noqa: SLF001
    yield
    ledger._ledger = home  # noqa: SLF001
