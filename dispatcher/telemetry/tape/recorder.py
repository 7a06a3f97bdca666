"""Stands between a drive and its interpreter: passes effects and replies on as they are, then records them."""

from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias

from msgspec.structs import replace

from dispatcher.core.audience import OBLIVION
from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import Effect, GiveWay, Reply
from dispatcher.core.events import Event
from dispatcher.core.facts import Ms, Participant, Room
from dispatcher.core.plan import Create
from dispatcher.core.rules import Aim, Aimed, Condition, Rule
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.tags import Tag, Tagging
from dispatcher.expressions import Agents, When
from dispatcher.telemetry.tape.hiding import Hiding
from dispatcher.telemetry.tape.lines import (
    Ended,
    Exchange,
    Hides,
    Judged,
    Line,
    RecordedClaim,
    RecordedRule,
    RecordedTerms,
    dump,
    identified,
)
from dispatcher.telemetry.tape.writer import Writer


class Tape:
    """Records drives. `tell` is called with why lines cannot be written, and with "" once they can be again."""

    def __init__(self, writer: Writer, hiding: Hiding, tell: Callable[[str], object] = str) -> None:
        self._writer = writer
        self._hiding = hiding
        self._tell = tell
        self._told = ""
        self._rules: dict[str, ListenedRules] = {}  # by project, as they are now

    def drive(self, project: str, session: Session, inbox: Iterable[Event], terms: Terms, now: Ms) -> "RecordedDrive":
        """Begin a drive whose conversation is recorded."""
        rules = self._rules.get(project)
        if rules is None or rules.given != terms:
            rules = self._rules[project] = ListenedRules(terms)
        given = RecordedClaim(terms="", project=project, now=now, session=session, inbox=tuple(inbox))
        return RecordedDrive(given, rules, self._write)

    def _write(self, claim: RecordedClaim, rules: "ListenedRules") -> None:
        """Hand the claim over to be written, without what has to be hidden."""
        hiding = self._hiding
        terms, terms_line = rules.recorded(hiding.hides)
        hidden = replace(
            claim,
            terms=terms.id,
            session=hiding.session(claim.session),
            inbox=tuple(hiding.event(event) for event in claim.inbox),
            exchanges=tuple(hiding.exchange(one) for one in claim.exchanges),
        )
        self._writer.put(Line(terms_line, dump(hidden)))
        if self._writer.trouble != self._told:
            self._told = self._writer.trouble
            self._tell(self._told)


class RecordedDrive:
    """A drive that is handed to `write` when its conversation has ended, however it did."""

    def __init__(
        self, given: RecordedClaim, rules: "ListenedRules", write: "Callable[[RecordedClaim, ListenedRules], None]"
    ) -> None:
        self.drive = Drive(given.session, given.inbox, rules.terms, given.now)
        self._given = given
        self._rules = rules
        self._write = write

    def run(self) -> Generator[Effect, Reply, Ms | None]:
        """As `Drive.run`."""
        exchanges: list[Exchange] = []
        ended = Ended.FAILED
        due_in: Ms | None = None
        conversation = self.drive.run()
        try:
            effect = next(conversation)
            while True:
                exchanges.append(Exchange(effect=effect))
                reply = yield effect
                heard = self._rules.listen(Heard())
                try:
                    effect = conversation.send(reply)
                    while isinstance(effect, GiveWay):  # meanwhile the rules are listened to for others
                        resumed = yield effect
                        heard.resumed_at = resumed.now
                        self._rules.listen(heard)
                        effect = conversation.send(resumed)
                finally:
                    exchanges[-1] = heard.beside(exchanges[-1], reply)
        except StopIteration as end:
            ended, due_in = Ended.FINISHED, end.value
            return due_in
        except GeneratorExit:
            ended = Ended.CUT_OFF
            raise
        finally:
            made = replace(self._given, exchanges=tuple(exchanges), ended=ended, due_in=due_in)
            self._write(made, self._rules)


_Said: TypeAlias = "dict[str, tuple[dict[str, bool], dict[str, Aimed]]]"  # by whom they were asked about, by rule


