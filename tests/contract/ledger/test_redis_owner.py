"""Whose keys they are: processes that see to different LiveKits under one instance's name do not share a ledger."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
import redis

from dispatcher.ledger.installation import Installation, LiveKitAt
from dispatcher.ledger.interface import Counts, Delivered, LedgerTaken, LedgerUnavailable
from dispatcher.ledger.redis import address, owner
from dispatcher.ledger.redis.connections import CONNECTIONS
from dispatcher.ledger.redis.keys import Keys
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.scripts import OWN_MS
from tests.contract.ledger.homes import KEY, OTHER, RedisHome
from tests.contract.ledger.test_redis import ANSWERED_WITHIN, keys_of, refusal
from tests.real.redis_servers import cluster
from tests.real.server import free_port
from tests.real.valkey import running_valkey

EU = {"eu": LiveKitAt("eu.example:443", ("APIeu",))}
STAGING = {"eu": LiveKitAt("staging.example:443", ("APIstaging",))}
SAID = (
    "instance default is another installation's, which has eu at eu.example:443 (APIeu);"
    " here it is at staging.example:443 (APIstaging)"
)
PATIENCE_S = 0.3

Starts = Callable[..., "Process"]


class Process:
    """One process of an installation, which asks anew before each of its calls."""

    def __init__(self, home: RedisHome, livekits: Mapping[str, LiveKitAt], *, take_over: bool = False) -> None:
        self.livekits = livekits
        installation = Installation(livekits=self.read_livekits, take_over=take_over)
        self.ledger = RedisLedger(address.read(home.valkey.url), installation=installation, clock=home.read_clock)

    def read_livekits(self) -> Mapping[str, LiveKitAt]:
        return self.livekits

    async def works(self) -> bool:
        """Whether it may use the ledger now."""
        try:
            await self.ledger.counts()
        except LedgerTaken:
            return False
        return True

    async def works_soon(self) -> bool:
        """Whether it may use the ledger once it has been patient."""
        await self.works()
        await asyncio.sleep(PATIENCE_S)
        return await self.works()


@pytest.fixture
async def home() -> AsyncIterator[RedisHome]:
    """An empty Valkey on a clock that the test moves."""
    async with aclosing(RedisHome()) as opened:
        yield opened


@pytest.fixture
async def start(home: RedisHome, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Starts]:
    """Starts processes; they stop with the test."""
    monkeypatch.setattr(owner, "AGAIN_S", 0.0)
    monkeypatch.setattr(owner, "PATIENCE_S", PATIENCE_S)
    async with AsyncExitStack() as stack:

        def start(livekits: Mapping[str, LiveKitAt], *, take_over: bool = False) -> Process:
            process = Process(home, livekits, take_over=take_over)
            stack.push_async_callback(process.ledger.aclose)
            return process

        yield start


async def test_another_livekit_under_the_same_name_is_refused(home: RedisHome, start: Starts) -> None:
    """Both are named, nothing is changed, and who was there first goes on."""
    first, second = start(EU), start(STAGING)
    await first.ledger.deliver(KEY, "EV_1", b"joined", take=False)
    before = keys_of(home.valkey).keys()

    for operation in (
        second.ledger.claim(10),
        second.ledger.deliver(OTHER, "EV_2", b"joined"),
        second.ledger.turn("sweep/eu", 1_000),
    ):
        with pytest.raises(LedgerTaken) as raised:
            await operation
        assert str(raised.value) == SAID

    assert keys_of(home.valkey).keys() == before
    assert [one.lease.key for one in (await first.ledger.claim(10))[0]] == [KEY]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"eu": LiveKitAt("eu.example:443", ("APInew", "APIeu"))}, True),  # a key is being rotated
        ({"eu": LiveKitAt("eu.example:443", ("APInew",))}, False),
        ({"eu": LiveKitAt("eu.example:7880", ("APIeu",))}, False),
        ({**EU, "us": LiveKitAt("us.example:443", ("APIus",))}, True),  # a project is new
        ({"us": LiveKitAt("us.example:443", ("APIus",))}, False),  # none is shared
        ({"us": LiveKitAt("eu.example:443", ("APIeu",))}, False),  # one is renamed: its rooms would be two sessions
        ({**STAGING, "us": LiveKitAt("us.example:443", ("APIus",))}, False),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
async def test_who_is_one_installation(start: Starts, other: Mapping[str, LiveKitAt], same: bool, turned: bool) -> None:
    """Those who share a project, and are at one LiveKit in each that they share; whoever comes first."""
    first, second = (start(one) for one in ((other, EU) if turned else (EU, other)))

    assert await first.works()
    assert await second.works() == same
    assert await first.works()


async def test_installations_that_share_no_project_are_named(start: Starts) -> None:
    """A few of what each has."""
    many = {f"p{number}": LiveKitAt(f"{number}.example:443", (f"API{number}",)) for number in range(9)}
    assert await start(many).works()

    with pytest.raises(LedgerTaken) as raised:
        await start(EU).ledger.counts()

    assert str(raised.value) == (
        "instance default is another installation's, which has p0 at 0.example:443 (API0), p1 at 1.example:443 (API1),"
        " p2 at 2.example:443 (API2); here is eu at eu.example:443 (APIeu)"
    )


async def test_who_stops_leaves_the_keys_free(start: Starts) -> None:
    """For who starts then, once the last process has stopped; what the ledger had is still there."""
    first, beside = start(EU), start(EU)
    await first.ledger.deliver(KEY, "EV_1", b"joined", take=False)
    assert await beside.works()

    await first.ledger.aclose()
    assert not await start(STAGING).works()
    await beside.ledger.aclose()

    assert await start(STAGING).ledger.counts() == Counts(due=1, held=0, rest=0)


async def test_who_was_killed_has_the_keys_until_it_could_be_missed(home: RedisHome, start: Starts) -> None:
    """OWN_MS after it last asked."""
    assert await start(EU).works()

    home.advance(OWN_MS - 1)
    assert not await start(STAGING).works()
    home.advance(1)
    assert await start(STAGING).works()


async def test_who_was_refused_waits_until_nobody_comes_back(home: RedisHome, start: Starts) -> None:
    """Redis may have forgotten whose the keys are, not the process that had them: it is first again."""
    first, second = start(EU), start(STAGING)
    assert await first.works()
    assert not await second.works()

    await home.forget()
    assert not await second.works()
    assert await first.works()
    await asyncio.sleep(PATIENCE_S)
    assert not await second.works()

    await first.ledger.aclose()
    assert await second.works_soon()
    assert not await start(EU).works()


async def test_who_was_refused_joins_its_own_at_once(start: Starts) -> None:
    """Another process of its installation has the keys now: there is nobody to wait for."""
    first, second = start(EU), start(STAGING)
    assert await first.works()
    assert not await second.works()
    await first.ledger.aclose()

    assert await start(STAGING).works()
    assert await second.works()


async def test_an_installation_that_moves_by_reload_waits_for_its_last_process(start: Starts) -> None:
    """Each is refused from its own reload on; when the last has reloaded, all work again."""
    processes = [start(EU) for _ in range(3)]
    assert [await one.works() for one in processes] == [True] * 3

    for number, process in enumerate(processes, start=1):
        process.livekits = STAGING
        working = [await one.works() for one in reversed(processes)]
        assert working == ([True] * 3 if number == 3 else [True] * (3 - number) + [False] * number)


async def test_a_reload_is_asked_about_at_once(start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long an answer holds: what it was about is in force no more. One that changes nothing changes nothing."""
    monkeypatch.setattr(owner, "AGAIN_S", 60.0)
    beside, process = start(EU), start(EU)
    assert [await one.works() for one in (beside, process)] == [True, True]

    process.livekits = dict(EU)
    assert await process.works()
    process.livekits = STAGING
    assert not await process.works()
    process.livekits = EU
    assert await process.works()


