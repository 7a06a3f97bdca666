"""Recorded claims through the core again: what differs is told in words."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.core.effects import (
    Ask,
    Effect,
    FindEarlier,
    Release,
    Save,
    Saved,
    TakeBack,
    Then,
    TurnToCreate,
    TurnToLook,
)
from dispatcher.core.facts import AGENT, LAUNCHER, TAG, Participant, RoomSid
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Session
from dispatcher.offline import Unusable, replay
from dispatcher.offline.replay import difference
from dispatcher.telemetry.tape import Ended, Hiding, Line, RecordedClaim
from dispatcher.telemetry.tape.lines import dump
from tests.unit.core.world import NOW, TAGS, person
from tests.unit.offline.claims import Played, caller, config
from tests.unit.telemetry.tape.reel import hiding, kept, recorded, taped

RULES = "rules: [{name: all, when: room.name != 'other', agent: greeter}]\n"
EMPTY = Session(room="", sid=RoomSid(""))
CREATE = Create(assignment="all", number=1, target=Target("greeter"))


@pytest.fixture
def lines(tmp_path: Path) -> list[Line]:
    """Two claims of the lobby: its agent is asked for, and not seen yet."""
    with taped(hiding()) as (tape, lines):
        lobby = Played(tape, config(tmp_path, RULES))
        lobby.look(person())
        lobby.look(person())
    return lines


def said(folder: Path, lines: list[Line], *more: Path) -> tuple[int, list[str]]:
    """The exit code, and what is written, of a tape with these lines."""
    written: list[str] = []
    code = replay([kept(folder, lines), *more], written.append)
    return code, "".join(written).splitlines()


def changed(line: Line, change: Callable[[RecordedClaim], RecordedClaim]) -> Line:
    """The line of another claim."""
    return Line(line.terms, dump(change(recorded(line).claim)))


def with_effect(number: int, effect: Effect) -> Callable[[RecordedClaim], RecordedClaim]:
    """This was asked for at the n-th step (from 1)."""

    def change(claim: RecordedClaim) -> RecordedClaim:
        exchanges = list(claim.exchanges)
        exchanges[number - 1] = replace(exchanges[number - 1], effect=effect)
        return replace(claim, exchanges=tuple(exchanges))

    return change


def test_what_goes_as_it_was_recorded_is_exit_code_0(tmp_path: Path, lines: list[Line]) -> None:
    """How many claims, of how many rooms."""
    assert said(tmp_path, lines) == (0, ["2 claims of 1 rooms: 2 identical, 0 different"])


def test_a_session_that_is_saved_otherwise_is_told_field_by_field(tmp_path: Path, lines: list[Line]) -> None:
    """Which claim, which step, what was recorded and what comes now: exit code 1."""
    save = recorded(lines[0]).claim.exchanges[2].effect
    assert isinstance(save, Save)
    assignment = replace(save.session.assignments[0], tries=2)
    otherwise = Save(session=replace(save.session, assignments=(assignment,)), then=Then.KEEP)

    code, told = said(tmp_path, [changed(lines[0], with_effect(3, otherwise)), lines[1]])
    assert code == 1
    assert told == [
        f"{tmp_path}/tape-000001.jsonl:2: lobby (RM_lobby), claimed at 22:13:20.400, step 3 of 5",
        "  recorded  save, then keep",
        "  now       save, then keep",
        "            assignments[0].tries: 2 was recorded, now unset",
        "2 claims of 1 rooms: 1 identical, 1 different",
    ]


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (TurnToLook(), "take a turn to look at the room"),
        (FindEarlier(), "find earlier sessions of the room's name"),
        (TurnToCreate(Target("sales", "canary")), "take a turn to ask for sales@canary"),
        (Ask(step=CREATE, metadata="", tag=""), "ask for greeter: all, attempt 1"),
        (TakeBack(step=Retract(assignment="all", number=2, agent_sid="PA_1")), "take back the agent of all, attempt 2"),
        (TakeBack(step=Retract(agent_sid="PA_1")), "take back the agent without a name"),
        (TakeBack(step=Retract(assignment="a\x1bl", number=2)), "take back the dispatch of a\\x1bl, attempt 2"),
        (Save(session=EMPTY, then=Then.OVER), "save, then over"),
        (Save(session=EMPTY, then=Then.DUE, due_at=NOW), "save, due at 22:13:20.400"),
        (Release(), "give the lease back"),
    ],
)
def test_every_effect_has_its_words(effect: Effect, words: str, tmp_path: Path, lines: list[Line]) -> None:
    """What was recorded, beside the look that comes now."""
    told = said(tmp_path, [changed(lines[0], with_effect(1, effect))])[1]
    assert told[1:3] == [f"  recorded  {words}", "  now       look at the room"]


def test_an_end_that_comes_otherwise_is_told(tmp_path: Path, lines: list[Line]) -> None:
    """Sooner, later, at another time, or with a defect."""
    sooner = changed(lines[0], lambda claim: replace(claim, exchanges=claim.exchanges[:-1]))
    other = changed(lines[0], lambda claim: replace(claim, due_in=7))
    never = changed(lines[0], lambda claim: replace(claim, due_in=None))
    failed = changed(lines[0], lambda claim: replace(claim, ended=Ended.FAILED, due_in=None))
    later = changed(lines[0], lambda claim: replace(claim, exchanges=(*claim.exchanges, *claim.exchanges[-1:])))

    told = said(tmp_path, [sooner, other, never, failed, later])[1]
    words = [line.split(None, 1)[1] for line in told if line.startswith("  ") and not line.startswith("   ")]
    assert list(zip(words[::2], words[1::2], strict=True)) == [
        ("end, due in 2000 ms", "save, due at 22:13:22.400"),
        ("end, due in 7 ms", "end, due in 2000 ms"),
        ("end, with nothing due", "end, due in 2000 ms"),
        ("fail", "end, due in 2000 ms"),
        ("save, due at 22:13:22.400", "end, due in 2000 ms"),
    ]


def test_a_defect_that_was_recorded_comes_again(tmp_path: Path, lines: list[Line]) -> None:
    """A tape is how a defect is brought home; where it was mended, that is a difference."""

    def broken(claim: RecordedClaim) -> RecordedClaim:
        """The look was answered with what answers a save."""
        at_look = replace(claim.exchanges[0], reply=Saved(NOW))
        return replace(claim, exchanges=(at_look,), ended=Ended.FAILED, due_in=None)

    assert said(tmp_path, [changed(lines[0], broken)])[0] == 0


def test_a_new_defect_is_a_difference_and_the_others_are_replayed(
    tmp_path: Path, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its type is told."""
    real, calls = Session.assignment, iter(range(100))

    def defect(session: Session, key: str) -> object:
        if next(calls) == 0:
            raise ZeroDivisionError
        return real(session, key)

    monkeypatch.setattr(Session, "assignment", defect)
    code, told = said(tmp_path, lines)
    assert (code, told[2], told[-1]) == (
        1,
        "  now       fail: ZeroDivisionError",
        "2 claims of 1 rooms: 1 identical, 1 different",
    )


