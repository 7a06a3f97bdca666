"""Agents that nobody is given for now: a want goes on to its next target, or is held where every one is paused.

Only wants that wait are touched, each time they are planned for: nothing live is, and nothing of it is pinned. The
names come in as a value, and what is stored (`Want.held`) says no more than how it stood when it was last asked.
"""

from collections.abc import Collection

from msgspec.structs import replace

from dispatcher.core import budget
from dispatcher.core.events import Ms
from dispatcher.core.session import Entry, Said, Session, Want, tell, with_want


def pause(session: Session, paused: Collection[str], now: Ms) -> Session:
    """No want that waits is for a paused agent next, unless it is held; one held no more has its whole budget again."""
    for want in session.wants:
        session = _pause(session, want, paused, now)
    return session


def _pause(session: Session, want: Want, paused: Collection[str], now: Ms) -> Session:
    free = [at for at, target in enumerate(want.policy.targets) if target.agent not in paused]
    if not want.wanting:
        return with_want(session, replace(want, held=False)) if want.held else session
    if not free:
        return session if want.held else _hold(session, want, now)
    if want.held:
        want = replace(budget.renewed(want), held=False)
        session = _tell(session, want, Said.RESUMED, now)
    return _pass_over(session, want, free, now)


def _hold(session: Session, want: Want, now: Ms) -> Session:
    return _tell(session, replace(want, held=True), Said.PAUSED, now)


def _pass_over(session: Session, want: Want, free: list[int], now: Ms) -> Session:
    """The want's next target is the first of `free` from here on; behind the last one its round is used up."""
    if want.target in free:
        return session
    session = _tell(session, want, Said.PASSED_OVER, now)
    ahead = next((at for at in free if at > want.target), None)
    if ahead is not None:
        return with_want(session, replace(want, target=ahead, tries=0))
    after = replace(budget.next_round(want, now), target=free[0])
    return with_want(session, after) if want.rounds else _tell(session, after, Said.STARVED, now)


def _tell(session: Session, want: Want, said: Said, now: Ms) -> Session:
    return tell(with_want(session, want), Entry(at=now, said=said, want=want.key, agent=str(want.next_target)))
