"""What a failed attempt costs, and when the next one may be made. The one place that knows retries.

`attempts` per target with backoff 0.5 s·2ⁿ ± 25 %, then the next target at once. After the last one the want is
starved: each target gets one attempt every `retry_every`. The jitter is a hash (`Want.spread_by`): the core stays pure.
"""

from typing import Final
from zlib import crc32

from msgspec.structs import replace

from dispatcher.core.events import Ms
from dispatcher.core.session import Verdict, Want

BACKOFF_MS: Final = 500
BACKOFF_CAP_MS: Final = 30_000
BRAKE_MS: Final = 1_000
BRAKE_CAP_MS: Final = 30_000
STEADY_MS: Final = 60_000  # an agent that stayed this long takes the brake off


def backoff(key: str, failures: int) -> Ms:
    """How long to wait after the n-th failure in a row (from 1), the same for the same want each time."""
    spread = crc32(f"{key}#{failures}".encode()) % 501 - 250  # thousandths
    return min(BACKOFF_CAP_MS, (BACKOFF_MS << min(failures - 1, 10))) * (1000 + spread) // 1000


def failed(want: Want, verdict: Verdict, now: Ms) -> Want:
    """The want after a failed attempt: when, and at which target, the next may be made."""
    if verdict is Verdict.UNSENT:
        unsent = want.unsent + 1
        return replace(want, unsent=unsent, due=now + backoff(want.spread_by, unsent))
    alone = len(want.policy.targets) == 1
    if verdict is Verdict.REFUSED or (verdict is Verdict.REJECTED and not alone) or want.rounds:
        return _next_target(want, now)
    tries = want.tries + 1
    if tries >= want.policy.attempts:
        return _next_target(want, now)
    return replace(want, tries=tries, due=now + backoff(want.spread_by, tries))


def crashed(want: Want, stayed: Ms, now: Ms) -> Want:
    """The want after its agent was lost: a fresh budget, and a brake that grows from crash to crash."""
    crashes = 0 if stayed >= STEADY_MS else want.crashes
    wait = min(BRAKE_CAP_MS, BRAKE_MS << min(crashes, 10))
    return replace(renewed(want), crashes=crashes + 1, due=now + wait)


def renewed(want: Want) -> Want:
    """The want with its whole budget, due at once."""
    return replace(want, target=0, tries=0, rounds=0, unsent=0, done=0, due=0)


def next_round(want: Want, now: Ms) -> Want:
    """The want when every target has been used up: the first again, after `retry_every`."""
    return replace(want, target=0, tries=0, rounds=want.rounds + 1, due=now + want.policy.retry_every)


def _next_target(want: Want, now: Ms) -> Want:
    if want.target + 1 < len(want.policy.targets):
        return replace(want, target=want.target + 1, tries=0, due=now)
    return next_round(want, now)
