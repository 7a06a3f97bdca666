"""What is the Redis ledger's alone: what it does when Redis does not, what it leaves there, and whom it wakes."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import redis

from dispatcher.core.effects import Then
from dispatcher.ledger.changes import WATCH_MS
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.interface import (
    INBOX_MAX,
    LIVE_TTL_MS,
    Counts,
    Delivered,
    Key,
    LedgerUnavailable,
    SaveResult,
    Standing,
    Telling,
)
from dispatcher.ledger.order import ListedPage, Order
from dispatcher.ledger.redis import address, replies
from dispatcher.ledger.redis.client import Client, ScriptCall
from dispatcher.ledger.redis.connections import CONNECTIONS
from dispatcher.ledger.redis.keys import Keys, session_id
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.listing import TOUCHED_MAX, TOUCHES_MAX
from dispatcher.ledger.redis.scripts import Op
from tests.contract.ledger.homes import KEY, OTHER, START, RedisHome, held
from tests.real.server import free_port
from tests.real.valkey import Valkey, ask, running_valkey

ANSWERED_WITHIN = 1.5  # seconds: a webhook's 503


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server of the test's own, to be harmed."""
    with running_valkey(tmp_path) as running:
        yield running


@pytest.fixture
async def ledger(valkey: Valkey) -> AsyncIterator[RedisLedger]:
    """A ledger there, on the server's own clock."""
    async with aclosing(RedisLedger(address.read(valkey.url))) as opened:
        yield opened


@pytest.fixture
async def home() -> AsyncIterator[RedisHome]:
    """An empty ledger on a clock that the test moves."""
    async with aclosing(RedisHome()) as opened:
        yield opened


async def refusal(ledger: RedisLedger) -> str:
    """Why it takes no event now, said soon."""
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable) as raised:
        await ledger.deliver(KEY, "e1", b"joined")
    assert time.monotonic() - began < ANSWERED_WITHIN
    return str(raised.value)


# Faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:{port}",
        "rediss://ann:hush@127.0.0.1:{port}",
        "unix:///nowhere/redis-{port}.sock",
        "redis+sentinel://:hush@127.0.0.1:{port},127.0.0.1:{port}/main",
        "rediss+sentinel://127.0.0.1:{port}/main",
        "redis+cluster://:hush@127.0.0.1:{port},127.0.0.1:{port}",
    ],
)
async def test_where_nobody_listens_it_is_unavailable(url: str) -> None:
    """However it is reached: opened without a question, refused soon, closed in peace, and no secret told."""
    async with aclosing(RedisLedger(address.read(url.format(port=free_port())))) as ledger:
        assert "hush" not in await refusal(ledger)
        with pytest.raises(LedgerUnavailable):
            await ledger.claim(1)


async def test_it_is_there_once_redis_is(tmp_path: Path) -> None:
    """A process that started without its Redis needs nobody's help."""
    port = free_port()
    async with aclosing(RedisLedger(address.read(f"redis://127.0.0.1:{port}"))) as ledger:
        assert await refusal(ledger) == "Redis: ConnectionError"
        with running_valkey(tmp_path, port=port):
            assert (await ledger.deliver(KEY, "e1", b"joined")).outcome is Delivered.ACCEPTED


async def test_a_redis_that_hangs_is_given_up(ledger: RedisLedger, valkey: Valkey) -> None:
    """Within the deadline, for all who ask at once; it is used again as soon as it answers."""
    await ledger.counts()
    valkey.process.signal(signal.SIGSTOP)
    try:
        refusals = await asyncio.gather(*(refusal(ledger) for _ in range(2 * CONNECTIONS)))
    finally:
        valkey.process.signal(signal.SIGCONT)

    assert set(refusals) == {"Redis: no answer within 1 s"}
    assert (await ledger.deliver(OTHER, "e2", b"joined")).outcome is Delivered.ACCEPTED


async def test_a_restart_is_not_noticed(tmp_path: Path) -> None:
    """Every connection is dead, and every script forgotten: one retry makes up for both."""
    with running_valkey(tmp_path) as valkey:
        ledger = RedisLedger(address.read(valkey.url))
        await asyncio.gather(*(ledger.now() for _ in range(2 * CONNECTIONS)))
    async with aclosing(ledger):
        with running_valkey(tmp_path, port=valkey.port):
            keys = [Key("p1", f"room-{n}", f"RM_{n}") for n in range(2 * CONNECTIONS)]
            await asyncio.gather(*(ledger.deliver(key, f"e{key.sid}", b"joined") for key in keys))
            assert await ledger.counts() == Counts(due=0, held=len(keys), rest=0)


