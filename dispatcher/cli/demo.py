"""`dispatcher demo`: shows the main job, with the real service and a fake LiveKit that loses, repeats and refuses.

Its limits are shortened so that it ends within half a minute: an agent is given up after 3 s instead of 6 to 12, and
the sweep comes every 5 s instead of 30.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final

from msgspec import Struct

from dispatcher.app import Service, running
from dispatcher.config import Config, CreateRate, Project, Secret, SweepSettings
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.timeline import Entry, Said
from dispatcher.ledger import sessions
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, JobOutcome, NeverSeen

NAME: Final = "demo"
HELP: Final = "show the service at work, with a fake LiveKit that loses agents"
EXAMPLE: Final = "dispatcher demo"
READS: Final = ()

WITHIN_S: Final = 30.0
SHORTENED: Final = """\
A fake LiveKit that loses agents as the real one does, and the real service. Its limits are shortened: an agent is
given up after 3 s, the sweep comes every 5 s. By default silent-drop takes 6 to 12 s, and no-webhook up to 30 s.
"""


class _Scene(Struct, frozen=True, kw_only=True):
    """One thing that goes wrong, in its own room."""

    room: str
    story: str
    play: Callable[[FakeLiveKit], Awaitable[object]]


def add(_parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_arguments: argparse.Namespace) -> int:
    """Play the scenes."""
    return asyncio.run(play(sys.stdout.write))


async def play(write: Callable[[str], object], *, within: float = WITHIN_S) -> int:
    """Play every scene; exit code 0 if each room had exactly one agent `within` seconds, else 1."""
    log = Log(write, time.time, style="text")
    async with FakeLiveKit() as livekit:
        livekit.workers.register("greeter")
        livekit.workers.register("sleepy", drop=1)
        livekit.workers.register("busy", JobOutcome.REJECTS)
        config = _config(livekit.url)
        write(f"{SHORTENED}\n")
        async with running(config, log, version=version("livekit-dispatcher")) as service:
            livekit.webhook_url = f"{service.url}/webhook"
            rows = [await _show(scene, livekit, service, write, within) for scene in _SCENES]
    write(_table(rows))
    return 0 if all(row.agents == 1 for row in rows) else 1


def _config(url: str) -> Config:
    def rule(name: str, *agents: str) -> Rule:
        when = name.__eq__
        policy = Policy(targets=tuple(Target(agent) for agent in agents), confirm_within=3_000)
        return Rule(name=name, policy=policy, when=lambda room, _: when(room.name))

    return Config(
        projects=(Project(name="demo", url=url, keys={key: Secret(secret) for key, secret in DEV_KEYS.items()}),),
        rules=(rule("silent-drop", "sleepy"), rule("rejected", "busy", "greeter"), _anyone()),
        instance="demo",
        sweep=SweepSettings(every=5_000),
        create_rate=CreateRate(),
        host="127.0.0.1",
        port=0,
        ledger=None,
        api_token=None,
        file=None,
        warnings=(),
    )


def _anyone() -> Rule:
    return Rule(name="everyone-else", policy=Policy(targets=(Target("greeter"),), confirm_within=3_000))


async def _join(livekit: FakeLiveKit, room: str) -> None:
    await livekit.rooms.join(room, "alice")


async def _five_copies(livekit: FakeLiveKit) -> None:
    livekit.faults.duplicate_webhooks(5, "participant_joined")
    await livekit.rooms.join("five-copies", "alice")


async def _no_webhook(livekit: FakeLiveKit) -> None:
    livekit.faults.lose_webhooks(2)
    await livekit.rooms.join("no-webhook", "alice")


_SCENES: Final = (
    _Scene(room="lobby", story="Alice joins.", play=lambda livekit: _join(livekit, "lobby")),
    _Scene(room="five-copies", story="LiveKit sends the webhook of her joining five times.", play=_five_copies),
    _Scene(
        room="silent-drop",
        story="LiveKit takes the dispatch, loses it on the way to the worker, and says nothing.",
        play=lambda livekit: _join(livekit, "silent-drop"),
    ),
    _Scene(
        room="rejected",
        story="The worker says no; the rule has a fallback.",
        play=lambda livekit: _join(livekit, "rejected"),
    ),
    _Scene(room="no-webhook", story="Neither webhook of this room ever comes.", play=_no_webhook),
)


class _Row(Struct, frozen=True, kw_only=True):
    room: str
    agents: int
    took: str
    why: str


async def _show(
    scene: _Scene, livekit: FakeLiveKit, service: Service, write: Callable[[str], object], within: float
) -> _Row:
    write(f"\n── {scene.room}: {scene.story}\n")
    await scene.play(livekit)
    try:
        await livekit.wait_until(lambda: livekit.rooms.agents_in(scene.room), within=within)
        timeline = await _told(service, scene.room, within)
    except (NeverSeen, TimeoutError):
        return _Row(room=scene.room, agents=0, took="", why="no agent came")
    served = next(entry for entry in timeline if entry.said is Said.AGENT_JOINED)
    took = f"{served.took / 1000:.2f} s" if served.took is not None else ""
    return _Row(room=scene.room, agents=len(livekit.rooms.agents_in(scene.room)), took=took, why=_why(timeline))


async def _told(service: Service, room: str, within: float) -> tuple[Entry, ...]:
    """Wait until the room's timeline says that an agent has joined, and return the timeline."""
    async with asyncio.timeout(within):
        while True:
            for known in await sessions.find(service.ledger, "demo", room):
                timeline = known.session.timeline
                if any(entry.said is Said.AGENT_JOINED for entry in timeline):
                    return timeline
            await asyncio.sleep(0.02)


def _why(timeline: tuple[Entry, ...]) -> str:
    """How the room came to its agent, from its timeline."""
    asked = [entry for entry in timeline if entry.said is Said.DISPATCH_REQUESTED]
    failed = [f"{entry.agent} {entry.verdict}" for entry in timeline if entry.said is Said.ATTEMPT_ENDED]
    served = next(entry for entry in timeline if entry.said is Said.AGENT_JOINED)
    return ", ".join([*failed, f"{served.agent} on attempt {served.number} of {len(asked)}"])


def _table(rows: list[_Row]) -> str:
    lines = [f"\n{'room':<14}{'agents':<8}{'time to agent':<15}why"]
    lines += [f"{row.room:<14}{row.agents:<8}{row.took:<15}{row.why}" for row in rows]
    return "\n".join(lines) + "\n"
