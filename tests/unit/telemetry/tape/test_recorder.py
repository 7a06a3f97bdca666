"""Between a drive and who carries it out: nothing is changed, and everything is written down, however it ends."""

from collections.abc import Sequence
from contextlib import closing

import pytest
from msgspec.structs import replace

from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import (
    Ask,
    Asked,
    Effect,
    GiveWay,
    Observe,
    Observed,
    Outcome,
    Reply,
    Resumed,
    Save,
    Saved,
    Turn,
    TurnToCreate,
)
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Ms, Participant, Room
from dispatcher.core.rules import Aimed, Policy, Rule, Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.telemetry.tape import Ended, Hides, Hiding, Judged, Line, Tape, Writer
from tests.unit.core.world import LOBBY, NOW, TAGS, person
from tests.unit.telemetry.tape.reel import hiding, mask, recorded, taped

ALICE, BOB = person(), person("bob")
GREETER = Policy(targets=(Target("greeter"),))
SESSION = Session(room=LOBBY.name, sid=LOBBY.sid)
JOIN = Event(id="EV_1", name=JOINED, created_at=NOW, room=LOBBY, participant=ALICE)
SEEN = RoomSnapshot(room=LOBBY, participants=(ALICE, BOB))
RULES = (
    Rule(name="nobody", policy=GREETER, when=lambda _, one: one is None),
    Rule(name="sales", policy=GREETER, when=lambda _, one: one is not None, aim=lambda *_: Aimed((Target("sales"),))),
)
TERMS = Terms(tags=TAGS, rules=RULES, limited=True)
WAYS_GIVEN = 6  # after each of two rules, for each of two people and for the room


def answered(effect: Effect, now: Ms) -> Reply:
    """All goes well."""
    match effect:
        case Observe():
            return Observed(now, now - 1, SEEN)
        case TurnToCreate():
            return Turn(now, 0)
        case Ask():
            return Asked(now=now, outcome=Outcome.TAKEN, dispatch="AD_1")
        case Save():
            return Saved(now)
        case GiveWay():
            return Resumed(now)
        case _:
            return Turn(now, 0)


def carried_out(tape: Tape, terms: Terms = TERMS, *, until: int = 99) -> list[tuple[Effect, Reply]]:
    """A drive is carried out, so many effects of it; what went to and fro."""
    done: list[tuple[Effect, Reply]] = []
    with closing(tape.drive("default", SESSION, (JOIN,), terms, NOW).run()) as conversation:
        effect = next(conversation)
        while len(done) < until:
            done.append((effect, answered(effect, NOW + len(done))))
            try:
                effect = conversation.send(done[-1][1])
            except StopIteration:
                break
    return done


def only(lines: Sequence[Line]) -> Line:
    """There is one."""
    (line,) = lines
    return line


def untagged(effect: Effect) -> Effect:
    """As a tape has it: a tag proves that a dispatch is ours, and is nobody's to read."""
    return replace(effect, tag="") if isinstance(effect, Ask) else effect


def test_what_is_given_asked_for_and_answered_stands_on_the_tape() -> None:
    """As it was, and the drive is none the wiser."""
    with taped(hiding()) as (tape, lines):
        done = carried_out(tape)
    one = recorded(only(lines))
    claim = one.claim
    unheard = Drive(SESSION, (JOIN,), TERMS, NOW).run()
    assert next(unheard) == done[0][0]
    assert [unheard.send(reply) for _, reply in done[:-1]] == [effect for effect, _ in done[1:]]
    with pytest.raises(StopIteration) as end:
        unheard.send(done[-1][1])

    assert [(each.effect, each.reply) for each in claim.exchanges] == [
        (untagged(effect), reply) for effect, reply in done if not isinstance(effect, GiveWay)
    ]
    assert (claim.project, claim.now, claim.session, claim.inbox) == ("default", NOW, SESSION, (JOIN,))
    assert (claim.ended, claim.due_in) == (Ended.FINISHED, end.value.value)
    assert (one.terms.limited, one.terms.hides) == (True, Hides.FACTS)
    assert [(rule.name, rule.when, rule.aim) for rule in one.terms.rules] == [("nobody", "?", ""), ("sales", "?", "?")]


def test_what_the_rules_said_stands_beside_the_look_they_said_it_of() -> None:
    """Of each whom they were asked about, and only where they were asked."""
    with taped(hiding()) as (tape, lines):
        carried_out(tape)
    exchanges = recorded(only(lines)).claim.exchanges

    said = {one.effect: one.judged for one in exchanges if one.judged}
    assert list(said) == [Observe()]
    sales = {"sales": Aimed((Target("sales"),))}
    assert said[Observe()] == (
        Judged(person=ALICE.sid, yes=("sales",), no=("nobody",), aims=sales),
        Judged(person="PA_bob", yes=("sales",), no=("nobody",)),
    )