async def test_scripts_that_redis_forgot_are_sent_again(ledger: RedisLedger, valkey: Valkey) -> None:
    """One alone and many at once; each is done once."""
    mine = await held(ledger)
    for key in (KEY, OTHER):
        assert ask(valkey.port, "SCRIPT", "FLUSH") == b"+OK"
        assert (await ledger.deliver(key, "", b"left", take=False)).outcome is Delivered.ACCEPTED
    assert ask(valkey.port, "SCRIPT", "FLUSH") == b"+OK"

    assert await ledger.counts() == Counts(due=1, held=1, rest=0)
    saved = await ledger.save(mine.lease, b"record", mine.upto, Then.REST)
    assert saved.handover is not None
    assert saved.handover.inbox == (b"left",)


async def test_a_master_that_was_demoted_is_unavailable(ledger: RedisLedger, valkey: Valkey) -> None:
    """READONLY, and nothing is kept of its connections; promoted again it is used again."""
    await ledger.counts()
    assert ask(valkey.port, "REPLICAOF", "127.0.0.1", str(free_port())) == b"+OK"
    assert await refusal(ledger) == "Redis: ReadOnlyError"
    with pytest.raises(LedgerUnavailable, match="ReadOnlyError"):  # so it is unready
        await ledger.claim(1)

    assert ask(valkey.port, "REPLICAOF", "NO", "ONE") == b"+OK"
    assert (await ledger.deliver(KEY, "e1", b"joined")).outcome is Delivered.ACCEPTED


async def test_a_full_redis_takes_nothing_half(ledger: RedisLedger, valkey: Valkey) -> None:
    """OOM: an event that was refused is no repeat when it comes again."""
    mine = await held(ledger, OTHER)
    assert ask(valkey.port, "CONFIG", "SET", "maxmemory", "1") == b"+OK"
    assert await refusal(ledger) == "Redis: OutOfMemoryError"
    with pytest.raises(LedgerUnavailable, match="OutOfMemoryError"):  # so it is unready
        await ledger.claim(1)
    with pytest.raises(LedgerUnavailable):
        await ledger.save(mine.lease, b"record", mine.upto, Then.REST)

    assert ask(valkey.port, "CONFIG", "SET", "maxmemory", "0") == b"+OK"
    again = await ledger.deliver(KEY, "e1", b"joined")
    assert again.outcome is Delivered.ACCEPTED
    assert again.handover is not None
    assert again.handover.inbox == (b"joined",)
    assert (await ledger.save(mine.lease, b"record", mine.upto, Then.REST)).result is SaveResult.OK


async def test_a_wrong_password_is_told_and_not_shown(valkey: Valkey) -> None:
    """What Redis says of it stays outside."""
    assert ask(valkey.port, "CONFIG", "SET", "requirepass", "right") == b"+OK"
    for credentials in (":hush@", ""):
        async with aclosing(RedisLedger(address.read(f"redis://{credentials}127.0.0.1:{valkey.port}"))) as ledger:
            with pytest.raises(LedgerUnavailable) as raised:
                await ledger.claim(1)
            assert str(raised.value) == "Redis: AuthenticationError"


async def test_a_redis_that_refuses_to_write_says_why(ledger: RedisLedger, valkey: Valkey) -> None:
    """The error's own word, without its text."""
    assert ask(valkey.port, "CONFIG", "SET", "min-replicas-to-write", "1") == b"+OK"

    assert await refusal(ledger) == "Redis: NOREPLICAS"


async def test_many_at_once_share_few_connections(ledger: RedisLedger, valkey: Valkey) -> None:
    """None fails for assignment of one, and Redis has CONNECTIONS of this process at most."""
    keys = [Key("p1", f"room-{n}", f"RM_{n}") for n in range(500)]

    await asyncio.gather(*(ledger.deliver(key, f"e{key.sid}", b"joined", take=False) for key in keys))

    assert (await ledger.counts()).due == 500
    with redis.Redis.from_url(valkey.url) as client:
        assert len(client.client_list()) == CONNECTIONS + 1  # and the one that asks


# An answer that was lost --------------------------------------------------------------------------------------------