async def test_the_ledger_can_be_taken_over(start: Starts) -> None:
    """From every process that had it, once: a second one that takes it over is not taken it from by the first."""
    first, beside = start(EU), start(EU)
    assert await first.works()
    assert await beside.works()

    moved = start(STAGING, take_over=True)
    assert await moved.works()
    assert [await one.works() for one in (first, beside, moved)] == [False, False, True]

    back = start(EU, take_over=True)
    assert [await one.works() for one in (back, first, moved)] == [True, True, False]


async def test_instances_do_not_refuse_each_other(home: RedisHome, start: Starts) -> None:
    """Under another name each is the first."""
    assert await start(EU).works()
    installation = Installation(instance="staging", livekits=lambda: STAGING)

    async with aclosing(
        RedisLedger(address.read(home.valkey.url), installation=installation, clock=home.read_clock)
    ) as ledger:
        assert await ledger.counts() == Counts(due=0, held=0, rest=0)


async def test_an_answer_holds_for_a_while(home: RedisHome, start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is not asked whose the keys are with every call."""
    monkeypatch.setattr(owner, "AGAIN_S", 60.0)
    process = start(EU)
    assert await process.works()
    await home.forget()

    assert await process.works()

    assert not [key for key in keys_of(home.valkey) if b"}:o:" in key]


async def test_whose_the_keys_are_holds_no_secret_and_ends(home: RedisHome, start: Starts) -> None:
    """URLs and key ids, with a time to live."""
    assert await start(EU).works()

    marks = {key: ttl for key, ttl in keys_of(home.valkey).items() if b"}:o:" in key}

    assert len(marks) == 2
    assert all(OWN_MS < ttl <= OWN_MS + 60_000 for ttl in marks.values())
    with redis.Redis.from_url(home.valkey.url) as client:
        texts = [client.get(key) for key in marks if client.type(key) == b"string"]
    assert texts == [b'{"eu":{"keys":["APIeu"],"url":"eu.example:443"}}']


async def test_a_redis_that_is_away_is_unavailable_and_not_taken(tmp_path: Path) -> None:
    """Nobody is accused; once Redis is there the keys are this installation's."""
    port = free_port()
    installation = Installation(livekits=lambda: EU)
    async with aclosing(RedisLedger(address.read(f"redis://127.0.0.1:{port}"), installation=installation)) as ledger:
        with pytest.raises(LedgerUnavailable) as raised:
            await ledger.counts()
        assert type(raised.value) is LedgerUnavailable
        with running_valkey(tmp_path, port=port):
            assert (await ledger.deliver(KEY, "EV_1", b"joined")).outcome is Delivered.ACCEPTED


async def test_a_redis_that_hangs_is_asked_by_one_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More calls than there are connections are given up within the deadline of one; closing does not hang either."""
    monkeypatch.setattr(owner, "AGAIN_S", 0.0)
    with running_valkey(tmp_path) as valkey:
        ledger = RedisLedger(address.read(valkey.url), installation=Installation(livekits=lambda: EU))
        await ledger.counts()
        valkey.process.signal(signal.SIGSTOP)
        try:
            refusals = await asyncio.gather(*(refusal(ledger) for _ in range(2 * CONNECTIONS)))
            began = time.monotonic()
            await ledger.aclose()
            closed_within = time.monotonic() - began
        finally:
            valkey.process.signal(signal.SIGCONT)

    assert set(refusals) == {"Redis: no answer within 1 s"}
    assert closed_within < 2 * ANSWERED_WITHIN


async def test_who_was_refused_is_refused_again_after_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis comes back without a memory, and before those who had the keys: they are not lost to them."""
    monkeypatch.setattr(owner, "AGAIN_S", 0.0)
    with running_valkey(tmp_path) as valkey:
        first, second = (
            RedisLedger(address.read(valkey.url), installation=Installation(livekits=livekits))
            for livekits in (lambda: EU, lambda: STAGING)
        )
        await first.counts()
        with pytest.raises(LedgerTaken):
            await second.counts()
    for ledger in (first, second):
        with pytest.raises(LedgerUnavailable, match="Redis: ConnectionError"):
            await ledger.counts()
    with running_valkey(tmp_path, port=valkey.port):
        with pytest.raises(LedgerTaken) as raised:
            await second.counts()
        assert str(raised.value) == SAID
        assert await first.counts() == Counts(due=0, held=0, rest=0)
        await second.aclose()
        await first.aclose()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[str]:
    """The URL of a cluster."""
    with cluster(tmp_path) as here:
        yield here.url


async def test_a_cluster_keeps_installations_apart(shared: str) -> None:
    """By name, and by what they see to."""
    async with AsyncExitStack() as stack:
        blue, green, other = [
            await stack.enter_async_context(aclosing(RedisLedger(address.read(shared), installation=installation)))
            for installation in (
                Installation(instance="blue", livekits=lambda: EU),
                Installation(instance="green", livekits=lambda: STAGING),
                Installation(instance="blue", livekits=lambda: STAGING),
            )
        ]
        await blue.deliver(KEY, "EV_1", b"joined", take=False)

        assert await green.counts() == Counts(due=0, held=0, rest=0)
        assert (await green.deliver(KEY, "EV_1", b"joined", take=False)).outcome is Delivered.ACCEPTED
        assert await blue.counts() == Counts(due=1, held=0, rest=0)
        with pytest.raises(LedgerTaken):
            await other.claim(1)


def test_the_default_instance_has_the_keys_that_earlier_releases_wrote() -> None:
    """An update finds everything; every other instance is named in each of its keys, where the slot is."""
    keys, blue = Keys(), Keys("blue")

    assert keys.bases == tuple(b"ld:{%d}:" % number for number in range(16))
    assert keys.base("default", "lobby") == b"ld:{11}:"
    assert blue.bases == tuple(b"ld:{blue/%d}:" % number for number in range(16))
