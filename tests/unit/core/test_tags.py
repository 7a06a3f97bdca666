"""A tag says that a dispatch is ours: by which installation, for which room, life, assignment, attempt and agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import RoomSid
from dispatcher.core.plan import Create
from dispatcher.core.rules import Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.core.tags import AHEAD_MAX, Tag, Tags, claimed
from tests.unit.core.world import INSTANCE, LOBBY, TAGS, Pen, assignment, attempt, dispatch, session, tagged

THEIRS = Tags(INSTANCE, Pen("theirs"))
OURS = tagged(3)


def found(one: Dispatch, life: Session | None = None, tags: Tags = TAGS) -> Tag | None:
    """What the dispatch's tag says, if it is ours."""
    return tags.found(life or session(), RoomSnapshot(room=LOBBY, dispatches=(one,))).get(one.id)


def test_a_tag_says_whose_in_which_life_for_which_assignment_and_which_attempt() -> None:
    """An operator can read it; who has no secret cannot write it."""
    step = Create(assignment="each/a#b:c/d", number=12, target=Target("greeter"))

    text, _, signature = TAGS.of(session(), step).rpartition(":")
    assert text == "default:RM_1:each/a#b:c/d#12"
    assert len(signature) == 8


@given(key=st.text(min_size=1), number=st.integers(0, AHEAD_MAX), agent=st.text(), room=st.text())
def test_every_tag_of_ours_is_known_again(key: str, number: int, agent: str, room: str) -> None:
    """Whatever stands in the names."""
    life = replace(session(), room=room)

    assert found(tagged(number, key, "AD_1", agent, life=life), life) == Tag(key, number)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(dispatch(), id="none"),
        pytest.param(dispatch(tag="default:greeter#3"), id="as-it-was-before-tags-were-signed"),
        pytest.param(dispatch(tag="default:RM_1:greeter#3"), id="without-a-signature"),
        pytest.param(replace(OURS, tag=OURS.tag[:-1]), id="half-a-signature"),
        pytest.param(replace(OURS, tag=f"{OURS.tag}:"), id="an-empty-signature"),
        pytest.param(replace(OURS, tag=OURS.tag[:-8] + "ünïcödé!"), id="a-signature-of-other-signs"),
        pytest.param(tagged(3, tags=THEIRS), id="another-secret's"),
        pytest.param(tagged(3, tags=Tags("blue", TAGS.signer)), id="another-installation's"),
        pytest.param(replace(OURS, tag=OURS.tag.replace("default", "blue")), id="another-installation's-name"),
        pytest.param(replace(OURS, tag=OURS.tag.replace("#3", "#4")), id="another-number"),
        pytest.param(replace(OURS, tag=OURS.tag.replace("#3", "#03")), id="the-number-written-otherwise"),
        pytest.param(replace(OURS, tag=OURS.tag.replace("greeter", "other")), id="another-assignment"),
        pytest.param(replace(OURS, tag=OURS.tag.replace("RM_1", "RM_2")), id="another-life"),
        pytest.param(tagged(3, life=replace(session(), room="hall")), id="another-room's"),
        pytest.param(replace(OURS, agent="stranger"), id="copied-to-another-agent"),
        pytest.param(replace(OURS, deployment="canary"), id="copied-to-another-deployment"),
        pytest.param(tagged(AHEAD_MAX + 1), id="a-number-far-beyond-the-last"),
        pytest.param(tagged(3, key="x" * 2_000), id="longer-than-any-of-ours"),
    ],
)
def test_law_13_a_tag_that_is_not_ours_says_nothing(foreign: Dispatch) -> None:
    """Who may open a room, or list its dispatches, may write there what they like."""
    assert found(foreign) is None


def test_a_number_is_far_beyond_the_assignment_s_last() -> None:
    """What an emptied ledger may have forgotten is not."""
    life = session(assignment(attempt(7)))

    assert found(tagged(AHEAD_MAX + 7), life) == Tag("greeter", AHEAD_MAX + 7)
    assert found(tagged(AHEAD_MAX + 8), life) is None


def test_law_14_a_tag_of_the_room_s_life_before_is_ours() -> None:
    """Our own request opened the room again: its agent is ours to take back."""
    before = replace(session(), sid=RoomSid("RM_0"))

    assert found(tagged(3, life=before)) == Tag("greeter", 3)


@given(tag=st.text() | st.text(":#0123456789", max_size=30) | st.integers().map("default:RM_1:greeter#{}:x".format))
def test_whatever_stands_in_a_tag_a_look_goes_on(tag: str) -> None:
    """It is anybody's text."""
    assert found(dispatch(tag=tag)) is None


def test_law_11_nothing_of_the_secret_shows() -> None:
    """What holds it is printed as what it is."""
    assert "theirs" not in repr(THEIRS)


def test_what_a_tag_says_is_read_without_proof() -> None:
    """For a hint: of a job nobody knows more."""
    assert claimed(tagged(3, "line/a:b#c").tag) == Tag("line/a:b#c", 3)
    assert claimed(tagged(3, "request:42").tag) == Tag("request:42", 3)


@pytest.mark.parametrize(
    "said", ["", "default", "default:RM_1:#1:x", "default:RM_1:line#:x", "a:b:line#-1:x", "a:b:line#" + "9" * 10 + ":x"]
)
def test_what_is_no_tag_says_nothing(said: str) -> None:
    """Nor does one that is too long."""
    assert claimed(said) is None
    assert claimed(f"default:RM_1:{'x' * 1_024}#1:sig") is None
