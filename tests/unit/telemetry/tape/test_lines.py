"""A line is read as it was written, or not at all."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from dispatcher.core.effects import Observe, Observed, Save, Saved, Then
from dispatcher.core.rules import Aimed, Policy, Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.telemetry.tape import (
    Ended,
    Exchange,
    Hides,
    Judged,
    Recorded,
    RecordedClaim,
    RecordedRule,
    RecordedTerms,
    UnreadableLine,
    UnreadLine,
    read,
)
from dispatcher.telemetry.tape.lines import Line, dump, identified, load
from tests.unit.core.world import LOBBY, NOW, agent, person
from tests.unit.telemetry.tape.reel import kept

POLICY = Policy(targets=(Target("greeter"),), kinds=frozenset({"SIP", "STANDARD"}))
TERMS = identified(
    RecordedTerms(
        hides=Hides.FACTS,
        rules=(RecordedRule(name="all", policy=POLICY, when="ab"), RecordedRule(name="more", policy=POLICY, aim="cd")),
        paused=frozenset({"greeter", "sales", "voicemail"}),
    )
)
SESSION = Session(room=LOBBY.name, sid=LOBBY.sid)
CLAIM = RecordedClaim(
    terms=TERMS.id,
    project="default",
    now=NOW,
    session=SESSION,
    inbox=(),
    exchanges=(
        Exchange(
            effect=Observe(),
            reply=Observed(NOW + 9, NOW, RoomSnapshot(room=LOBBY, participants=(person(), agent("agent-AJ_1")))),
            judged=(Judged(person="PA_1", no=("all",), aims={"more": Aimed((Target("sales"),), ("missing_key",))}),),
        ),
        Exchange(effect=Save(session=SESSION, then=Then.REST), reply=Saved(NOW + 10)),
    ),
    ended=Ended.FINISHED,
)
LINE = Line(dump(TERMS), dump(CLAIM))


@pytest.mark.parametrize("written", [TERMS, CLAIM, replace(CLAIM, exchanges=(), ended=Ended.FAILED)])
def test_what_was_written_is_read(written: RecordedTerms | RecordedClaim) -> None:
    """To the last field, on one line."""
    assert load(dump(written)) == written
    assert dump(written).count(b"\n") == 1


def test_the_same_terms_have_the_same_id_in_every_process() -> None:
    """And others another."""
    again = identified(load(dump(replace(TERMS, id=""))))  # type: ignore[arg-type]

    assert again.id == TERMS.id
    assert identified(replace(TERMS, dry_run=True)).id != TERMS.id


def changed(line: bytes, **fields: object) -> bytes:
    """The line with other fields at its top."""
    return msgspec.json.encode({**msgspec.json.decode(line), **fields})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "truncated"),
        (b"nonsense", "malformed"),
        (b'{"v":2}', "of another version: 2"),
        (b'{"v":1,"type":"song"}', "Invalid value 'song'"),
        (LINE.claim[: len(LINE.claim) // 2], "truncated"),
        (changed(LINE.claim, now="noon"), "Expected `int`, got `str`"),
        (changed(LINE.claim, mood="good"), "unknown field `mood`"),
        (changed(LINE.claim, session={"room": "lobby", "sid": "RM_1", "mood": "good"}), "of another release"),
        (changed(LINE.claim, session={"room": "lobby", "sid": "RM_1", "assignments": []}), "of another release"),
        (changed(LINE.claim, exchanges=[{"effect": {"type": "Sing"}}]), "Invalid value 'Sing'"),
        (LINE.claim.replace(b'"lobby"', b'"\xff"'), "utf-8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(line: bytes, why: str) -> None:
    """Also what a later release has added within: half of it is not a claim."""
    with pytest.raises(UnreadableLine, match=why):
        load(line)


def test_a_line_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    """It is told with its place, and so is a claim whose terms are not there."""
    kept(tmp_path, [LINE])
    file = tmp_path / "tape-000001.jsonl"
    orphan = dump(replace(CLAIM, terms="0123"))
    file.write_bytes(file.read_bytes() + b"nonsense\n\n" + orphan + LINE.claim)

    found = list(read(tmp_path))
    assert [one for one in found if isinstance(one, UnreadLine)] == [
        UnreadLine(f"{file}:3", "JSON is malformed: invalid character (byte 4)"),
        UnreadLine(f"{file}:5", "its terms, 0123, do not stand before it"),
    ]
    assert [one for one in found if isinstance(one, Recorded)] == [
        Recorded(place=f"{file}:{number}", terms=TERMS, claim=CLAIM) for number in (2, 6)
    ]


def test_a_line_without_end_is_read_in_pieces_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is a claim; what comes after it is."""
    monkeypatch.setattr("dispatcher.telemetry.tape.reading.FILE_MAX", len(LINE.claim) + 10)
    (tmp_path / "tape-000001.jsonl").write_bytes(b"x" * 5_000 + b"\n" + LINE.terms + LINE.claim)

    found = list(read(tmp_path))
    assert [type(one) for one in found[-2:]] == [UnreadLine, Recorded]
    assert len(found) < 10