def test_a_claim_whose_lease_is_lost_ends_with_what_had_no_answer() -> None:
    """So does one that is cancelled."""
    with taped(hiding()) as (tape, lines):
        carried_out(tape, until=2 + WAYS_GIVEN)
    claim = recorded(only(lines)).claim

    assert (claim.ended, claim.due_in) == (Ended.CUT_OFF, None)
    assert [one.reply is None for one in claim.exchanges] == [False, False, True]


def test_a_claim_whose_lease_is_lost_while_people_are_judged_has_what_was_said_until_then() -> None:
    """The look is there, and when it was last gone on with."""
    with taped(hiding()) as (tape, lines):
        carried_out(tape, until=3)
    claim = recorded(only(lines)).claim

    assert claim.ended is Ended.CUT_OFF
    assert [type(one.reply) for one in claim.exchanges] == [Turn, Observed]
    assert claim.exchanges[-1].judged == (Judged(person=ALICE.sid, yes=("sales",), no=("nobody",)),)
    assert claim.exchanges[-1].resumed_at == NOW + 2


def test_drives_that_take_turns_while_they_judge_are_heard_apart() -> None:
    """What rules say of the people of one stands on no line of the other's."""
    with taped(hiding()) as (tape, lines):
        drives = [tape.drive("default", SESSION, (JOIN,), TERMS, NOW).run() for _ in range(2)]
        alone = RoomSnapshot(room=LOBBY, participants=(BOB,))
        for conversation in drives:
            next(conversation)
            conversation.send(Turn(NOW, 0))
        drives[0].send(Observed(NOW, NOW - 1, SEEN))
        drives[1].send(Observed(NOW, NOW - 1, alone))
        for conversation in drives:
            while isinstance(conversation.send(Resumed(NOW)), GiveWay):
                pass
            conversation.close()
    people = [[one.person for one in recorded(line).claim.exchanges[1].judged] for line in lines]

    assert people == [[ALICE.sid, BOB.sid], [BOB.sid]]


def test_a_defect_of_a_drive_is_recorded_and_raised() -> None:
    """With the reply that it broke at."""
    with taped(hiding()) as (tape, lines):
        conversation = tape.drive("default", SESSION, (JOIN,), TERMS, NOW).run()
        next(conversation)
        with pytest.raises(TypeError):
            conversation.send(Saved(NOW))
    claim = recorded(only(lines)).claim

    assert claim.ended is Ended.FAILED
    assert claim.exchanges[-1].reply == Saved(NOW)


def test_terms_are_those_that_were_in_force() -> None:
    """A reload in between changes what follows, not what was begun; the same again are the same."""
    paused = replace(TERMS, paused=frozenset({"greeter"}))
    with taped(hiding()) as (tape, lines):
        before = tape.drive("default", SESSION, (JOIN,), TERMS, NOW).run()
        next(before)
        carried_out(tape, paused)
        before.close()
        carried_out(tape, replace(TERMS, rules=RULES))

    first, second, third = (recorded(line).terms for line in lines)
    assert (first.paused, second.paused) == (frozenset({"greeter"}), frozenset())
    assert third == second


def test_two_drives_under_one_configuration_do_not_hear_each_others_rules() -> None:
    """They take turns."""

    def judged(_room: Room, one: Participant | None) -> bool:
        return one is not None and one.identity == "bob"

    terms = Terms(tags=TAGS, rules=(Rule(name="bob", policy=GREETER, when=judged),))
    seen = {
        "alice": RoomSnapshot(room=LOBBY, participants=(ALICE,)),
        "bob": RoomSnapshot(room=LOBBY, participants=(BOB,)),
    }
    with taped(hiding()) as (tape, lines):
        both = {who: tape.drive(who, SESSION, (JOIN,), terms, NOW).run() for who in seen}
        for conversation in both.values():
            next(conversation)
        for who, conversation in both.items():
            conversation.send(Observed(NOW, NOW, seen[who]))
        for conversation in both.values():
            conversation.close()

    said = {one.claim.project: one.claim.exchanges[0].judged for one in map(recorded, lines)}
    assert said == {"alice": (Judged(person=ALICE.sid, no=("bob",)),), "bob": (Judged(person="PA_bob", yes=("bob",)),)}


def test_who_is_masked_from_now_on_is_so_in_the_next_line() -> None:
    """A reload may say so; the terms say how much is hidden."""
    people = mask(None)
    with taped(Hiding(people, mask(b"facts"))) as (tape, lines):
        carried_out(tape)
        people.use(b"people")
        carried_out(tape)

    before, after = (recorded(line) for line in lines)
    assert (before.terms.hides, after.terms.hides) == (Hides.FACTS, Hides.PEOPLE)
    assert before.terms.id != after.terms.id
    assert [b'"identity":"alice"' in line.claim for line in lines] == [True, False]


def test_trouble_with_the_disk_is_told_once_and_so_is_its_end() -> None:
    """By the one who drives, whenever something is handed over."""
    told: list[str] = []
    writer = Writer(lambda _: None, lambda: None)
    tape = Tape(writer, hiding(), told.append)
    for trouble in ("", "no space", "no space", "read-only", "", ""):
        writer.trouble = trouble
        carried_out(tape, until=1)

    assert told == ["no space", "read-only", ""]
