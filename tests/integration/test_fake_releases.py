"""The fake as a server of another release: each difference, in the last release without it and the first with it."""

from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from livekit.api import ServerError

from dispatcher.testing import FakeLiveKit, JobOutcome
from dispatcher.testing.release import Version
from tests.integration.stage import FAST, Receiver, asks, client, received

FIRST: Mapping[str, Version] = {"1.9.0": (1, 9), "1.9.1": (1, 9, 1), "1.9.2": (1, 9, 2), "1.11.0": (1, 11)} | {
    "1.12.0": (1, 12),
    "1.13.0": (1, 13),
    "1.13.1": (1, 13, 1),
    "1.13.2": (1, 13, 2),
    "1.13.6": (1, 13, 6),
    "1.13.7": (1, 13, 7),
}


def releases(*names: str) -> pytest.MarkDecorator:
    """The last without, the first with."""
    rows = [pytest.param(FIRST[name], has, id=name) for name, has in zip(names, (False, True), strict=True)]
    return pytest.mark.parametrize(("version", "has"), rows)


async def told(receiver: Receiver, event: str) -> dict[str, Any]:
    """The first webhook of that event, as soon as it has come."""
    while True:
        for body in receiver.bodies():
            if body["event"] == event:
                return dict(body)
        await receiver.wait_for(len(receiver.got) + 1)


@releases("1.12.0", "1.13.0")
async def test_a_webhooks_token_says_when_it_was_made(version: Version, *, has: bool) -> None:
    """In `iat`; `nbf` says the same, and is there in every release."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby")
        await told(receiver, "room_started")
        token = receiver.got[0][0].headers["Authorization"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert ("iat" in claims) is has
    assert claims["exp"] - claims["nbf"] == 300


@releases("1.13.1", "1.13.2")
async def test_a_dispatch_has_attributes(version: Version, *, has: bool) -> None:
    """They come back, in the echo and in the list, and reach the job."""
    asked = asks("lobby")
    asked.attributes["dispatcher.want"] = "w"
    async with FakeLiveKit(timings=FAST, version=version) as livekit, client(livekit) as api:
        livekit.workers.register("greeter")
        made = await api.agent_dispatch.create_dispatch(asked)
        await livekit.wait_until(lambda: livekit.rooms.dispatches_in("lobby")[0].state.jobs)
        [listed] = livekit.rooms.dispatches_in("lobby")
    expected = {"dispatcher.want": "w"} if has else {}
    assert dict(made.attributes) == dict(listed.attributes) == dict(listed.state.jobs[0].attributes) == expected


@releases("1.13.1", "1.13.2")
async def test_what_a_dispatch_brings_has_a_limit(version: Version, *, has: bool) -> None:
    """512 KiB of metadata, as LiveKit is configured unless told otherwise."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, client(livekit) as api:
        asked = asks("lobby", metadata="m" * (512 * 1024 + 1))
        if not has:
            assert (await api.agent_dispatch.create_dispatch(asked)).id
            return
        with pytest.raises(ServerError, match="metadata size exceeds limits"):
            await api.agent_dispatch.create_dispatch(asked)


@releases("1.11.0", "1.12.0")
async def test_deployments_are_known(version: Version, *, has: bool) -> None:
    """Else the deployment is dropped, and whoever has the name takes the job, a canary's worker too."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, client(livekit) as api:
        canary = livekit.workers.register("greeter", deployment="canary")
        await api.agent_dispatch.create_dispatch(asks("lobby"))
        assert canary.asked == (0 if has else 1)
        made = await api.agent_dispatch.create_dispatch(asks("lobby", deployment="canary"))
        assert canary.asked == (1 if has else 2)
    assert made.deployment == ("canary" if has else "")


@releases("1.9.1", "1.9.2")
async def test_an_agents_name_is_stamped(version: Version, *, has: bool) -> None:
    """By the server; what its SDK says of it is another attribute, and older SDKs say nothing."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", names_itself=False)
        await api.agent_dispatch.create_dispatch(asks("lobby"))
        [agent] = await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))
    assert dict(agent.attributes) == ({"lk.agent_name": "greeter"} if has else {})


@releases("1.9.1", "1.9.2")
async def test_a_workers_no_is_listed(version: Version, *, has: bool) -> None:
    """Else it is as if nobody had been asked."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, client(livekit) as api:
        worker = livekit.workers.register("greeter", JobOutcome.REJECTS, JobOutcome.SERVES)
        await api.agent_dispatch.create_dispatch(asks("lobby"))
        await api.agent_dispatch.create_dispatch(asks("lobby"))
        await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))
        first, second = livekit.rooms.dispatches_in("lobby")
    assert worker.asked == 2
    assert [job.state.participant_identity for job in first.state.jobs] == ([""] if has else [])
    assert len(second.state.jobs) == 1


@releases("1.9.0", "1.9.1")
async def test_an_aborted_connection_is_told(version: Version, *, has: bool) -> None:
    """Whose media never connected is nobody to older servers."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, received(livekit) as receiver:
        await livekit.rooms.abort("lobby", "alice")
        await livekit.rooms.close("lobby")
        await told(receiver, "room_finished")
        events = [body["event"] for body in receiver.bodies()]
    assert ("participant_connection_aborted" in events) is has


@releases("1.13.6", "1.13.7")
async def test_a_room_says_why_it_ended(version: Version, *, has: bool) -> None:
    """In room_finished."""
    async with FakeLiveKit(timings=FAST, version=version) as livekit, received(livekit) as receiver:
        await livekit.rooms.open("lobby")
        await livekit.rooms.close("lobby")
        finished = await told(receiver, "room_finished")
    assert finished.get("roomEndReason") == ("ROOM_END_API_DELETE" if has else None)