def test_a_rule_that_is_asked_what_it_was_not_asked_is_a_difference(tmp_path: Path, lines: list[Line]) -> None:
    """What it would have said, nobody knows."""

    def unasked(claim: RecordedClaim) -> RecordedClaim:
        first, *others = claim.exchanges
        return replace(claim, exchanges=(replace(first, judged=()), *others))

    told = said(tmp_path, [changed(lines[0], unasked)])[1]
    assert told[1:3] == [
        "  recorded  take a turn to ask for greeter",
        "  now       ask rule all whether it matches PA_alice",
    ]


def test_rules_for_a_room_and_computed_agents_replay(tmp_path: Path) -> None:
    """What they said of the room, and whom they named; an agent that was not computed then is not made up now."""
    when = "trigger: room_started, when: room.name == 'lobby'"
    rules = f"rules: [{{name: open, {when}, agent: {{cel: room.name}}, fallback: [greeter]}}]\n"
    with taped(hiding()) as (tape, lines):
        lobby = Played(tape, config(tmp_path, rules))
        lobby.look()
    assert lobby.asked == ["lobby"]
    assert said(tmp_path / "a", lines)[0] == 0

    def unaimed(claim: RecordedClaim) -> RecordedClaim:
        first, *others = claim.exchanges
        return replace(claim, exchanges=(replace(first, judged=(replace(first.judged[0], aims={}),)), *others))

    told = said(tmp_path / "b", [changed(lines[0], unaimed)])[1]
    assert told[2] == "  now       ask rule open for its agents for the room"


