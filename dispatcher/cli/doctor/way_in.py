"""What is checked of the running service from outside: its probe, a webhook of ours, LiveKit's own, its API."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Final

from msgspec import Struct

from dispatcher.cli.client import asked
from dispatcher.cli.doctor.findings import Finding, Grade
from dispatcher.cli.doctor.livekits import failed
from dispatcher.cli.options import WEBHOOK
from dispatcher.cli.send_test import deliver
from dispatcher.client import Dispatcher, RequestFailed
from dispatcher.config import ApiToken, Config, Project
from dispatcher.core.facts import Room, RoomSid
from dispatcher.core.rules import Rule, matching
from dispatcher.livekit.answers import twirp_session
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError
from dispatcher.livekit.webhook import sign

WITHIN_S: Final = 10.0  # LiveKit's webhook of a room comes in some ms, and again after a second or so if it was lost
EVERY_S: Final = 0.2
LIVES_S: Final = 30  # a room that nobody deletes ends so long after it was made

_LAST: Final = re.compile(
    r'^livekit_dispatcher_webhook_last_received_timestamp_seconds\{project="([^"]*)"\} (\S+)$', re.MULTILINE
)
_ABOUT: Final = "way in"
_NAMES: Final = (
    "does LiveKit's `webhook.urls` (in Cloud: Settings, Webhooks) name it, signed with a key of this project?"
)


class WayIn(Struct, frozen=True):
    """Where the running service is."""

    url: str  # webhooks go to its /webhook
    admin: str  # probes, metrics and API
    room_trip: bool = False


class _Readiness(Struct):
    ready: bool
    reason: str = ""


async def of_way_in(config: Config, way: WayIn | None) -> list[Finding]:
    """The findings about the running service; without its address, that it was not asked."""
    if way is None:
        says = "not tried: whether webhooks arrive at the running service"
        return [Finding(Grade.SKIPPED, _ABOUT, says, "name it by --url, and add --room-trip to have LiveKit send one")]
    findings, before = [await _of_readiness(way)], await _last_webhooks(way)
    for project in config.projects:
        findings += [one async for one in _of_webhooks(way, project)]
        trip = [await _of_trip(way, project, config.rules_of(project))] if way.room_trip else []
        if not any(one.grade is Grade.OK for one in trip):  # else one has just come
            findings.append(_of_last(project, before))
        findings += trip
    if not way.room_trip:
        says = "not tried: whether LiveKit itself sends its webhooks there"
        findings.append(Finding(Grade.SKIPPED, "room trip", says, "--room-trip makes a room, and deletes it"))
    return [*findings, *await _of_api(way, config)]


async def _of_readiness(way: WayIn) -> Finding:
    address = f"{way.admin}/readyz"
    try:
        answer = await asked("GET", address, "")
        if answer.status not in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}:
            return Finding(Grade.ERROR, _ABOUT, f"{address}: {answer.status}", "is the service running there?")
        found = answer.read(_Readiness)
    except RequestFailed as error:
        return Finding(Grade.ERROR, _ABOUT, str(error), "--url and --admin-url name the service as seen from here")
    if found.ready:
        return Finding(Grade.OK, _ABOUT, f"{address}: ready")
    return Finding(
        Grade.ERROR, _ABOUT, f"{address}: not ready: {found.reason}", "docs/http.md says what each reason means"
    )


async def _of_webhooks(way: WayIn, project: Project) -> AsyncIterator[Finding]:
    """A webhook of ours, once for each key of the project."""
    signed = partial(sign, now=time.time_ns() // 1_000_000)
    for key, secret in project.keys.items():
        taken, says = await deliver(f"{way.url}{WEBHOOK}", key, secret.get_secret_value(), None, signed)
        grade = Grade.OK if taken else Grade.ERROR
        yield Finding(
            grade, f"webhook {project.name}", says, "" if taken else "docs/my-agent-does-not-come.md has the answers"
        )


async def _last_webhooks(way: WayIn) -> dict[str, float] | None:
    """When LiveKit's last webhook of each project came, in epoch seconds, 0: never; None: nobody says."""
    try:
        answer = await asked("GET", f"{way.admin}/metrics", "")
    except RequestFailed:  # told of the probe already
        return None
    found = _LAST.findall(answer.body.decode(errors="replace"))
    return {project: float(at) for project, at in found} if answer.status == HTTPStatus.OK and found else None