class Heard:
    """What one drive was told while it took in a reply: by rules of people, by tags of dispatches."""

    def __init__(self) -> None:
        self.said: _Said = {}
        self.found: dict[str, Tag] = {}
        self.launched = ""
        self.resumed_at: Ms = 0

    def beside(self, exchange: Exchange, reply: Reply) -> Exchange:
        """The exchange with its reply, and this."""
        judged = (
            Judged(
                person=person,
                yes=tuple(rule for rule, said in whens.items() if said),
                no=tuple(rule for rule, said in whens.items() if not said),
                aims=dict(aims),
            )
            for person, (whens, aims) in self.said.items()
        )
        return replace(
            exchange,
            reply=reply,
            found=self.found,
            launched=self.launched,
            judged=tuple(judged),
            resumed_at=self.resumed_at,
        )


class ListenedTags:
    """Tags as they are; those that were found ours in the look that is taken in, and who is launched."""

    def __init__(self, given: Tagging) -> None:
        self._given = given
        self.heard = Heard()

    def of(self, session: Session, step: Create) -> str:
        """As `Tagging.of`."""
        return self._given.of(session, step)

    def identity(self, session: Session, step: Create) -> str:
        """As `Tagging.identity`."""
        self.heard.launched = self._given.identity(session, step)
        return self.heard.launched

    def found(self, session: Session, snapshot: RoomSnapshot) -> dict[str, Tag]:
        """As `Tagging.found`."""
        self.heard.found = self._given.found(session, snapshot)
        return self.heard.found


class ListenedRules:
    """The terms of drives, with rules that are listened to; and as they stand on a tape.

    Drives that share them take turns: each says whom they are listened to for before it goes on. Of what was judged
    before nothing is remembered, as it stands on no tape.
    """

    def __init__(self, given: Terms) -> None:
        self.given = given
        self.tags = ListenedTags(given.tags)
        rules = tuple(self._listened(rule) for rule in given.rules)
        self.terms = replace(given, tags=self.tags, rules=rules, recollection=OBLIVION)
        self._recorded: dict[Hides, tuple[RecordedTerms, bytes]] = {}
        self._heard = Heard()

    def recorded(self, hides: Hides) -> tuple[RecordedTerms, bytes]:
        """The terms, and their line."""
        if hides not in self._recorded:
            given = self.given
            terms = RecordedTerms(
                hides=hides,
                rules=tuple(_recorded(rule) for rule in given.rules),
                paused=given.paused,
                limited=given.limited,
                dry_run=given.dry_run,
            )
            self._recorded[hides] = identified(terms), dump(identified(terms))
        return self._recorded[hides]

    def listen(self, heard: Heard) -> Heard:
        """Remember there from now on what rules say, and which dispatches are ours."""
        self._heard = self.tags.heard = heard
        return heard

    def _listened(self, rule: Rule) -> Rule:
        when = None if rule.when is None else self._when(rule.name, rule.when)
        return replace(rule, when=when, aim=None if rule.aim is None else self._aim(rule.name, rule.aim))

    def _when(self, rule: str, when: Condition) -> Condition:
        def listened(room: Room, person: Participant | None) -> bool:
            said = when(room, person)
            self._heard.said.setdefault(person.sid if person else "", ({}, {}))[0][rule] = said
            return said

        return listened

    def _aim(self, rule: str, aim: Aim) -> Aim:
        def listened(room: Room, person: Participant | None) -> Aimed:
            said = aim(room, person)
            self._heard.said.setdefault(person.sid if person else "", ({}, {}))[1][rule] = said
            return said

        return listened


def _recorded(rule: Rule) -> RecordedRule:
    return RecordedRule(
        name=rule.name,
        policy=rule.policy,
        when=_fingerprint(rule.when),
        aim=_fingerprint(rule.aim),
        go_on=rule.go_on,
    )


def _fingerprint(computed: Condition | Aim | None) -> str:
    """Of what no configuration has made, nothing is known but that it is there."""
    if computed is None:
        return ""
    return computed.fingerprint if isinstance(computed, When | Agents) else "?"
