"""`dispatcher replay`: puts recorded claims through the core of this release, with the recorded replies."""

import heapq
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import (
    Ask,
    Effect,
    FindEarlier,
    GiveWay,
    Observe,
    Release,
    Reply,
    Resumed,
    Save,
    TakeBack,
    Then,
    TurnToCreate,
    TurnToLook,
)
from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms, Participant, Room
from dispatcher.core.rules import Aim, Aimed, Condition, Rule
from dispatcher.core.text import visible
from dispatcher.explain import clock
from dispatcher.offline.recorded_tags import RecordedTags
from dispatcher.offline.situation import Unusable
from dispatcher.telemetry.tape import (
    Ended,
    Exchange,
    Recorded,
    RecordedClaim,
    RecordedRule,
    RecordedTerms,
    UnreadLine,
    read,
)

SHOWN_MAX: Final = 10  # differences, and undecodable lines
FIELDS_MAX: Final = 5  # of a session that is saved otherwise

_PLAIN: Final = {
    TurnToLook: "take a turn to look at the room",
    Observe: "look at the room",
    FindEarlier: "find earlier sessions of the room's name",
    GiveWay: "let others have their turn",
    Release: "give the lease back",
}

Write: TypeAlias = Callable[[str], object]


class Finished(Struct, frozen=True):
    """The drive was done."""

    due_in: Ms | None


class Broken(Struct, frozen=True):
    """The drive had a defect."""

    error: str = ""


Next: TypeAlias = Effect | Finished | Broken


class NotAsked(DispatcherError):
    """A rule is asked what it was not asked when it was recorded. Its text says which, and about whom."""


class Difference(Struct, frozen=True):
    """Where a claim differs from the recorded one: at its n-th step (from 1)."""

    number: int
    recorded: Next
    found: Next | NotAsked


def replay(folders: Sequence[Path], write: Write) -> int:
    """Write the first differences, and how many claims went as recorded; 0: all did, 1: not all. Raises Unusable."""
    claims, same, sessions, unread = 0, 0, set[tuple[str, str]](), 0
    for one in recorded(folders):
        if isinstance(one, UnreadLine):
            unread = reported(unread, one, write)
            continue
        claims += 1
        sessions.add((one.claim.project, one.claim.session.sid))
        same += (found := difference(one)) is None
        if found is not None and claims - same <= SHOWN_MAX:
            write("\n".join(shown(one, found)) + "\n")
    if not claims:
        raise Unusable(f"{', '.join(map(str, folders))}: no claim is recorded there")
    write(f"{claims} claims of {len(sessions)} rooms: {same} identical, {claims - same} different{missing(unread)}\n")
    return int(same < claims)


def recorded(folders: Sequence[Path]) -> Iterator[Recorded | UnreadLine]:
    """Read the tapes of one or several replicas, each session's claims in their order. Raises Unusable."""
    try:
        yield from heapq.merge(*map(read, folders), key=_begun)
    except OSError as error:
        raise Unusable(f"{error.filename}: {error.strerror}") from None


def _begun(one: Recorded | UnreadLine) -> Ms:
    """A claim of a session stands behind all that had begun, on its own tape, when the session was claimed before."""
    return one.claim.now if isinstance(one, Recorded) else 0


def reported(unread: int, one: UnreadLine, write: Write) -> int:
    """The line is told, if it is one of the first that cannot be read; how many those are now."""
    if unread < SHOWN_MAX:
        write(f"{one.place}: cannot be read: {one.why}\n")
    return unread + 1


def missing(unread: int) -> str:
    """How many lines could not be read, if any, to end a sentence with."""
    return f"; {unread} lines could not be read" if unread else ""


def difference(one: Recorded) -> Difference | None:
    """The first step at which the claim goes otherwise; None: it goes as it was recorded."""
    claim, rules = one.claim, _Rules(one.terms)
    conversation = _driven(claim, rules.terms)
    before: Exchange | None = None
    for number, exchange in enumerate(claim.exchanges, 1):
        found = _next(conversation, before)
        if found != exchange.effect:
            return Difference(number, exchange.effect, found)
        before = exchange
        rules.learn(exchange)
    if claim.ended is Ended.CUT_OFF:
        return None
    end = Finished(claim.due_in) if claim.ended is Ended.FINISHED else Broken()
    found = _next(conversation, before)
    same = found == end or (isinstance(found, Broken) and isinstance(end, Broken))
    return None if same else Difference(len(claim.exchanges) + 1, end, found)


def _driven(claim: RecordedClaim, terms: Terms) -> Generator[Effect, Reply, Ms | None]:
    """The drive, which is made at its first step: what came in is folded then."""
    return (yield from Drive(claim.session, claim.inbox, terms, claim.now).run())