def test_a_lease_that_was_lost_ends_the_replay_where_it_ended(tmp_path: Path) -> None:
    """Whatever the drive would have done then."""
    with taped(hiding()) as (tape, lines):
        Played(tape, config(tmp_path, RULES)).look(person(), until=1)
    assert recorded(lines[0]).claim.ended is Ended.CUT_OFF
    assert said(tmp_path, lines)[0] == 0


def test_the_tapes_of_several_replicas_are_one(tmp_path: Path, lines: list[Line]) -> None:
    """Each has claims of the same room."""
    other = kept(tmp_path / "other", lines[1:])
    assert said(tmp_path / "one", lines[:1], other) == (0, ["2 claims of 1 rooms: 2 identical, 0 different"])


def test_lines_that_cannot_be_read_are_told_and_counted(tmp_path: Path, lines: list[Line]) -> None:
    """The first of them with their places; they make no difference."""
    nonsense = [Line(line.terms, b"nonsense\n") for line in lines[:1] * 12]
    code, told = said(tmp_path, [*lines, *nonsense])
    assert (code, len(told)) == (0, 11)
    assert told[0].startswith(f"{tmp_path}/tape-000001.jsonl:4: cannot be read: JSON is malformed")
    assert told[-1] == "2 claims of 1 rooms: 2 identical, 0 different; 12 lines could not be read"


def test_of_many_differences_the_first_are_told(tmp_path: Path, lines: list[Line]) -> None:
    """All are counted."""
    code, told = said(tmp_path, [changed(lines[0], with_effect(1, Release()))] * 30)
    assert (code, len(told)) == (1, 31)
    assert told[-1] == "30 claims of 1 rooms: 0 identical, 30 different"


@pytest.mark.parametrize("name", ["empty", "file", "nowhere"])
def test_where_nothing_is_recorded_nothing_is_proved(name: str, tmp_path: Path) -> None:
    """It cannot be used."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    why = {"empty": "no claim is recorded there", "file": "Not a directory", "nowhere": "No such file or directory"}
    with pytest.raises(Unusable, match=f"{name}: {why[name]}"):
        replay([tmp_path / name], str)


@pytest.mark.parametrize("hidden", [hiding(), hiding(people=True), hiding(plain=True)])
def test_a_claim_that_asked_a_launcher_replays_identically(tmp_path: Path, hidden: Hiding) -> None:
    """As whom the agent joins is recorded, as nobody can compute it there; and so is whose it was when it came."""
    launched = "launchers: {avatar: {urls: ['http://gpu-1:8089']}}\nrules: [{name: line, agent: {launch: avatar}}]"
    with taped(hidden) as (tape, lines):
        room = Played(tape, config(tmp_path, launched))
        room.look(caller())
        [attempt] = room.session.assignments[0].attempts
        step = Create(assignment="line", number=1, target=attempt.target)
        attributes = {TAG: TAGS.of(room.session, step), LAUNCHER: "avatar"}
        came = Participant(sid="PA_2", identity=attempt.identities[0], kind=AGENT, active=True, attributes=attributes)
        room.look(caller(), came)
        served, room.session = room.session, Session(room=room.session.room, sid=room.session.sid)
        room.look(caller(), came)

    assert room.asked == ["launch:avatar"]
    assert served.assignments[0].serving == attempt_of(served)
    assert attempt_of(room.session).ours
    assert len(lines) == 3
    assert [found for line in lines if (found := difference(recorded(line)))] == []


def attempt_of(session: Session) -> Attempt:
    """The only one."""
    [attempt] = session.assignments[0].attempts
    return attempt
