"""Replicas of two releases on one Redis: neither destroys what the other wrote, and no room pays for it."""

import asyncio
import json
from collections import defaultdict
from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from dispatcher.testing import FakeLiveKit
from tests.chaos import later, places
from tests.chaos.crowd import Crowd
from tests.chaos.scene import staged
from tests.real.redis_servers import valkey

COMING_S = 5.0
PER_SECOND = 6.0


class Reader:
    """Looks into every session's record, again and again: which versions each has had, in order."""

    def __init__(self, url: str) -> None:
        self.versions: defaultdict[bytes, list[int]] = defaultdict(list)
        self.strange: list[bytes | str] = []  # records of the later release without what only it knows
        self.enough = False
        self._url = url

    async def read(self) -> None:
        """Until it is told that this is enough: redis-py may lose a cancellation."""
        async with Client.from_url(self._url) as client:
            while not self.enough:
                async for key in client.scan_iter("ld:*s:*"):
                    self._note(key, await client.hget(key, "record"))
                await asyncio.sleep(0.05)

    def _note(self, key: bytes, record: bytes | str | None) -> None:
        if record is None:
            return
        version, session = (found := json.loads(record))["v"], found["s"]
        if not self.versions[key] or self.versions[key][-1] != version:
            self.versions[key].append(version)
        if version == later.LATER and not later.MOOD.items() <= session.items():
            self.strange.append(record)


@pytest.mark.real
async def test_two_releases_side_by_side_destroy_nothing_of_each_other(tmp_path: Path) -> None:
    """People join while an upgrade rolls: each gets one agent, and what the later release wrote stays."""
    releases = ("dispatcher", "tests.chaos.later")
    async with staged(tmp_path, places.unkept, valkey(), replicas=2, people=staying, releases=releases) as scene:
        reader = Reader(scene.place.url)
        reading = asyncio.create_task(reader.read())
        scene.livekit.webhook_url = f"{scene.replicas[0].url}/webhook"
        await scene.crowd.come(COMING_S / 2, PER_SECOND)
        await scene.recovered()
        scene.livekit.webhook_url = scene.balancer.url
        await scene.crowd.come(COMING_S, PER_SECOND)
        await scene.recovered()
        reader.enough = True
        await reading

        assert scene.wrong() == []
        assert scene.crowd.twice == set()
        assert scene.crowd.asked_twice() == 0
        assert reader.strange == []
        had = [tuple(versions) for versions in reader.versions.values()]
        assert set(had) <= {(later.OURS,), (later.LATER,), (later.OURS, later.LATER)}, had
        assert {version for versions in had for version in versions} == {later.OURS, later.LATER}
        assert "session.deferred" in scene.replicas[0].log.read_text()


def staying(livekit: FakeLiveKit) -> Crowd:
    """Nobody leaves."""
    return Crowd(livekit, leaving=0.0)
