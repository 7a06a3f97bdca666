"""Notices, from a room that starves to a receiver that reads: on the real service, over HTTP."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from dispatcher.config import Receiver, Secret
from dispatcher.core.notices import SAMPLES_MAX, Happening, NoticeKind, Pacing
from dispatcher.ledger.interface import Telling
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.notices.bodies import request
from dispatcher.notices.collector import Collector
from dispatcher.notices.outbox import Outbox
from dispatcher.notices.post import NotDelivered, Post, Receipt, posting
from dispatcher.notices.queues import Queues
from dispatcher.notices.sender import Addresses, Sender
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.metrics import Metrics
from tests.integration import hooks as behaviours
from tests.integration.hooks import Behaviour, hooks, is_signed
from tests.integration.house import House, house, rule
from tests.real.redis_servers import ALL_DATA, alone
from tests.real.server import free_port
from tests.unit.notices.tell import NOW, SECRET, US, message

ROOMS = frozenset({NoticeKind.ROOM_STARVED, NoticeKind.ROOM_RECOVERED})
AT_ONCE = Pacing(wait=0, interval=1_000)


def receiver(url: str, **fields: Any) -> Receiver:  # noqa: ANN401 - a receiver's
    """One on this machine."""
    told: dict[str, Any] = {
        "name": "ops",
        "format": "standard",
        "secret": Secret(SECRET),
        "allow_private": True,
        "pacing": AT_ONCE,
    }
    return Receiver(url=Secret(url), **(told | fields))


async def test_a_room_without_an_agent_is_told_and_that_it_has_one() -> None:
    """Signed, with the diagnosis and the way to the room; the recovery afterwards."""
    async with hooks() as ops, house(receivers=(receiver(ops.url, kinds=ROOMS),)) as home:
        await home.livekit.rooms.join("lobby", "alice")
        await ops.wait_taken(1)
        home.livekit.workers.register("greeter")
        starved, recovered = await ops.wait_taken(2)

    assert (starved["type"], recovered["type"]) == ("room.starved", "room.recovered")
    [one] = starved["data"]["happenings"]
    assert one["room"] == "lobby"
    assert one["link"] == "https://dispatcher.example.com/ui/rooms/lobby"
    assert "No worker took the job" in one["text"]
    assert all(is_signed(headers, body) for headers, body in ops.came)


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (behaviours.takes, Receipt(status=200)),
        (behaviours.ends_in_its_body, Receipt(status=200)),
        (behaviours.talks_for_ever, Receipt(status=200)),
        (behaviours.refuses, Receipt(NotDelivered.FAILED, 500, 7_000)),
        (behaviours.hangs, Receipt(NotDelivered.TIMEOUT)),
        (behaviours.hangs_up, Receipt(NotDelivered.BROKEN)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_whatever_a_receiver_does_is_an_outcome(behaviour: Behaviour, outcome: Receipt) -> None:
    """Within the limit of one request; what it says beside its status is not read."""
    async with hooks(behaviour) as ops, posting(limit_s=0.5) as post:
        assert await posted(post, ops.url) == outcome


async def posted(post: Post, url: str, **fields: Any) -> Receipt:  # noqa: ANN401 - a receiver's
    """What becomes of a message that is posted there."""
    to = receiver(url, **fields)
    return await post(to, request(message(), to, US, NOW))


async def test_nobody_there_is_an_outcome() -> None:
    """Nor a name that has no address."""
    async with posting() as post:
        assert await posted(post, f"http://127.0.0.1:{free_port()}/") == Receipt(NotDelivered.UNREACHABLE)
        assert await posted(post, "http://nowhere.invalid/") == Receipt(NotDelivered.UNRESOLVED)


async def test_a_redirect_is_not_followed() -> None:
    """Wherever it leads: the message is for this receiver alone."""
    async with hooks() as secret:

        async def redirects(_: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": secret.url})

        async with hooks(redirects) as ops, posting() as post:
            assert await posted(post, ops.url) == Receipt(NotDelivered.REDIRECTED, 307)

    assert secret.came == []


async def test_a_private_address_is_never_connected_to_unless_it_is_allowed() -> None:
    """Written as an address, or behind a name."""
    async with hooks() as ops, posting() as post:
        for url in (ops.url, ops.url.replace("127.0.0.1", "localhost")):
            assert (await posted(post, url, allow_private=False)).why is NotDelivered.PRIVATE
        assert ops.came == []
        assert await posted(post, ops.url) == Receipt(status=200)


class _Rebound(AbstractResolver):
    """A name that has a public address and a private one."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for one in ("127.0.0.1", "169.254.169.254")
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def test_it_is_the_address_that_counts_not_the_name() -> None:
    """A name's owner says what it leads to, and may say something else the next time."""
    async with hooks() as ops, posting() as post:
        post._public.connector._resolver = _Rebound()  # type: ignore[union-attr]  # noqa: SLF001 - as DNS would
        url = ops.url.replace("127.0.0.1", "hooks.example.com")

        outcome = await posted(post, url, allow_private=False)

    assert outcome.why is NotDelivered.PRIVATE
    assert ops.came == []


