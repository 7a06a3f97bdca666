"""An answer without end, or one that swells, costs a call its deadline at most, and memory within its bound."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping

import pytest

from dispatcher.livekit.answers import ROOM_MAX, twirp_session
from dispatcher.livekit.client import CallLimits, LiveKit
from dispatcher.livekit.failures import LiveKitError, Reason, Unavailable, Unknown
from tests.attack.caller import CALLS, LIMITS
from tests.attack.endless import MIB, answers, saying
from tests.real.server import KEY, SECRET

PATIENT = CallLimits(look=30, act=30)
HASTY = CallLimits(look=0.3, act=0.3)
SLACK = 16 * MIB  # what the sockets of three requests hold
BY_TIME = {  # what only a deadline ends: there is never enough of it to be too much
    "a byte now and then",
    "chunks of one byte without end",
    "Continue without end",
}
REASONS: Mapping[str, set[Reason]] = {  # where it is not that there is too much: look, and create
    "512 MiB of zeros in 0.5 MB": {Reason.BROKEN, Reason.OVERSIZED},
    "zeros without end": {Reason.BROKEN, Reason.OVERSIZED},
    "a room of 30 MiB, again and again": {Reason.BROKEN, Reason.OVERSIZED},
    "headers without end": {Reason.BROKEN},
    "a header without end": {Reason.BROKEN},
    "an error page without end": {Reason.SERVER},
    "a redirect with a body without end": {Reason.REDIRECTED},
} | {name: {Reason.TIMEOUT} for name in BY_TIME}


class Counted:
    """An answer, from its beginning for each who asks, and how much of it has been taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in answers()[self.name]:
            yield piece
            self.taken += len(piece)


@pytest.mark.slow("megabytes of answers, in 34 ways")
@pytest.mark.parametrize("call", ["look", "create"])
@pytest.mark.parametrize("name", answers())
async def test_an_answer_without_end_is_given_up(name: str, call: str) -> None:
    """It is an error of ours, and no more of it is taken than a bound says: of a dispatch that is created, unknown."""
    answer = Counted(name)
    limits = HASTY if name in BY_TIME else PATIENT
    async with saying(answer) as url, twirp_session() as session:
        livekit = LiveKit(url, KEY, SECRET, session=session, observe=lambda *_: None, limits=limits)
        with pytest.raises(LiveKitError) as caught:
            await CALLS[call](livekit)
    assert caught.value.reason in REASONS.get(name, {Reason.OVERSIZED})
    assert type(caught.value) is (Unknown if call == "create" else Unavailable)
    tries = 3 * limits.tries if call == "look" else 1
    assert answer.taken < tries * (ROOM_MAX + SLACK)


@pytest.mark.long
@pytest.mark.parametrize("name", answers())
async def test_an_answer_without_end_costs_little(name: str) -> None:
    """Of a process that meets it: its time within the call's limit, 150 MiB, and half a second of its loop."""
    async with saying(Counted(name)) as url:
        caller = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.attack.caller", url, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await caller.communicate()
    costs = [json.loads(line) for line in output.splitlines()]
    assert [cost["call"] for cost in costs] == list(CALLS)
    for cost in costs:
        assert cost["ended"] != "well"
        assert cost["grown_mib"] < 150, cost
        assert cost["pause_s"] < 0.5, cost
        assert cost["seconds"] < (LIMITS.look if cost["call"] == "look" else LIMITS.act) + 1, cost
