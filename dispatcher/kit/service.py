"""The fixture `dispatcher`: the service with a user's own rules, in the test's process, beside a fake LiveKit."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.client import Dispatcher, RequestFailed
from dispatcher.config import Config, Project, Secret, SweepSettings, load_offline
from dispatcher.core.rules import Rule
from dispatcher.kit.livekit import TestLiveKit, names
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, NeverSeen

TOKEN: Final = "the-test-kits-own-token"  # noqa: S105  of a service on loopback, for the time of a test


class _Session(Struct, frozen=True):
    narrative: list[str]
    diagnosis: list[str]


class _Room(Struct, frozen=True):
    sessions: list[_Session]


class TestDispatcher:
    """A running service. `url` and `token` are for whatever asks it; `config` is what it runs by."""

    __test__ = False  # pytest, it is no test

    def __init__(self, service: Service, config: Config, livekit: TestLiveKit) -> None:
        self.url = service.url
        self.token = TOKEN
        self.config = config
        self._livekit = livekit

    def wait_for_agent(self, room: str, agent: str, *, within: float = 5.0) -> None:
        """The agent is in the room, alone of its name. Raises NeverSeen after so many seconds, with what happened."""
        fake = self._livekit.fake
        try:
            self._livekit.loop.run(fake.wait_until(lambda: names(fake, room).count(agent) == 1, within=within))
        except NeverSeen as never:
            raise NeverSeen(f"{agent} in {room}: {never}\n{self.explain(room)}") from None

    def explain(self, room: str) -> str:
        """What happened in the room, and why no agent came: a line for each event, as `dispatcher explain` has it."""
        return self._livekit.loop.run(_explained(self.url, room))


def _print(line: str) -> None:
    sys.stdout.write(line)  # what it is then, not now: pytest takes another one for each phase of a test


async def _explained(url: str, room: str) -> str:
    async with Dispatcher(url, TOKEN) as dispatcher:
        try:
            answer = await dispatcher.get(f"/v1/rooms/{quote(room, safe='')}")
        except RequestFailed as failed:
            return failed.detail
    return "\n".join(line for one in answer.read(_Room).sessions for line in (*one.diagnosis, *one.narrative))


@contextmanager
def served(livekit: TestLiveKit, file: Path, *, speed: float) -> Iterator[TestDispatcher]:
    """The service runs by this file until the block ends; LiveKit's webhooks go to it. Raises BadConfig."""
    config = hastened(at_home(load_offline(file, {}), livekit), speed)
    log = Log(_print, time.time, style="text")
    service = livekit.loop.enter(running(config, log, version=version("livekit-dispatcher")))
    livekit.loop.call(lambda: setattr(livekit.fake, "webhook_url", f"{service.url}/webhook"))
    yield TestDispatcher(service, config, livekit)


def at_home(config: Config, livekit: TestLiveKit) -> Config:
    """The same rules for this LiveKit alone, by the first project's: nothing else of production is reached, or told."""
    first = config.projects[0]
    keys = {key: Secret(secret) for key, secret in DEV_KEYS.items()}
    return replace(
        config,
        projects=(Project(name=first.name, url=livekit.url, keys=keys, rules=first.rules),),
        host="127.0.0.1",
        port=0,
        admin_port=None,
        ledger=None,
        api_token=Secret(TOKEN),
        api_tokens=(),
        workers=(),
        receivers=(),
    )


def hastened(config: Config, speed: float) -> Config:
    """Every limit of the rules, and the sweep, take so much less time."""

    def hasty(rule: Rule) -> Rule:
        spans = ("confirm_within", "join_within", "min_stay", "retry_every", "finish_grace")
        shorter = {name: round(getattr(rule.policy, name) / speed) for name in spans}
        return replace(rule, policy=replace(rule.policy, **shorter))

    first = config.projects[0]
    own = None if first.rules is None else tuple(map(hasty, first.rules))
    return replace(
        config,
        projects=(replace(first, rules=own),),
        rules=tuple(map(hasty, config.rules)),
        sweep=SweepSettings(every=round(config.sweep.every / speed)),
    )
