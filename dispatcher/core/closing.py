"""How an attempt is closed: its verdict, what it costs the want, and when what is left of it is taken back."""

from typing import Final

from msgspec.structs import replace

from dispatcher.core import budget
from dispatcher.core.events import Ms
from dispatcher.core.session import Attempt, Entry, Said, Session, Verdict, Want, tell, with_attempt, with_want

LINGER_MS: Final = (
    60_000  # a launch already queued survives DeleteDispatch; only a listed one proves whose its agent is
)
ON_PURPOSE: Final = frozenset({Verdict.FINISHED, Verdict.REMOVED})

_NOT_LISTED: Final = frozenset({Verdict.UNSENT, Verdict.REFUSED})


def close(session: Session, key: str, number: int, verdict: Verdict, now: Ms, reason: str = "") -> Session:
    """The attempt has ended as `verdict`, and the want's budget has paid for it. What is left is retracted in time."""
    want = session.want(key)
    attempt = next((one for one in want.attempts if one.number == number), None) if want else None
    if want is None or attempt is None:
        return session
    agent = "" if attempt.gone else attempt.agent
    ended = replace(attempt, verdict=verdict, agent=agent, gone=0, retract_at=retract_at(want, attempt, verdict, now))
    entry = Entry(
        at=now,
        said=Said.CLOSED,
        want=key,
        number=number,
        agent=str(attempt.target),
        verdict=verdict,
        reason=reason,
        took=now - attempt.since,
    )
    session = tell(with_want(session, with_attempt(want, ended)), entry)
    past = number < want.last  # another has followed: found again after the ledger was emptied, it costs nothing anew
    return session if verdict is Verdict.SURPLUS or past else pay(session, key, verdict, now)


def retract_at(want: Want, attempt: Attempt, verdict: Verdict, now: Ms) -> Ms:
    """When what is left of an ended attempt is to be taken back; 0: never."""
    reported = want.policy.surplus == "report" and bool(attempt.agent)
    if not attempt.ours or reported or verdict in _NOT_LISTED:
        return 0
    if verdict in ON_PURPOSE and want.policy.on_finish == "done":
        return 0
    if verdict is Verdict.SURPLUS and attempt.agent:
        return now
    return now + LINGER_MS


def pay(session: Session, key: str, verdict: Verdict, now: Ms) -> Session:
    """The want's budget has paid for a failed attempt; that it starves now is told."""
    want = session.want(key)
    if want is None or verdict in ON_PURPOSE | {Verdict.CRASHED, Verdict.ENDED}:
        return session
    paid = budget.failed(want, verdict, now)
    session = with_want(session, paid)
    if want.rounds == 0 < paid.rounds:
        return tell(session, Entry(at=now, said=Said.STARVED, want=key, agent=str(paid.next_target)))
    return session