async def test_an_event_sent_again_is_answered_as_the_first_time(home: RedisHome) -> None:
    """By the token: the lease is handed out once more, nothing is recorded twice."""
    name, base = session_id(KEY), Keys().base(KEY.project, KEY.room)
    call = ScriptCall(Op.DELIVER, base, base + b"s:" + name, (START, name, KEY.room, "e1", b"joined", 1, "mine"))
    async with aclosing(Client(address.read(home.valkey.url))) as client:
        [first], [second] = await client.run([call]), await client.run([call])

    assert first == second
    assert replies.handover(second[1]).inbox == (b"joined",)


async def test_a_turn_asked_for_again_is_still_ours(home: RedisHome) -> None:
    """Else nobody would sweep for a whole interval."""
    base = Keys().base("", "sweep")
    calls = [ScriptCall(Op.TURN, base, base + b"t:sweep", (START, 1_000, token)) for token in ("mine", "mine", "other")]
    async with aclosing(Client(address.read(home.valkey.url))) as client:
        assert await client.run(calls) == [1, 1, 0]


# What is left in Redis ----------------------------------------------------------------------------------------------


async def test_law_8_every_key_has_a_time_to_live(home: RedisHome) -> None:
    """And each begins with the one prefix that an ACL has to allow; whatever was done, and after a touch too."""
    await home.ledger.changes(0)
    for n, then in enumerate([*Then, Then.REST]):
        key = Key("p1", f"room-{n}", f"RM_{n}")
        mine = await held(home.ledger, key)
        for event in range(INBOX_MAX + 2 if then is Then.KEEP else 0):
            await home.ledger.deliver(key, f"e{event}", b"left")
        lines = [Standing("requested", "greeter")] * n
        await home.ledger.save(
            mine.lease, b"record", mine.upto, then, due_at=START, telling=Telling(index=lines, change=b"change")
        )
        await home.ledger.turn(f"sweep {n}", 1)
        await home.ledger.pace(f"p1/agent-{n}", interval=0.5, burst=1)
        await home.ledger.adjust(f"p1/agent-{n}", 2.0, most=8.0)
        await home.ledger.replace_memo(f"p1/agent-{n}", None, b"memo", telling=Telling(notices=[b"notice"]))
    home.advance(1)
    await home.ledger.claim(1)
    await home.ledger.touch([Key("p1", f"room-{n}", f"RM_{n}") for n in range(6)])

    keys = keys_of(home.valkey)

    assert len(keys) > 30
    assert [key for key in keys if not key.startswith(b"ld:{")] == []
    assert [key for key, ttl in keys.items() if ttl < 0] == []


async def test_where_nobody_watches_any_more_nothing_is_added(home: RedisHome) -> None:
    """The last watcher has gone for WATCH_MS: a change is not even kept."""
    await home.ledger.changes(0)
    home.advance(WATCH_MS)
    mine = await held(home.ledger)
    await home.ledger.save(mine.lease, b"record", mine.upto, Then.REST, telling=Telling(change=b"unheard"))

    assert [key for key in keys_of(home.valkey) if key.endswith(b"changes")] == []


async def test_a_clock_that_steps_back_loses_no_change(home: RedisHome) -> None:
    """As at a failover: those that come meanwhile stand behind the last one, and are told when its time comes again."""
    before = await home.ledger.changes(0)
    home.advance(50)
    for change in (b"1", b"2", b"3"):
        mine = await held(home.ledger)
        await home.ledger.save(mine.lease, change, mine.upto, Then.REST, telling=Telling(change=change))
        home.advance(-20)
    home.advance(100)

    told = await home.ledger.changes(before.until)

    assert [(one.at, one.number, one.body) for one in told.changes] == [
        (START + 50, number, b"%d" % (number + 1)) for number in range(3)
    ]


async def test_what_has_expired_leaves_nothing_behind(home: RedisHome) -> None:
    """More than one script forgets; what is asked for by name is gone at once, the rest in a few more operations."""
    keys = [Key("p1", "lobby", f"RM_{n}") for n in range(2 * TOUCHED_MAX + 1)]
    for key in keys:
        mine = await held(home.ledger, key)
        await home.ledger.save(
            mine.lease, b"record", mine.upto, Then.REST, telling=Telling(index=[Standing("served", "greeter")])
        )
    assert await home.ledger.touch(keys) == set()

    home.advance(LIVE_TTL_MS)

    assert await home.ledger.touch(keys) == set(keys)
    assert await home.ledger.counts() == Counts(due=0, held=0, rest=0)
    assert await home.ledger.standings() == {}
    assert keys_of(home.valkey) == {}