def _of_last(project: Project, before: dict[str, float] | None) -> Finding:
    about = f"webhook {project.name}"
    if before is None:
        return Finding(
            Grade.SKIPPED, about, "when LiveKit's last one came is not told there", "--admin-url: where /metrics is"
        )
    if at := before.get(project.name):
        return Finding(Grade.OK, about, f"LiveKit's last one came {max(0, time.time() - at):.0f} s ago")
    says = "none of LiveKit's has come since that process started"
    return Finding(Grade.WARNING, about, says, f"if rooms have been opened since: {_NAMES}")


async def _of_trip(way: WayIn, project: Project, rules: tuple[Rule, ...]) -> Finding:
    """Whether LiveKit's own webhook of a room that was just made arrives."""
    about, name = f"room trip {project.name}", f"dispatcher-doctor-{secrets.token_hex(4)}"
    if wanted := matching(rules, Room(sid=RoomSid(""), name=name), None):
        says = f"not tried: rule {wanted[0].name} would send an agent into the room"
        return Finding(
            Grade.SKIPPED, about, says, "`trigger: room_started` takes every room that its `when` does not leave out"
        )
    before = await _last_webhooks(way)
    if before is None:
        return Finding(
            Grade.SKIPPED, about, "not tried: what arrives is not told there", "--admin-url: where /metrics is"
        )
    began = monotonic()
    try:
        async with _room(project, name):
            arrived = await _arrives(way, project.name, before.get(project.name, 0.0))
            took = monotonic() - began
    except LiveKitError as error:
        return failed(error, project)
    if arrived:
        return Finding(Grade.OK, about, f"LiveKit's webhook came within {took:.1f} s of a room's making")
    says = f"a room was made, and no webhook of LiveKit's came to {way.url}{WEBHOOK} within {WITHIN_S:g} s"
    return Finding(Grade.ERROR, about, says, _NAMES)


@asynccontextmanager
async def _room(project: Project, name: str) -> AsyncIterator[None]:
    """The room is open, and ends with the block. Raises LiveKitError."""
    key, secret = next(iter(project.keys.items()))
    async with twirp_session() as session:
        livekit = LiveKit(project.url, key, secret.get_secret_value(), session=session, observe=lambda *_: None)
        await livekit.open(name, LIVES_S)
        try:
            yield
        finally:
            await livekit.end(name)


async def _arrives(way: WayIn, project: str, before: float) -> bool:
    """Whether a webhook of the project's comes after the one that came `before`."""
    until = monotonic() + WITHIN_S
    while monotonic() < until:
        now = await _last_webhooks(way)
        if now is not None and now.get(project, 0.0) > before:
            return True
        await asyncio.sleep(EVERY_S)
    return False


async def _of_api(way: WayIn, config: Config) -> list[Finding]:
    """Whether the service takes each token of the configuration."""
    return [await _of_token(way, one) for one in config.callers]


async def _of_token(way: WayIn, one: ApiToken) -> Finding:
    async with Dispatcher(way.admin, one.token.get_secret_value()) as dispatcher:
        try:
            await dispatcher.rooms(limit=1)
        except RequestFailed as failed:
            if failed.error != "forbidden":  # that one is known, and may not read
                return _refused(one.name, failed)
    return Finding(Grade.OK, "api", f"takes the token of {one.name}")


def _refused(name: str, failed: RequestFailed) -> Finding:
    remedy = {
        "unauthorized": "the service has another one",
        "not_found": "the service has none: set DISPATCHER_API_TOKEN where it runs",
    }.get(failed.error, "see its log")
    says = f"refuses the token of {name}: {failed.status}" if failed.answer else failed.detail
    return Finding(Grade.ERROR, "api", says, remedy)
