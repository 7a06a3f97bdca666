"""Every span that the core waits or counts by, in milliseconds, with its reason; and the limits these depend on.

Other modules read them from here (`timing.GRACE_MS`). How they depend on each other is asserted in
tests/unit/core/test_timing.py. Spans that a rule sets stand in `core.rules.Policy`; docs/guarantees.md has the table.
"""

from typing import Final

# Calls and leases: whoever holds a lease makes at most one call, and perhaps a look, before it renews it.

LOOK_LIMIT_MS: Final = 2_000  # a look: its three reads together, the second try included
ACT_LIMIT_MS: Final = 5_000  # the longest call: create, remove, delete, and the sweep's list of all rooms
CALL_MS: Final = LOOK_LIMIT_MS + ACT_LIMIT_MS  # a lease that ends sooner is renewed before the next call
LEASE_MS: Final = 10_000  # who drives a session holds it so long without renewing
SLOT_MS: Final = 5_000  # a turn that was not used by then is lost
FRESH_MS: Final = 1_000  # how long a look may be acted on
AGAIN_MS: Final = 1_000  # after a drive that found no end
RETRY_MS: Final = (1_000, 2_000, 4_000, 8_000)  # after a failed look, by failures in a row of the project
ALONE_MS: Final = 60_000  # a session whose leases run out one after the other is left alone, doubling
ALONE_CAP_MS: Final = 600_000
TROUBLE_MS: Final = 30_000  # the project's own trouble (its key is refused): somebody must mend it first

# When to look at an attempt: a job may be listed 5 s after a worker took it (docs/livekit.md §0).

ATTEMPT_LOOKS_MS: Final = (2_000, 6_000, 9_000)  # a no, usually; one listed late; no job that is still to come
SILENT_FAST_MS: Final = ATTEMPT_LOOKS_MS[1]  # silence is known by then, of a target whose agents come fast
SILENT_FEW_MS: Final = ATTEMPT_LOOKS_MS[2]  # and then of any other, while few agents are asked for at once
FAST_MS: Final = 2_000  # from our asking to the agent's being seen
JOINS_WITHIN_MS: Final = 86_400_000  # an agent that came longer ago says nothing of today
HOUR_MS: Final = 3_600_000  # what came of a target's attempts is counted for so long
MINUTE_MS: Final = 60_000  # a count for each
SPELL_MS: Final = 300_000  # how soon agents come is counted for each: finer ones would make a memo large
SILENT_WITHIN_MS: Final = 60_000  # silent attempts in a row are in a row
PROBE_MS: Final = 1_500  # a target whose circuit is open is waited for so long where another can be asked
PROBE_EVERY_MS: Final = 30_000
UNATTRIBUTED_MS: Final = (2_000, 6_000, 10_000)  # looks at an agent that no listed job explains; then it is told
APART_MS: Final = 50  # between looks that events cause, for each hundred participants there were (core.session.CROWD)
APART_MAX_MS: Final = 5_000  # and no longer than this
LINGER_MS: Final = 60_000  # a queued launch survives DeleteDispatch; only a listed one proves whose its agent is

# What is missed may come back, or its webhook is on its way.

SECOND_MS: Final = 1_000  # webhooks bear whole seconds: who joined within the one in which an agent left, had met it
GRACE_MS: Final = 2_000  # for a missed agent, which may be joining again; and for a dispatch not listed yet
ABANDONED_MS: Final = 20_000  # for a person who has left, until an agent of their own is told to go
ENDING_MS: Final = 5_000  # for a room that is closing or was not listed

# What webhooks do not tell, or tell before LiveKit's lists show it.

LATE_MS: Final = (1_000, 2_000, 4_000, 8_000)  # looks at somebody whom no rule wants yet, by facts that may change
UNSEEN_MS: Final = (500, 1_000, 2_000, 4_000)  # looks for somebody whom a webhook named and no list has shown

# How long a call may have rung.

INVITED_MS: Final = 300_000  # from its INVITE to its participant's joining: longer is a clock that is wrong

# Whom an agent that says goodbye had met.

MEETING_MS: Final = 10_000  # who was there for so long with the agent has met it: front ends come back sooner
REVIVED_MS: Final = 60_000  # from a session's end, for an agent it had asked for: a queued launch survives the room
DEPARTED_MS: Final = 15_000  # how long it is remembered who has gone: a meeting, and the way of a webhook

# What a failed attempt costs.

BACKOFF_MS: Final = 500  # after a failed attempt, doubling
BACKOFF_CAP_MS: Final = 30_000
BRAKE_MS: Final = 1_000  # after an agent was lost, doubling
BRAKE_CAP_MS: Final = 30_000
STEADY_MS: Final = 60_000  # an agent that stayed this long takes the brake off, and is in no loop of goodbyes

# Notices to receivers outside.

NOTICE_TRY_MS: Final = 30_000  # whoever sends a message has it alone for so long: three times the limit of one request
NOTICE_BACKOFF_MS: Final = 5_000  # after a failed try, doubling
NOTICE_BACKOFF_CAP_MS: Final = 3_600_000
NOTICE_DAY_MS: Final = 86_400_000  # a message so old is given up
LIVEKIT_FAILING_MS: Final = 30_000  # a LiveKit that has not answered for so long is told: one round of the sweep
