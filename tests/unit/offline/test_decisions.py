"""What other rules would have decided, room by room; and what of it a tape does not say is never guessed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.offline import Unusable, compare
from dispatcher.telemetry.tape import Hiding, Tape
from tests.unit.core.world import agent, job, person, tagged
from tests.unit.offline.claims import Played, caller, config
from tests.unit.telemetry.tape.reel import hiding, kept, taped

SALES = "{name: sales, when: \"participant.attributes['sip.trunkPhoneNumber'] == '+442079460000'\", agent: sales}"
ALL = "{name: all, agent: greeter}"
PHONES = "rules: [{name: tel, agent: a, kinds: [SIP]}]\n"
GREETER = f"rules: [{ALL}]\n"
TWO = f"rules: [{SALES}, {ALL}]\n"
HIDES = "which recordings hide"


def judged(
    folder: Path, recorded: str, play: Callable[[Tape, str], object], other: str, how: Hiding | None = None
) -> tuple[int, list[str]]:
    """The exit code and the lines of a comparison: what was played under some rules, beside what others make of it."""
    with taped(how or hiding()) as (tape, lines):
        play(tape, recorded)
    written: list[str] = []
    tape_of = kept(folder / "tape", lines)
    code = compare([tape_of], config(folder, other, "other.yaml"), written.append)
    return code, "".join(written).splitlines()


def visited(folder: Path, *looks: Sequence[Participant], room: Room | str = "lobby") -> Callable[[Tape, str], object]:
    """A room in which these people are seen, one look after the other."""

    def play(tape: Tape, rules: str) -> None:
        played = Played(tape, config(folder, rules), room)
        for people in looks:
            played.look(*people)

    return play


def outcome(lines: list[str]) -> str:
    """What is said of the only room that changes; "" where none does."""
    *rows, _ = lines
    return " ".join(rows[1].partition("  ")[2].split()) if rows else ""


def test_rules_that_decide_alike_change_nothing(tmp_path: Path) -> None:
    """Under whatever names: exit code 0."""
    other = "rules: [{name: everyone, agent: greeter, fallback: [sales]}]\n"
    assert judged(tmp_path, GREETER, visited(tmp_path, [person()]), other) == (
        0,
        ["1 rooms: 1 same, 0 other agent, 0 no agent any more, 0 agent where there was none, 0 cannot be told"],
    )


@pytest.mark.parametrize(
    ("recorded", "other", "row"),
    [
        (GREETER, "rules: [{name: all, agent: sales}]\n", "all: greeter all: sales other agent"),
        (GREETER, PHONES, "all: greeter none no agent any more"),
        (PHONES, GREETER, "none all: greeter agent where there was none"),
        (GREETER, f"rules: [{{name: more, agent: notes, continue: true}}, {ALL}]\n",
         "all: greeter more: notes, all: greeter other agent"),
        (GREETER, "rules: [{name: each, agent: greeter, per: participant}]\n",
         "all: greeter each/alice: greeter, each/bob: greeter other agent"),
        ("rules: [{name: all, agent: {cel: room.name}}]\n", GREETER, "all: lobby all: greeter other agent"),
        (GREETER, "rules: [{name: c, agent: {cel: metadata.agent}}]\n", "all: greeter none no agent any more"),
        (
            GREETER,
            "rules: [{name: open, trigger: room_started, agent: lights}]\n",
            "all: greeter open: lights other agent",
        ),
    ],
)  # fmt: skip
def test_what_changes_is_told_room_by_room(recorded: str, other: str, row: str, tmp_path: Path) -> None:
    """What was decided, what would have been, and what that means: exit code 1."""
    code, lines = judged(tmp_path, recorded, visited(tmp_path, [person(), person("bob")]), other)
    assert code == 1
    assert lines[0].split() == ["room", "recorded", str(tmp_path / "other.yaml")]
    assert outcome(lines) == row


def test_who_was_asked_for_first_stays(tmp_path: Path) -> None:
    """A later look that would name another agent, or another rule for the room, changes nothing."""
    play = visited(tmp_path, [person()], [person(), caller()])
    assert judged(tmp_path, GREETER, play, TWO)[0] == 0


def test_an_agent_that_could_not_be_named_at_first_counts_from_when_it_can(tmp_path: Path) -> None:
    """As its metadata is set after the room has opened; and nobody is named instead of it before."""
    rules = "rules: [{name: all, agent: {cel: metadata.agent}}]\n"

    def play(tape: Tape, written: str) -> None:
        played = Played(tape, config(tmp_path, written), "lobby")
        played.look(person())
        played.room = replace(played.room, metadata='{"agent": "helper"}')
        played.look(person())
        played.room = replace(played.room, metadata='{"agent": "another"}')
        played.look(person())

    code, lines = judged(tmp_path, GREETER, play, rules, hiding(plain=True))
    assert (code, outcome(lines)) == (1, "all: greeter all: helper other agent")


def test_each_room_is_judged_by_itself_and_named_with_its_project(tmp_path: Path) -> None:
    """Those that do not change are counted; a name that commands a terminal does not."""

    def play(tape: Tape, written: str) -> None:
        for project, room in (("default", "lobby"), ("default", "odd\x1b[2J"), ("second", "lobby")):
            Played(tape, config(tmp_path, written), Room(sid=RoomSid(f"RM_{project}_{room}"), name=room), project).look(
                person()
            )

    code, lines = judged(tmp_path, GREETER, play, "rules: [{name: all, when: room.name == 'lobby', agent: greeter}]\n")
    assert code == 1
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["default/odd\\x1b[2J", "second/lobby"]
    assert lines[2].endswith("cannot be told: the file has no project second")
    assert lines[-1].startswith("3 rooms: 1 same, 0 other agent, 1 no agent any more, 0 ")


# What the tape does not say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [[[person()]], [[], [person()]]])
def test_a_room_that_began_before_cannot_be_told(looks: list[list[Participant]], tmp_path: Path) -> None:
    """Its assignments stand: who was there when they began, nobody knows."""

    def play(tape: Tape, written: str) -> None:
        with taped(hiding()) as (before, _):
            played = Played(before, config(tmp_path, written))
            played.look(person())
        played.tape = tape
        for people in looks:
            played.look(*people)

    _, lines = judged(tmp_path, GREETER, play, GREETER)
    assert outcome(lines).endswith("cannot be told: it began before the recording")


def test_a_room_whose_session_was_lost_cannot_be_told(tmp_path: Path) -> None:
    """A restart without Redis: its dispatch is ours, and its session begins anew."""

    def play(tape: Tape, written: str) -> None:
        played = Played(tape, config(tmp_path, written))
        ours = tagged(1, "all", "AD_1", "greeter", job(), life=played.session)
        played.look(person(), agent(), dispatches=(ours,))

    assert outcome(judged(tmp_path, GREETER, play, GREETER)[1]).endswith("it began before the recording")


def test_a_room_that_was_never_looked_at_cannot_be_told(tmp_path: Path) -> None:
    """Nor one whose only look led to nothing, as the lease was lost."""

    def play(tape: Tape, written: str) -> None:
        Played(tape, config(tmp_path, written)).look(person(), until=1)

    assert outcome(judged(tmp_path, GREETER, play, GREETER)[1]).endswith("cannot be told: no look at it was recorded")


def other_line(agent_: str) -> str:
    """Rules whose condition reads attributes, and is another one than was recorded."""
    return f"rules: [{{name: line, when: \"'sip.phoneNumber' in participant.attributes\", agent: {agent_}}}, {ALL}]\n"


def test_a_rule_that_reads_what_is_hidden_is_named(tmp_path: Path) -> None:
    """And what it reads."""
    _, lines = judged(tmp_path, GREETER, visited(tmp_path, [caller()]), other_line("sales"))
    assert outcome(lines) == f"all: greeter ? cannot be told: rule line reads participant.attributes, {HIDES}"


def test_a_condition_that_was_recorded_is_known(tmp_path: Path) -> None:
    """Under whatever name, and wherever it stands: what it said of this person in this look is on the tape."""
    other = f"rules: [{{name: tel, {SALES.partition(', ')[2]}, {ALL}]\n".replace("agent: sales", "agent: helpers")
    _, lines = judged(tmp_path, TWO, visited(tmp_path, [caller()]), other)
    assert outcome(lines) == "sales: sales tel: helpers other agent"
    assert judged(tmp_path / "b", TWO, visited(tmp_path, [caller(trunk="+44")]), other)[0] == 0


def test_agents_that_were_recorded_are_known(tmp_path: Path) -> None:
    """As they were computed in this look."""
    computed = "agent: {cel: metadata.agent}, fallback: [greeter]"
    room = Room(sid=RoomSid("RM_1"), name="lobby", metadata='{"agent": "helper"}')
    recorded, other = f"rules: [{{name: a, {computed}}}]\n", f"rules: [{{name: b, {computed}, min_stay: 1s}}]\n"
    assert judged(tmp_path, recorded, visited(tmp_path, [person()], room=room), other)[0] == 0


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("participant.attributes['x'] == 'y'", "participant.attributes"),
        ("participant.name == 'Al'", "participant.name"),
        ("participant.metadata == ''", "participant.metadata"),
        ("has(participant_metadata.plan)", "participant_metadata"),
        ("metadata.?plan.orValue('') == 'gold'", "metadata"),
        ("room.metadata != ''", "room.metadata"),
        ("[participant].exists(one, one.identity == 'x')",
         "participant.attributes, participant.metadata, participant.name"),
        ("kind == 'SIP' && participant.name == 'Al'", "participant.name"),
        ("kind == 'SIP' || participant.name == 'Al'", "participant.name"),
    ],
)  # fmt: skip
def test_whatever_hangs_on_hidden_facts_is_not_told(when: str, told: str, tmp_path: Path) -> None:
    """Metadata, attributes and names, of the room or of the person, in part or whole."""
    who = caller(name="Al", metadata='{"plan": "gold"}')
    room = Room(sid=RoomSid("RM_1"), name="lobby", metadata='{"plan": "gold"}')
    other = f"rules: [{{name: odd, when: {when!r}, agent: odd}}]\n".replace("\\'", "''")
    _, lines = judged(tmp_path, GREETER, visited(tmp_path, [who], room=room), f"{other}")
    assert outcome(lines).partition("cannot be told: ")[2] == f"rule odd reads {told}, {HIDES}"
    assert judged(tmp_path / "p", GREETER, visited(tmp_path, [who], room=room), other, hiding(plain=True))[1]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("when: \"metadata.?plan.orValue('') == ''\", agent: odd", "rule odd reads metadata, which was not read"),
        ("agent: {cel: room.metadata}", "rule odd reads room.metadata, which was not read"),
        ("when: room.name == 'lobby', agent: greeter", ""),
    ],
)
def test_the_metadata_of_a_room_that_was_not_asked_for_is_not_taken_to_be_empty(
    rule: str, told: str, tmp_path: Path, *, plain: bool
) -> None:
    """Where no rule reads it, looks go without; then no recording has it, plain or not."""

    def play(tape: Tape, written: str) -> None:
        Played(tape, config(tmp_path, written)).look(person(), heard=True)

    recorded, other = "rules: [{name: odd, agent: greeter}]\n", f"rules: [{{name: odd, {rule}}}]\n"
    _, lines = judged(tmp_path, recorded, play, other, hiding(plain=plain))
    assert outcome(lines).partition("cannot be told: ")[2] == told


@pytest.mark.parametrize(
    ("when", "who", "agent_"),
    [
        ("participant.name == 'Al'", person(), ""),  # nobody has a name, and that is on the tape
        ("'x' in participant.attributes", person(), ""),
        ("metadata.?plan.orValue('') == ''", person(), "odd"),
        ("kind == 'STANDARD' && participant.name == 'Al'", caller(name="Al"), ""),  # false, whatever the name
        ("participant.name == 'Al' && metadata.plan == 'x'", caller(name="Al"), ""),
        ("participant.identity == 'alice' && room.name == 'lobby'", person(name="Al"), "odd"),
    ],
)
def test_what_does_not_hang_on_what_is_hidden_is_told(when: str, who: Participant, agent_: str, tmp_path: Path) -> None:
    """What is empty, what a part that is known decides, and what is not hidden."""
    other = f'rules: [{{name: odd, when: "{when}", agent: odd}}]\n'
    recorded = (
        f"rules: [{{name: odd, agent: {agent_}}}]\n" if agent_ else "rules: [{name: none, when: 'false', agent: x}]\n"
    )
    assert judged(tmp_path, recorded, visited(tmp_path, [who]), other)[0] == 0


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        ("agent: {cel: participant.name}", "participant.name"),
        ("agent: {split: [{name: a, weight: 1}, {name: b, weight: 1}], by: participant.name}", "participant.name"),
        ("agent: {cel: metadata.agent}, fallback: [{cel: participant.name}]", "participant.name"),
    ],
)
def test_an_agent_that_hangs_on_hidden_facts_is_not_told(agents: str, told: str, tmp_path: Path) -> None:
    """Computed, or by weight; a fallback where the first cannot be named."""
    other = f"rules: [{{name: odd, {agents}}}]\n"
    _, lines = judged(tmp_path, GREETER, visited(tmp_path, [person(name="Al")]), other)
    assert outcome(lines).partition("cannot be told: ")[2] == f"rule odd reads {told}, {HIDES}"


@pytest.mark.parametrize(
    "agents",
    [
        "agent: greeter, fallback: [{cel: participant.name}]",
        "agent: {split: [{name: greeter, weight: 1}]}",
        "agent: {split: [{name: greeter, weight: 1}], by: participant.identity}",
        'agent: {cel: \'"greet" + "er"\'}',
    ],
)
def test_a_first_agent_that_does_not_is_told(agents: str, tmp_path: Path) -> None:
    """Whatever comes after it."""
    other = f"rules: [{{name: odd, {agents}}}]\n"
    assert judged(tmp_path, GREETER, visited(tmp_path, [person(name="Al")]), other)[0] == 0


@pytest.mark.parametrize(
    ("rule", "room", "told"),
    [
        ("when: participant.identity == 'alice', agent: greeter", "lobby", "participant.identity"),
        ("when: room.name == 'x', agent: greeter", "call-442079460000", "room.name"),
        ("agent: {split: [{name: greeter, weight: 1}]}", "call-442079460000", "room.name"),
        ("when: room.name == 'lobby', agent: greeter", "lobby", ""),
    ],
)
def test_where_people_are_hidden_so_is_who_they_are(rule: str, room: str, told: str, tmp_path: Path) -> None:
    """And the name of a room that had a number in it; of another room it is as it was."""
    other = f"rules: [{{name: odd, {rule}}}]\n"
    code, lines = judged(tmp_path, GREETER, visited(tmp_path, [person()], room=room), other, hiding(people=True))
    assert code == bool(told)
    assert not told or outcome(lines).endswith(f"rule odd reads {told}, {HIDES}")


def test_a_tape_in_plain_text_tells_everything(tmp_path: Path) -> None:
    """Also where identities are masked in the log."""
    _, lines = judged(
        tmp_path, GREETER, visited(tmp_path, [caller()]), other_line("sales"), hiding(people=True, plain=True)
    )
    assert outcome(lines) == "all: greeter line: sales other agent"


def test_lines_that_cannot_be_read_are_told_and_an_empty_tape_is_of_no_use(tmp_path: Path) -> None:
    """As for a replay."""
    other = config(tmp_path, GREETER)
    kept(tmp_path, [])
    (tmp_path / "tape-000001.jsonl").write_text("nonsense\n")
    written: list[str] = []
    with pytest.raises(Unusable, match="no claim is recorded there"):
        compare([tmp_path], other, written.append)
    assert written[0].startswith(f"{tmp_path}/tape-000001.jsonl:1: cannot be read")
