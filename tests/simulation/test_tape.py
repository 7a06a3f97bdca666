"""Conversations of simulated lives are recorded, read back, and replayed: the same core does the same again."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.effects import Ask
from dispatcher.offline.replay import difference
from dispatcher.telemetry.tape import Line, RecordedClaim
from dispatcher.telemetry.tape.lines import dump
from dispatcher.telemetry.tape.recorder import ListenedRules
from tests.examples import examples
from tests.simulation.walker import life_of
from tests.simulation.world import live
from tests.unit.telemetry.tape.reel import hiding, recorded, taped

pytestmark = pytest.mark.no_cover  # tracing doubles their time; other tests cover what they walk through

FEW = settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))


def lives(seeds: range, *, people: bool = False) -> list[Line]:
    """The claims of the lives of these seeds."""
    with taped(hiding(people=people)) as (tape, lines):
        for seed in seeds:
            assert live(life_of(seed), tape).well
    return lines


@cache
def hundred() -> list[Line]:
    """A hundred hostile lives: replicas that die and stall, lost calls, pauses, turns, dry runs."""
    return lives(range(100))


@pytest.mark.slow("a hundred lives, and their replay")
def test_a_hundred_lives_replay_identically() -> None:
    """Every claim asks for the same effects in the same order, and saves the same sessions."""
    assert len(hundred()) > 1_000
    assert [found for line in hundred() if (found := difference(recorded(line)))] == []


@pytest.mark.slow("thirty lives, and their replay")
def test_lives_whose_people_are_hidden_replay_identically() -> None:
    """Nothing that the core decides hangs on the text of an identity: not its backoffs either."""
    lines = lives(range(100, 130), people=True)

    assert [found for line in lines if (found := difference(recorded(line)))] == []
    assert not any(b'"ann"' in line.claim or b"/ann" in line.claim for line in lines)


@pytest.mark.slow("replays a hundred lives five times")
@pytest.mark.parametrize("span", ["GRACE_MS", "BRAKE_MS", "BACKOFF_MS", "LINGER_MS", "TROUBLE_MS"])
def test_a_core_that_decides_otherwise_differs(span: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span that is half as long shows, and by far not everywhere."""
    lines = hundred()  # lived with the span as it is
    monkeypatch.setattr(timing, span, vars(timing)[span] // 2)

    different = [one for one in map(recorded, lines) if difference(one)]
    assert 0 < len(different) < len(lines) / 2


def unsigned(claim: RecordedClaim) -> RecordedClaim:
    """The claim without the signed tags of its dispatches: no tape holds them."""
    asks = [
        replace(one, effect=replace(one.effect, tag="")) if isinstance(one.effect, Ask) else one
        for one in claim.exchanges
    ]
    return replace(claim, exchanges=tuple(asks))


@pytest.mark.slow("random lives")
@given(st.integers(0, 10_000))
@FEW
def test_whatever_is_recorded_reads_back_as_it_was(seed: int) -> None:
    """Of any life: each line says what went to and fro, written again it is the same, and it replays."""
    with taped(hiding(plain=True)) as (tape, lines):
        overheard: list[RecordedClaim] = []
        write = tape._write  # noqa: SLF001

        def keep(claim: RecordedClaim, rules: ListenedRules) -> None:
            overheard.append(claim)
            write(claim, rules)

        tape._write = keep  # type: ignore[method-assign]  # noqa: SLF001
        live(life_of(seed), tape)

    assert len(lines) == len(overheard) > 0
    for line, was in zip(lines, overheard, strict=True):
        one = recorded(line)
        assert one.claim == unsigned(replace(was, terms=one.terms.id))
        assert (dump(one.terms), dump(one.claim)) == line
        assert difference(one) is None
