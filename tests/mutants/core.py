"""Mistakes in the pure core: `python -m tests.mutants.core`. About ten minutes.

The columns: what the core's tables and properties make of a mutant, and what simulated lives make of it.
"""

from tests.mutants.run import Mutant, run_all

SELECTIONS = (("tests/unit/core",), ("tests/simulation",))

MUTANTS = {
    "dispatcher/core/session.py": (
        Mutant("asks while an attempt is open", "not (self.open or self.done or", "not (self.done or"),
        Mutant("asks for what was ended on purpose", "not (self.open or self.done or", "not (self.open or"),
        Mutant("an agent by name does not serve", "self.done or self.by_name or", "self.done or"),
    ),
    "dispatcher/core/plan.py": (
        Mutant(
            "asks in a room that is not listed",
            "    if session.missed_at:\n        return Wait(session.missed_at + ENDING_MS)\n",
            "",
        ),
        Mutant("acts on an old look", "return act if fresh else Look()", "return act"),
        Mutant("waits for the latest deadline", "Wait(min(ahead))", "Wait(max(ahead))"),
        Mutant("forgets what is ahead", "return Wait(min(ahead)) if ahead else Rest()", "return Rest()"),
        Mutant(
            "forgets what is to be taken back",
            "        yield from (attempt.retract_at for",
            "        ((attempt.retract_at) for",
        ),
    ),
    "dispatcher/core/fold.py": (
        Mutant(
            "an agent that left is no reason to look",
            "    return replace(session, stale=True)\n",
            "    return session\n",
        ),
        Mutant(
            "nobody who joins is a reason to look",
            "    return may_be_born(session, rules, person)\n",
            "    return False\n",
        ),
        Mutant("a final end is not final", "    if session.final:\n        return session\n", ""),
        Mutant("who lives again is not looked at", "over=False, missed_at=0, stale=True)", "over=False)"),
    ),
    "dispatcher/core/judge.py": (
        Mutant("no grace for a missed agent", "GRACE_MS: Final = 2_000", "GRACE_MS: Final = 0"),
        Mutant("silent after two seconds", "now >= asked + want.policy.confirm_within", "now >= asked + GRACE_MS"),
        Mutant("a crash counts as an end on purpose", "else Verdict.CRASHED", "else Verdict.FINISHED"),
        Mutant("who leaves at once has finished", "if stayed < want.policy.min_stay:", "if stayed < 0:"),
    ),
    "dispatcher/core/closing.py": (
        Mutant("nothing lingers", "    60_000  #", "    0  #"),
        Mutant(
            "a queued launch is deleted",
            "if verdict is Verdict.SURPLUS and attempt.agent:",
            "if verdict is Verdict.SURPLUS:",
        ),
        Mutant("failed attempts cost nothing", "    paid = budget.failed(want, verdict, now)\n", "    paid = want\n"),
    ),
    "dispatcher/core/surplus.py": (
        Mutant("the latest agent is kept", "    keep = min(serving,", "    keep = max(serving,"),
        Mutant(
            "a late agent serves nobody",
            "    if want is None or want.done or want.remnant:",
            "    if want is not None:",
        ),
        Mutant("untied agents are not watched", "untied=sids, untied_since=since,", "untied=sids,"),
    ),
    "dispatcher/core/ties.py": (
        Mutant("tags are not read", "    return _Tag(key, int(number))", "    return None"),
        Mutant("nothing is adopted", "new = sorted(unknown,", "new = sorted(unknown[:0],"),
        Mutant(
            "a foreign dispatch is ours",
            "replace(_attempt(dispatch, want.last + 1, now), ours=False)",
            "_attempt(dispatch, want.last + 1, now)",
        ),
        Mutant("what the record forgot is open again", "elif number < want.last:", "elif number < 0:"),
        Mutant("jobs are not remembered", "(*attempt.identities, *fresh)[-ATTEMPT", "fresh[-ATTEMPT"),
    ),
    "dispatcher/core/see.py": (
        Mutant("done for ever", "if want.done and any(", "if want.done < 0 and any("),
        Mutant("over at the first look", "if session.missed_at and now >=", "if now >="),
        Mutant(
            "over although it is listed", "replace(session, over=False, missed_at=0,", "replace(session, missed_at=0,"
        ),
        Mutant("stale for ever", "replace(session, stale=False, seen_at=now)", "replace(session, seen_at=now)"),
    ),
    "dispatcher/core/budget.py": (
        Mutant("no backoff", "(BACKOFF_MS << min(failures - 1, 10))", "0 * failures"),
        Mutant("starved for good", "due=now + want.policy.retry_every", "due=now + 10**12"),
        Mutant("no fallback", "if want.target + 1 < len(want.policy.targets):", "if not want.policy.targets:"),
        Mutant("no brake on crashes", "crashes=crashes + 1, due=now + wait)", "crashes=crashes + 1)"),
    ),
    "dispatcher/core/acts.py": (
        Mutant(
            "an unknown outcome counts as unsent",
            "    return tell(session, entry)\n",
            "    return unsent(session, step, now, why)\n",
        ),
        Mutant("what was asked to go is asked at once again", "retract_at=again,", "retract_at=now,"),
    ),
    "dispatcher/core/births.py": (
        Mutant(
            "everybody's rule has a want", "    if rule.go_on or rule.policy.per", "    if rules or rule.policy.per"
        ),
    ),
}

if __name__ == "__main__":
    run_all(MUTANTS, SELECTIONS)