async def test_a_receiver_s_death_holds_up_no_other_and_no_room() -> None:
    """One hangs, one is away: the third is told, and people have their agents."""
    dead = receiver(f"http://127.0.0.1:{free_port()}/", name="dead")
    async with hooks(behaviours.hangs) as slow, hooks() as ops:
        told = (dead, receiver(slow.url, name="slow"), receiver(ops.url))
        async with house(receivers=told) as home:
            await home.livekit.rooms.join("lobby", "alice")
            await ops.wait_taken(1)
            await home.told("notice.failed", receiver="dead", why="unreachable")
            home.livekit.workers.register("greeter")
            await home.told("agent.joined", room="lobby")


async def test_an_outage_of_many_rooms_is_few_messages() -> None:
    """One within `group_interval`, however slowly the rooms starve: who starves later is counted, and waits."""
    wave = 20
    async with hooks() as ops:
        to = receiver(ops.url, pacing=Pacing(wait=1_500, interval=3_600_000), kinds=ROOMS)
        async with house(rule("greeter", attempts=1, retry_every=3_600_000), receivers=(to,)) as home:
            for number in range(wave):
                await home.livekit.rooms.join(f"first-{number}", "alice")
            [starved] = await ops.wait_taken(1, within=60)
            count = starved["data"]["count"]
            for number in range(wave):
                await home.livekit.rooms.join(f"second-{number}", "alice")
            async with asyncio.timeout(60):
                while await gathered(home, "ops") != 2 * wave - count:
                    await asyncio.sleep(0.05)

    assert len(ops.taken) == 1
    assert len(starved["data"]["happenings"]) == min(count, SAMPLES_MAX)


async def gathered(home: House, name: str) -> int:
    """How many happenings the receiver's queue holds that no message tells of yet."""
    [kept] = await Queues(home.service.ledger).read([name])
    return sum(batch.total for thread in kept.queue.threads.values() for batch in thread.gathering)


class _Process:
    """What a process keeps in memory of notices: nothing, but for its ledger's connections."""

    def __init__(self, url: str, to: Receiver, post: Post) -> None:
        self.ledger = RedisLedger(address.read(url))
        self.outbox = Outbox(lambda: [to], Mask())
        self.collector = Collector(self.ledger, lambda: [to])
        log = Log(lambda _line: None, lambda: NOW / 1_000)
        addresses, health = Addresses(lambda _: to, lambda: US, lambda: NOW), Health(lambda: NOW)
        self.sender = Sender(self.ledger, addresses, post, log, Metrics(), health)

    async def tell(self, name: str) -> None:
        """A save that tells of something."""
        told = Happening(kind=NoticeKind.ROOM_STARVED, at=NOW, room="lobby", agent="greeter")
        await self.ledger.replace_memo(name, None, b"saved", telling=Telling(notices=self.outbox.posted(told)))


async def test_whatever_dies_when_a_notice_arrives(tmp_path: Path) -> None:
    """Redis is killed and started again with its data, and each process dies after one step."""
    async with hooks() as ops, posting() as post:
        with alone(tmp_path, *ALL_DATA) as redis:
            to = receiver(ops.url)
            for step in ("save", "collect", "send"):
                process = _Process(redis.url, to, post)
                if step == "save":
                    await process.tell("one")
                elif step == "collect":
                    assert await process.collector.collect() == 1
                else:
                    assert await process.sender.send("ops")
                await process.ledger.aclose()
                redis.kill()
                redis.start()
                redis.wait_ready()

    assert [body["data"]["count"] for body in ops.taken] == [1]


async def test_replicas_share_the_work(tmp_path: Path) -> None:
    """Each of many happenings is told once, whoever collects and sends."""
    async with hooks() as ops, posting() as post:
        with alone(tmp_path) as redis:
            to = receiver(ops.url)
            replicas = [_Process(redis.url, to, post) for _ in range(3)]
            for number in range(30):
                await replicas[number % 3].tell(f"save-{number}")
            for _ in range(3):
                for one in replicas:
                    await one.collector.collect()
                    while await one.sender.send("ops"):
                        pass
            for one in replicas:
                await one.ledger.aclose()

    assert sum(body["data"]["count"] for body in ops.taken) == 30
