"""What is checked of the ledger's Redis: each server's facts, a write, and whose keys they are."""

from collections.abc import Iterator
from typing import Final

from dispatcher.cli.doctor.findings import Finding, Grade
from dispatcher.client.reasons import why
from dispatcher.config import Config
from dispatcher.core.facts import Ms
from dispatcher.explain.service import LEDGER
from dispatcher.ledger.installation import Installation
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.ledger.redis.address import Address
from dispatcher.ledger.redis.checkup import ServerFacts, check_up, named, other_installation
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.runtime.snapshot import livekits

OLDEST: Final = {"redis": (7, 0), "valkey": (7, 2)}  # that the ledger's scripts are tested on, or meant for
NEAR_MS: Final = 10.0  # a webhook waits for one round trip, a join for five
FAR_MS: Final = 200.0  # a call has 1 s in all, its retry included
AHEAD_MS: Final[Ms] = 2_000  # leases go by Redis's clock, and nothing else does
TOO_FAR_AHEAD_MS: Final[Ms] = 60_000  # the leeway of a webhook's token: one of the two clocks is wrong
FULL: Final = 0.8  # of `maxmemory`


async def of_redis(config: Config) -> list[Finding]:
    """The findings about the ledger."""
    if config.ledger is None:
        return [Finding(Grade.OK, "ledger", f"in memory: one process; set {LEDGER} to run several")]
    redis = config.ledger.address
    try:
        facts = await check_up(redis)
    except LedgerUnavailable as error:
        reason = why(error)
        says = f"{named(redis)}: {reason}" if reason else str(error)
        return [Finding(Grade.ERROR, "redis", says, "docs/redis.md has the forms that REDIS_URL may have")]
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