async def test_any_number_is_touched(home: RedisHome) -> None:
    """More than one script takes, and more scripts than one deadline has."""
    keys = [Key("p1", "lobby", f"RM_{n}") for n in range(TOUCHED_MAX * TOUCHES_MAX + 1)]
    for key in (keys[0], keys[-1]):
        await home.ledger.deliver(key, "", b"event", take=False)

    assert await home.ledger.touch(keys) == set(keys[1:-1])


@pytest.mark.parametrize("order", [Order.NEWEST, Order.WAIT])
async def test_a_partition_answers_no_more_of_a_list_than_a_page(home: RedisHome, order: Order) -> None:
    """Else a Redis would send all of 20,000 rooms for each hundred of them."""
    for n in range(3):
        mine = await held(home.ledger, Key("p1", "lobby", f"RM_{n}"))
        waits = Telling(index=[Standing("waiting", "greeter", since=1)])
        await home.ledger.save(mine.lease, b"record", mine.upto, Then.REST, telling=waits)
    asked = replies.list_of("p1", None, ListedPage(order=order, limit=2))

    calls = Keys(clock=home.read_clock).everywhere(Op.LIST, *asked, replies.kept(EndedRooms()))
    client = Client(address.read(home.valkey.url))

    assert sorted(map(len, await client.run(calls)))[-2:] == [0, 2]
    await client.aclose()


async def test_an_ended_session_leaves_its_record_alone(home: RedisHome) -> None:
    """What came in and was never folded goes with its lease."""
    mine = await held(home.ledger)
    await home.ledger.deliver(KEY, "", b"left")
    await home.ledger.save(mine.lease, b"last", mine.upto, Then.OVER)

    left = {key.split(b":")[2] for key in keys_of(home.valkey)}
    assert left == {b"age", b"ended", b"ended_bytes", b"list", b"n", b"s"}


def keys_of(valkey: Valkey) -> dict[bytes, int]:
    """Everything in the server, with how many ms it has to live; -1: for ever."""
    with redis.Redis.from_url(valkey.url) as client:
        return {key: client.pttl(key) for key in client.keys("*")}


# Whom it wakes ------------------------------------------------------------------------------------------------------


class Claimer:
    """A process whose claimer counts how often it is woken."""

    def __init__(self, home: RedisHome) -> None:
        self.woken = 0
        self.ledger = RedisLedger(address.read(home.valkey.url), wake=self.wake, clock=home.read_clock)

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
async def claimer(home: RedisHome) -> AsyncIterator[Claimer]:
    """It has claimed, and heard that nothing will be due."""
    opened = Claimer(home)
    async with aclosing(opened.ledger):
        assert await opened.ledger.claim(1) == ([], None)
        yield opened


async def test_what_is_due_now_wakes_the_claimer_once(claimer: Claimer) -> None:
    """An event that hands nothing out, or a session given back; until it claims again there is nothing to tell it."""
    for key in (KEY, OTHER):
        await claimer.ledger.deliver(key, "", b"joined", take=False)
    assert claimer.woken == 1

    claimed, _ = await claimer.ledger.claim(2)
    await claimer.ledger.release(claimed[0].lease)
    assert claimer.woken == 2


async def test_a_due_time_wakes_the_claimer_if_it_is_sooner_than_it_knows(claimer: Claimer) -> None:
    """It comes back in time by itself for what is later."""
    for key, due_in, woken in ((KEY, 5_000, 1), (OTHER, 6_000, 1), (OTHER, 4_000, 2)):
        mine = await held(claimer.ledger, key)
        await claimer.ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + due_in)
        assert claimer.woken == woken
        await claimer.ledger.claim(1)


async def test_what_is_at_rest_wakes_nobody(claimer: Claimer) -> None:
    """Nor does what is over, or a repeat."""
    for event_id, then in (("e1", Then.REST), ("e2", Then.OVER)):
        delivery = await claimer.ledger.deliver(KEY, event_id, b"joined")
        assert delivery.handover is not None
        await claimer.ledger.save(delivery.handover.lease, b"record", delivery.handover.upto, then)
        await claimer.ledger.deliver(KEY, event_id, b"joined", take=False)
    assert claimer.woken == 0
