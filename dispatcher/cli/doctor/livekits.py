"""What is checked of each project's LiveKit: the way to it, the key, the clock, and that no two projects are one."""

import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from dispatcher.cli.doctor.findings import Finding, Grade
from dispatcher.client.reasons import why
from dispatcher.config import Project
from dispatcher.core.facts import Ms
from dispatcher.livekit.answers import twirp_session
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason
from dispatcher.livekit.proxies import way

AHEAD_MS: Final[Ms] = 5_000  # less is of no account to tokens
TOO_FAR_AHEAD_MS: Final[Ms] = 60_000  # the leeway of every token, ours and LiveKit's
WITHIN: Final = ClientTimeout(total=5)

_ASKED: Final = "/twirp/livekit.RoomService/ListRooms"  # by GET: refused with a date, whatever the key

_REMEDIES: Final = {
    Reason.UNAUTHORIZED: "the key or the secret is not this server's, or the clocks differ by over a minute",
    Reason.UNREACHABLE: "nobody answers there: is the address right, and the way to it open?",
    Reason.UNTRUSTED: "its certificate is signed by nobody whom we trust: SSL_CERT_FILE names a file of others",
    Reason.PROXY: "the proxy that HTTPS_PROXY or HTTP_PROXY names is not there, or refuses: NO_PROXY keeps a host out",
    Reason.NOT_FOUND: "something else than LiveKit answers there",
    Reason.BROKEN: "something else than LiveKit answers there, or a proxy spoils what it answers",
    Reason.OVERSIZED: "no LiveKit has so much to list: something else answers there",
    Reason.REDIRECTED: "redirects are not followed: the url must be LiveKit's own",
}
_ELSE: Final = "LiveKit's own log may say why"


async def of_livekits(projects: Sequence[Project]) -> list[Finding]:
    """The findings about every project."""
    findings: list[Finding] = []
    owners: dict[str, str] = {}  # by SID
    for project in projects:
        about = f"livekit {project.name}"
        try:
            began = monotonic()
            sids = await _rooms(project)
        except LiveKitError as error:
            findings += [failed(error, project), *await _of_clock(project)]
            continue
        says = f"{project.url}: {len(sids)} rooms, in {(monotonic() - began) * 1000:.0f} ms{way(project.url)}"
        findings += [Finding(Grade.OK, about, says), *await _of_clock(project), *_of_keys(project)]
        if shared := {owners[sid] for sid in sids if sid in owners}:
            says = (
                f"its rooms are those of project {min(shared)} as well: it is one LiveKit, and gives two agents to each"
            )
            findings.append(Finding(Grade.ERROR, about, says, "write one project, with the keys of both"))
        owners |= dict.fromkeys(sids, project.name)
    return findings


def failed(error: LiveKitError, project: Project) -> Finding:
    """What a failed call to the project's LiveKit means."""
    system = why(error)
    says = f"{project.url}: {error.reason}{system and f' ({system})'}{error.leads_to and f' to {error.leads_to}'}"
    says += way(project.url)
    return Finding(Grade.ERROR, f"livekit {project.name}", says, _REMEDIES.get(error.reason, _ELSE))


async def _rooms(project: Project) -> set[str]:
    """The SIDs of the project's live rooms. Raises LiveKitError."""
    key, secret = next(iter(project.keys.items()))
    async with twirp_session() as session:
        livekit = LiveKit(project.url, key, secret.get_secret_value(), session=session, observe=lambda *_: None)
        return {room.sid for room in await livekit.rooms()}


def _of_keys(project: Project) -> Iterator[Finding]:
    if (others := len(project.keys) - 1) > 0:
        says = f"its first key was tried, the other {others} not"
        yield Finding(Grade.SKIPPED, f"livekit {project.name}", says, "calls are signed with the first")


async def _of_clock(project: Project) -> Iterator[Finding]:
    """How far LiveKit's clock, of whole seconds, is from ours; nothing where nobody answers, or without a date."""
    address = project.url.replace("ws", "http", 1) if project.url.startswith("ws") else project.url
    began = _now()
    try:
        async with (
            ClientSession(timeout=WITHIN) as http,
            http.get(f"{address}{_ASKED}", allow_redirects=False) as answer,
        ):
            date = parsedate_to_datetime(answer.headers["Date"])
    except (ClientError, TimeoutError, KeyError, ValueError):
        return iter(())
    ahead = int(date.timestamp() * 1000) + 500 - (began + _now()) // 2
    return iter((judged_clock(ahead, f"livekit {project.name}"),))


def judged_clock(ahead: Ms, about: str) -> Finding:
    """What it means that LiveKit's clock is so far ahead of ours."""
    says = f"clock {round(ahead / 1000):+d} s from ours"
    remedy = "LiveKit refuses our tokens, and we its webhooks, from a minute on: set both clocks by NTP"
    if abs(ahead) >= TOO_FAR_AHEAD_MS:
        return Finding(Grade.ERROR, about, says, remedy)
    return Finding(Grade.WARNING, about, says, remedy) if abs(ahead) > AHEAD_MS else Finding(Grade.OK, about, says)


def _now() -> Ms:
    return time.time_ns() // 1_000_000
