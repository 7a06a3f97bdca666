"""Mistakes in what the core knows of launches: `python -m tests.mutants.launched`. About three minutes.

The columns: what the core's own tests make of a mutant, and what simulated lives with launchers make of it.
"""

from tests.mutants.run import Mutant, run_all

SELECTIONS = (("tests/unit/core/test_launched.py",), ("tests/simulation/test_laws.py", "-k", "launched or random"))

MUTANTS = {
    "dispatcher/core/tags.py": (
        Mutant(
            "who copies a tag is ours",
            "if dispatch.launcher and [job.identity for job in dispatch.jobs] != [",
            "if dispatch.launcher and not dispatch.jobs == [",
        ),
        Mutant("a launch's tag fits an agent of that name", ", *launcher])", "])"),
        Mutant(
            "each attempt joins as the one before",
            "self._signature(session, step))\n\n    def found",
            '"")\n\n    def found',
        ),
    ),
    "dispatcher/core/snapshot.py": (
        Mutant("who is not there yet serves", "if one.active and one.launcher)", "if one.launcher)"),
        Mutant("nobody was launched", "if launched else self", "if not launched else self"),
    ),
    "dispatcher/core/attribution.py": (
        Mutant("who says so was launched by us", "not in tags and not dispatch.launcher:", "not in tags:"),
        Mutant(
            "two launches are one attempt",
            "twin = asked if not dispatch.launcher else None",
            "twin = asked",
        ),
        Mutant(
            "a launch is adopted beside itself",
            "for attempt in attempts if attempt.launched for",
            "for attempt in () for",
        ),
        Mutant(
            "a launch is listed nowhere, and so over",
            "attempt if attempt.launched else _listed(",
            "_listed(",
        ),
    ),
    "dispatcher/core/verdicts.py": (
        Mutant(
            "a process that runs is waited for no longer than a job",
            "return Verdict.NO_SHOW if now >= attempt.started_at + policy.join_within else None\n    return",
            "return Verdict.NO_SHOW if now >= attempt.started_at + policy.confirm_within else None\n    return",
        ),
        Mutant(
            "nobody's process is waited for without end",
            "Verdict.SILENT if now >= attempt.started_at + policy.confirm_within else None",
            "None",
        ),
        Mutant(
            "LiveKit is asked for a launch's dispatch",
            "    if attempt.launched:\n        return _over",
            "    if attempt.belated:\n        return _over",
        ),
    ),
    "dispatcher/core/closing.py": (
        Mutant(
            "a given-up process has its place for a minute",
            "if attempt.launched and verdict not in _AT_EASE:",
            "if not attempt:",
        ),
        Mutant(
            "who leaves is cut short",
            "_AT_EASE: Final = frozenset({Verdict.LEFT, Verdict.ENDED})",
            "_AT_EASE: Final = frozenset()",
        ),
    ),
    "dispatcher/core/transitions.py": (
        Mutant(
            "its identity is known once it has joined", "identities=(identity,) if identity else (),", "identities=(),"
        ),
        Mutant("nobody ends what was started", "listed=attempt.listed or attempt.launched)", "listed=attempt.listed)"),
        Mutant(
            "a launcher without a place is asked for ever",
            "Verdict.REJECTED, now, Why(reason))",
            "Verdict.UNSENT, now, Why(reason))",
        ),
    ),
    "dispatcher/core/drive.py": (
        Mutant("nobody says whose launch is to end", "launcher=attempt.target.launcher", 'launcher=""'),
        Mutant(
            "asked again it is another one's",
            "started_at=turn.now if identity else 0,",
            "started_at=0,",
        ),
    ),
    "dispatcher/core/patience.py": (
        Mutant("a launch is as silent as a worker", "if not (one.agent_sid or one.launched))", "if not one.agent_sid)"),
    ),
    "dispatcher/core/news.py": (
        Mutant(
            "a launcher shows signs of life",
            "case Said.ATTEMPT_ENDED, _ if attempt and attempt.launched:",
            "case Said.ATTEMPT_ENDED, _ if attempt and attempt.belated:",
        ),
    ),
}

if __name__ == "__main__":
    run_all(MUTANTS, SELECTIONS)
