"""LiveKit's clock is another one: a minute apart nothing is noticed, beyond it is told, and rooms get their agents."""

import time
from collections.abc import Mapping

import aiohttp
import jwt
import pytest

from dispatcher.app import running
from dispatcher.cli.doctor import examine
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, TOKEN, Ears, House, config, house, rule


def apart(seconds: float) -> FakeLiveKit:
    """A LiveKit whose clock is so far ahead of ours."""
    return FakeLiveKit(timings=Timings(speed=SPEED, clock_ahead=seconds))


TIMES: Mapping[str, tuple[str, float, int]] = {
    "begins in 59 s": ("nbf", 59, 200),
    "begins in 62 s": ("nbf", 62, 401),
    "ended 58 s ago": ("exp", -58, 200),
    "ended 61 s ago": ("exp", -61, 401),
}


@pytest.mark.parametrize(("claim", "seconds", "status"), TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("ahead", [0.0, 3_600.0, -3_600.0])
async def test_a_token_has_a_minutes_leeway(claim: str, seconds: float, status: int, ahead: float) -> None:
    """Either side, by LiveKit's own clock; as livekit-server's verifier grants it in every release."""
    async with apart(ahead) as livekit:
        claims = {"iss": livekit.api_key, "video": {"roomList": True}, claim: time.time() + ahead + seconds}
        token = jwt.encode(claims, livekit.api_secret, algorithm="HS256")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            answer = await http.post(f"{livekit.url}/twirp/livekit.RoomService/ListRooms")
            assert answer.status == status


@pytest.mark.parametrize("ahead", [-55.0, 55.0])
async def test_s4_clocks_a_minute_apart_are_not_noticed(ahead: float) -> None:
    """A crash is replaced, and nothing is worse than information: neither a warning nor an error."""
    async with apart(ahead) as livekit, house(livekit=livekit) as here:
        livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.SERVES, stay=2.0, ghost=2.0)
        await livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", number=2)
        await here.idle()
        levels = {(line["level"], line["action"]) for line in here.lines if line["level"] != "info"}
        metrics = await here.metrics()
        assert await examine(config(livekit.url, rule("greeter")), lambda _: None) == 0
    assert levels <= {("warning", "attempt.ended")}  # of the crash
    assert 0 <= metrics['livekit_dispatcher_time_to_agent_seconds_sum{agent="greeter"}'] < 5


async def test_s4_a_clock_too_far_behind_livekits_takes_no_webhook() -> None:
    """Each is refused and told as made in the future; the sweep is what finds the room."""
    async with apart(90.0) as livekit, house(livekit=livekit, sweep_every=300) as here:
        livekit.workers.register("greeter")
        await livekit.rooms.join("lobby", "alice")
        assert (await here.told("webhook.rejected"))["reason"] == "not_yet_valid"
        await here.told("agent.joined", room="lobby")


async def test_s4_a_clock_too_far_ahead_of_livekits_may_call_nothing() -> None:
    """LiveKit refuses our tokens: told as unauthorized, also by the doctor, who says that it may be the clocks."""
    told: list[str] = []
    ears = Ears()
    async with apart(-90.0) as livekit:
        settings = config(livekit.url, rule("greeter"))
        async with running(settings, Log(ears.hear, time.time), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            failed = await House(livekit, service, ears).told("sweep.postponed")
            await livekit.rooms.join("lobby", "alice")
        assert await examine(settings, told.append) == 1
    assert (failed["level"], failed["why"]) == ("error", "unauthorized")
    assert "unauthorized; the key or the secret is not this server's, or the clocks differ by over a minute" in "".join(
        told
    )
    assert "livekit default: clock -90 s from ours; LiveKit refuses our tokens" in "".join(told)


async def test_who_calls_has_waited_since_the_invite() -> None:
    """In the log, in what the API tells of the room, and in the metrics."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        rang = {"lk.sip.inviteTime": str(int(time.time() * 1000) - 20_000)}
        await here.livekit.rooms.join("call", "sip_+441632960961", kind="SIP", attributes=rang)
        joined = await here.told("agent.joined", room="call")
        url, headers = f"{here.service.admin_url}/v1/rooms/call", {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
            [session] = (await answer.json())["sessions"]
        metrics = await here.metrics()
    told = [one["since_invite_ms"] for one in session["timeline"] if one["event"] == "agent.joined"]
    assert told == [joined["since_invite_ms"]]
    assert told[0] >= joined["duration_ms"] + 20_000 - 1_000
    assert metrics['livekit_dispatcher_invite_to_agent_seconds_sum{agent="greeter"}'] == told[0] / 1000
