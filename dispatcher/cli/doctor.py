"""`dispatcher doctor`: checks everything that the service will depend on.

One line for each check: ok, warning or error, and what to do. It changes nothing but one key of Redis, for a second.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from time import monotonic
from typing import Final

from msgspec import Struct

from dispatcher.app import redis_address
from dispatcher.cli.options import take_config
from dispatcher.config import Config, Project, Source
from dispatcher.core.facts import Ms
from dispatcher.core.text import visible
from dispatcher.core.workers import Missing, WorkersSeen, asked
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.ledger.redis.address import Address
from dispatcher.ledger.redis.checkup import ServerFacts, check_up, other_installation
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.ledger.redis.owner import Installation
from dispatcher.livekit.answers import twirp_session
from dispatcher.livekit.client import LiveKit, LiveKitError, Reason
from dispatcher.runtime.snapshot import livekits
from dispatcher.targets.presence import ask_all
from dispatcher.targets.worker_http import worker_http

NAME: Final = "doctor"
HELP: Final = "check Redis and LiveKit, and say what to mend: exit code 0, 1 or 2"

OLDEST: Final = {"redis": (7, 0), "valkey": (7, 2)}  # that the ledger's scripts are tested on, or meant for
NEAR_MS: Final = 10.0  # a webhook waits for one round trip, a join for five
FAR_MS: Final = 200.0  # a call has 1 s in all, its retry included
AHEAD_MS: Final[Ms] = 2_000  # leases go by Redis's clock, and nothing else does
TOO_FAR_AHEAD_MS: Final[Ms] = 60_000  # the leeway of a webhook's token: one of the two clocks is wrong
FULL: Final = 0.8  # of `maxmemory`


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check everything that the service will depend on."""
    config = Source(arguments.config, os.environ).read()
    return asyncio.run(examine(config, redis_address(config), sys.stdout.write))


class Grade(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it will run, and not as well as it could
    ERROR = "error"  # it will not run, or will lose what it has promised to keep


class Finding(Struct, frozen=True):
    """What one check has found. `remedy` says what to do, if there is something to do."""

    grade: Grade
    about: str
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.grade:8} {self.about}: {self.says}{self.remedy and f'; {self.remedy}'}"


async def examine(config: Config, redis: Address | None, write: Callable[[str], object]) -> int:
    """Write a line for each finding; exit code 0: no error among them, else 1."""
    findings = [*_of_configuration(config), *await _of_redis(config, redis)]
    findings += await _of_livekits(config.projects)
    findings += of_workers(await _seen(config), config)
    for finding in findings:
        write(f"{visible(str(finding))}\n")
    return int(any(finding.grade is Grade.ERROR for finding in findings))


def _of_configuration(config: Config) -> Iterator[Finding]:
    about = "configuration"
    rules = len({rule.name for rule in config.rules_in_force})
    yield Finding(Grade.OK, about, f"{config.file or 'environment'}: {rules} rule{'' if rules == 1 else 's'}")
    for warning in config.warnings:
        yield Finding(Grade.WARNING, about, str(warning))


async def _of_livekits(projects: Sequence[Project]) -> list[Finding]:
    findings: list[Finding] = []
    owners: dict[str, str] = {}  # by SID
    for project in projects:
        about = f"livekit {project.name}"
        try:
            began = monotonic()
            sids = await _rooms(project)
        except LiveKitError as error:
            remedy = _LIVEKIT.get(error.reason, _ELSE)
            says = f"{project.url}: {error.reason}{error.leads_to and f' to {error.leads_to}'}"
            findings.append(Finding(Grade.ERROR, about, says, remedy))
            continue
        says = f"{project.url}: {len(sids)} rooms, in {(monotonic() - began) * 1000:.0f} ms"
        findings.append(Finding(Grade.OK, about, says))
        if shared := {owners[sid] for sid in sids if sid in owners}:
            says = (
                f"its rooms are those of project {min(shared)} as well: it is one LiveKit, and gives two agents to each"
            )
            findings.append(Finding(Grade.ERROR, about, says, "write one project, with the keys of both"))
        owners |= dict.fromkeys(sids, project.name)
    return findings


async def _rooms(project: Project) -> set[str]:
    """The SIDs of the project's live rooms. Raises LiveKitError."""
    key, secret = next(iter(project.keys.items()))
    async with twirp_session() as session:
        livekit = LiveKit(project.url, key, secret.get_secret_value(), session=session, observe=lambda *_: None)
        return {room.sid for room in await livekit.rooms()}


async def _seen(config: Config) -> WorkersSeen:
    async with worker_http() as http:
        return asked(WorkersSeen(), await ask_all(http, config.workers), 0)


def of_workers(seen: WorkersSeen, config: Config) -> Iterator[Finding]:
    """What the configured workers say. Those that do not answer harm no dispatch, and tell nothing."""
    about = "workers"
    if not config.workers:
        return
    for address, answer in sorted(seen.answers.items()):
        if isinstance(answer, Missing):
            remedy = "livekit-agents answers there with `start`, on port 8081 unless told otherwise"
            yield Finding(Grade.WARNING, about, f"{address}: {answer}", remedy)
        elif not answer.ready:
            yield Finding(Grade.WARNING, about, f"{address}: `{answer.agent}` says that it is not ready", "see its log")
    if not seen.answering:
        return
    counts = ", ".join(f"`{name}` x{count}" for name, count in seen.registered.items() if name)
    yield Finding(Grade.OK, about, f"registered: {counts or 'none with a name'}")
    if "" in seen.registered:
        says = "a worker without agent_name takes every room, beside the agents of the rules"
        yield Finding(Grade.WARNING, about, says, "give it an agent_name")
    for agent in sorted({target.agent for rule in config.rules_in_force for target in rule.policy.targets}):
        if agent and seen.lacks(agent):
            yield Finding(Grade.WARNING, about, f"none is registered as `{agent}`, for which a rule asks")


