"""What came of an agent's probes, in words."""

from dispatcher.core.facts import Ms
from dispatcher.core.probes import ProbeFacts
from dispatcher.core.text import visible
from dispatcher.explain.words import about, ago, at_utc


def probes_told(facts: ProbeFacts, now: Ms) -> str:
    """Such as `a probe got it 12 s ago, after 0.3 s`, or how many have failed, since when and why."""
    last = facts.last
    if not facts.failures:
        after = f", after {about(facts.took)}" if facts.took is not None else ""
        return f"a probe got it {ago(last.at, now)}{after}"
    several = facts.failures > 1
    since = f"{facts.failures} probes in a row, since {at_utc(facts.failing_since)}," if several else "the last probe"
    before = f"; one last got it {ago(facts.served_at, now)}" if facts.served_at else ""
    return visible(f"{since} asked in vain ({last.result}){before}: {last.why}")
