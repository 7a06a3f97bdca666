"""What a failed attempt costs, and when the next one may be made. The one place that knows retries.

`attempts` per target with backoff 0.5 s·2ⁿ ± 25 %, then the next target at once. After the last one the assignment is
starved: each target gets one attempt every `retry_every`. A silent target that shows no sign of life anywhere makes way
for the next one at once. The jitter is a hash (`Assignment.spread_by`): the core stays
pure.
"""

from typing import Final
from zlib import crc32

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Policy
from dispatcher.core.session import Assignment
from dispatcher.core.timeline import Verdict

SPREAD: Final = 250  # of a backoff, in thousandths, either way


def backoff(key: str, failures: int) -> Ms:
    """How long to wait after the n-th failure in a row (from 1), the same for the same assignment each time."""
    spread = crc32(f"{key}#{failures}".encode()) % (2 * SPREAD + 1) - SPREAD
    return min(timing.BACKOFF_CAP_MS, (timing.BACKOFF_MS << min(failures - 1, 10))) * (1000 + spread) // 1000


def asked_after(policy: Policy, target: int, attempt: Ms) -> Ms:
    """How long after the first attempt this target (by index) is asked at the latest, if each attempt takes `attempt`.

    `confirm_within`, where no worker takes the job; `join_within`, where one does and no agent comes. LiveKit answers,
    and no turn has to be waited for.
    """
    backoffs = (min(timing.BACKOFF_CAP_MS, timing.BACKOFF_MS << number) for number in range(policy.attempts - 1))
    return target * (policy.attempts * attempt + sum(wait * (1000 + SPREAD) // 1000 for wait in backoffs))


def failed(assignment: Assignment, verdict: Verdict, now: Ms, *, lifeless: bool = False) -> Assignment:
    """The assignment after a failed attempt: when, and at which target, the next may be made."""
    if verdict is Verdict.UNSENT:
        unsent = assignment.unsent + 1
        return replace(assignment, unsent=unsent, due_at=now + backoff(assignment.spread_by, unsent))
    alone = len(assignment.policy.targets) == 1
    last = assignment.target_index + 1 >= len(assignment.policy.targets)
    if verdict is Verdict.SILENT and lifeless and not last:
        return _next_target(assignment, now)
    if verdict is Verdict.REFUSED or (verdict is Verdict.REJECTED and not alone) or assignment.rounds:
        return _next_target(assignment, now)
    tries = assignment.tries + 1
    if tries >= assignment.policy.attempts:
        return _next_target(assignment, now)
    return replace(assignment, tries=tries, due_at=now + backoff(assignment.spread_by, tries))


def crashed(assignment: Assignment, stayed: Ms, now: Ms) -> Assignment:
    """The assignment after its agent was lost: a fresh budget, and a brake that grows from crash to crash."""
    crashes = 0 if stayed >= timing.STEADY_MS else assignment.crashes
    wait = min(timing.BRAKE_CAP_MS, timing.BRAKE_MS << min(crashes, 10))
    return replace(renewed(assignment), crashes=crashes + 1, due_at=now + wait)


def left(assignment: Assignment, stayed: Ms, now: Ms) -> Assignment:
    """The assignment after its agent left without a word: as after a crash, and not before `finish_grace`."""
    braked = crashed(assignment, stayed, now)
    goodbyes = assignment.goodbyes + 1 if stayed < timing.STEADY_MS else 0
    return replace(braked, goodbyes=goodbyes, due_at=max(braked.due_at, now + assignment.policy.finish_grace))


def renewed(assignment: Assignment) -> Assignment:
    """The assignment with its whole budget, due at once."""
    return replace(
        assignment, target_index=0, tries=0, rounds=0, unsent=0, goodbyes=0, finished_at=0, left_at=0, due_at=0
    )


def next_round(assignment: Assignment, now: Ms) -> Assignment:
    """The assignment when every target has been used up: the first again, after `retry_every`."""
    return replace(
        assignment, target_index=0, tries=0, rounds=assignment.rounds + 1, due_at=now + assignment.policy.retry_every
    )


def _next_target(assignment: Assignment, now: Ms) -> Assignment:
    if assignment.target_index + 1 < len(assignment.policy.targets):
        return replace(assignment, target_index=assignment.target_index + 1, tries=0, due_at=now)
    return next_round(assignment, now)