_LIVEKIT: Final = {
    Reason.UNAUTHORIZED: "the key or the secret is not this server's, or the clocks differ by over a minute",
    Reason.UNREACHABLE: "nobody answers there: is the address right, and the way to it open?",
    Reason.NOT_FOUND: "something else than LiveKit answers there",
    Reason.BROKEN: "something else than LiveKit answers there, or a proxy spoils what it answers",
    Reason.OVERSIZED: "no LiveKit has so much to list: something else answers there",
    Reason.REDIRECTED: "redirects are not followed: the url must be LiveKit's own",
}
_ELSE: Final = "LiveKit's own log may say why"


async def _of_redis(config: Config, redis: Address | None) -> list[Finding]:
    if redis is None:
        return [Finding(Grade.OK, "ledger", "in memory: one process; set REDIS_URL to run several")]
    try:
        facts = await check_up(redis)
    except LedgerUnavailable as error:
        return [Finding(Grade.ERROR, "redis", str(error), "docs/redis.md has the forms that REDIS_URL may have")]
    findings = [finding for one in facts for finding in judged(one)]
    return [*findings, await _of_writing(config, redis), await _of_neighbours(config, redis)]


async def _of_writing(config: Config, redis: Address) -> Finding:
    ledger = RedisLedger(redis, installation=Installation(instance=config.instance))
    try:
        await ledger.turn("doctor", 1_000)
    except LedgerUnavailable as error:
        remedy = "a full Redis, a replica and a user of too few rights refuse: docs/redis.md, What it needs"
        return Finding(Grade.ERROR, "redis writes", str(error), remedy)
    finally:
        await ledger.aclose()
    return Finding(Grade.OK, "redis writes", "a script has run and written")


async def _of_neighbours(config: Config, redis: Address) -> Finding:
    about = "redis keys"
    try:
        other = await other_installation(redis, config.instance, livekits(config))
    except LedgerUnavailable as error:
        return Finding(Grade.ERROR, about, str(error), "see the line above")
    if other:
        return Finding(Grade.ERROR, about, other, LedgerTaken.hint)
    return Finding(Grade.OK, about, f"no other installation works as instance {config.instance}")


def judged(facts: ServerFacts) -> Iterator[Finding]:
    """What the facts about one Redis server mean."""
    about = f"redis {facts.name}"
    yield _latency(facts, about)
    yield _clock(facts, about)
    if facts.make is None or facts.version is None:
        remedy = "ask whoever runs it; or allow the user +info"
        yield Finding(Grade.WARNING, about, "version, eviction and persistence are not for this user to see", remedy)
        return
    yield _version(facts.make, facts.version, about)
    yield _eviction(facts, about)
    yield _persistence(facts, about)
    if facts.replica:
        yield Finding(Grade.ERROR, about, "a replica: it refuses every write", "REDIS_URL must name the master")
    if facts.memory and facts.memory_max and facts.memory > FULL * facts.memory_max:
        share = facts.memory / facts.memory_max
        yield Finding(Grade.WARNING, about, f"memory {share:.0%} full", "a full Redis means 503: raise maxmemory")


def _latency(facts: ServerFacts, about: str) -> Finding:
    says = f"round trip {facts.round_trip:.1f} ms"
    if facts.round_trip > FAR_MS:
        return Finding(Grade.ERROR, about, says, "calls of 1 s will fail; bring Redis nearer")
    if facts.round_trip > NEAR_MS:
        return Finding(Grade.WARNING, about, says, "each join waits for five; bring Redis nearer")
    return Finding(Grade.OK, about, says)


def _clock(facts: ServerFacts, about: str) -> Finding:
    says = f"clock {facts.ahead / 1000:+.1f} s from ours"
    if abs(facts.ahead) >= TOO_FAR_AHEAD_MS:
        remedy = "if ours is the wrong one, webhooks are refused as expired; set both by NTP"
        return Finding(Grade.ERROR, about, says, remedy)
    if abs(facts.ahead) > AHEAD_MS:
        return Finding(Grade.WARNING, about, says, "times in `explain` are Redis's; set both by NTP")
    return Finding(Grade.OK, about, says)


def _version(make: str, version: str, about: str) -> Finding:
    says = f"{make} {version}"
    oldest = OLDEST.get(make)
    if oldest is None:
        return Finding(Grade.WARNING, about, says, "tested are Redis and Valkey")
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        return Finding(Grade.WARNING, about, says, f"tested from {oldest[0]}.{oldest[1]} on")
    return Finding(Grade.OK, about, says)


def _eviction(facts: ServerFacts, about: str) -> Finding:
    says = f"maxmemory-policy {facts.eviction}"
    if facts.eviction == "noeviction":
        return Finding(Grade.OK, about, says)
    return Finding(
        Grade.ERROR, about, says, "sessions would vanish with no word: CONFIG SET maxmemory-policy noeviction"
    )


def _persistence(facts: ServerFacts, about: str) -> Finding:
    if facts.appends:
        return Finding(Grade.OK, about, "appendonly yes")
    if facts.replicas:
        return Finding(Grade.OK, about, f"{facts.replicas} replicas")
    remedy = "a restart forgets, and the sweep has to restore it: CONFIG SET appendonly yes"
    return Finding(Grade.WARNING, about, "neither an append-only file nor a replica", remedy)