def _next(conversation: Generator[Effect, Reply, Ms | None], exchange: Exchange | None) -> Next | NotAsked:
    """What is asked for after this exchange (None: at first); nobody else waits for a turn."""
    try:
        if exchange is None or exchange.reply is None:
            return next(conversation)
        effect = conversation.send(exchange.reply)
        while isinstance(effect, GiveWay):
            effect = conversation.send(Resumed(exchange.resumed_at))
    except StopIteration as end:
        return Finished(end.value)
    except NotAsked as missing:
        return missing
    except Exception as error:  # noqa: BLE001 a defect of the core is a difference, and the other claims are replayed
        return Broken(type(error).__name__)
    return effect


class _Rules:
    """Recorded rules: they say what they said."""

    def __init__(self, terms: RecordedTerms) -> None:
        self.tags = RecordedTags()
        self.terms = Terms(
            tags=self.tags,
            rules=tuple(self._rule(rule) for rule in terms.rules),
            paused=terms.paused,
            limited=terms.limited,
            dry_run=terms.dry_run,
        )
        self._whens: dict[tuple[str, str], bool] = {}
        self._aims: dict[tuple[str, str], Aimed] = {}

    def learn(self, exchange: Exchange) -> None:
        """What they said while this reply was taken in; of others than those they were asked about, as before."""
        self.tags.known, self.tags.launched = exchange.found, exchange.launched
        for one in exchange.judged:
            self._whens |= {(rule, one.person): True for rule in one.yes}
            self._whens |= {(rule, one.person): False for rule in one.no}
            self._aims |= {(rule, one.person): aim for rule, aim in one.aims.items()}

    def _rule(self, rule: RecordedRule) -> Rule:
        when = self._when(rule.name) if rule.when else None
        aim = self._aim(rule.name) if rule.aim else None
        return Rule(name=rule.name, policy=rule.policy, when=when, aim=aim, go_on=rule.go_on)

    def _when(self, rule: str) -> Condition:
        def said(_: Room, person: Participant | None) -> bool:
            about = person.sid if person else ""
            if (rule, about) not in self._whens:
                raise NotAsked(f"ask rule {rule} whether it matches {about or 'the room'}")
            return self._whens[rule, about]

        return said

    def _aim(self, rule: str) -> Aim:
        def said(_: Room, person: Participant | None) -> Aimed:
            about = person.sid if person else ""
            if (rule, about) not in self._aims:
                raise NotAsked(f"ask rule {rule} for its agents for {about or 'the room'}")
            return self._aims[rule, about]

        return said


def shown(one: Recorded, found: Difference) -> Iterator[str]:
    """The difference in words: which claim, what was recorded, what comes now."""
    claim = one.claim
    session = claim.session
    yield (
        f"{one.place}: {visible(session.room)} ({session.sid}), claimed at {clock(claim.now)},"
        f" step {found.number} of {len(claim.exchanges)}"
    )
    yield f"  recorded  {_sentence(found.recorded)}"
    yield f"  now       {_sentence(found.found)}"
    if isinstance(found.recorded, Save) and isinstance(found.found, Save):
        sessions = (msgspec.to_builtins(save.session, order="sorted") for save in (found.recorded, found.found))
        for path, was, became in islice(changes(*sessions), FIELDS_MAX):
            yield f"            {path}: {was} was recorded, now {became}"


def changes(before: object, after: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Where two plain values differ: the place, and what stands there."""
    match before, after:
        case dict(), dict():
            for name in dict.fromkeys((*before, *after)):
                yield from changes(before.get(name), after.get(name), f"{path}.{name}".lstrip("."))
        case tuple(), tuple():
            for index, (one, other) in enumerate(zip_longest(before, after)):
                yield from changes(one, other, f"{path}[{index}]")
        case _ if before != after:
            yield path, _set(before), _set(after)


def _set(value: object) -> object:
    """What stands there: a field that has its default is left out."""
    return "unset" if value is None else value


def _sentence(step: Next | NotAsked) -> str:
    match step:
        case Finished(None):
            return "end, with nothing due"
        case Finished(due_in):
            return f"end, due in {due_in} ms"
        case Broken(error):
            return f"fail: {error}" if error else "fail"
        case NotAsked():
            return str(step)
        case _:
            return _asked(step)


def _asked(effect: Effect) -> str:
    match effect:
        case TurnToLook() | Observe() | FindEarlier() | GiveWay() | Release():
            return _PLAIN[type(effect)]
        case TurnToCreate(target):
            return f"take a turn to ask for {target}"
        case Ask(step=create):
            return f"ask for {create.target}: {visible(create.assignment)}, attempt {create.number}"
        case TakeBack(step=back):
            whose = f"of {visible(back.assignment)}, attempt {back.number}" if back.assignment else "without a name"
            return f"take back the {'agent' if back.agent_sid else 'dispatch'} {whose}"
        case Save(then=Then.DUE, due_at=due_at):
            return f"save, due at {clock(due_at)}"
        case Save(then=then):
            return f"save, then {then}"
        case _:
            assert_never(effect)
