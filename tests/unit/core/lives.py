"""Hostile lives of a room as data: what happens, in which order and how long apart."""

from collections.abc import Callable
from typing import TypeAlias

from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import JOINED, LEFT, Participant, Room
from dispatcher.core.rules import Aimed, Rule
from dispatcher.core.session import Session
from tests.unit.core.scene import Scene
from tests.unit.core.world import GREETER, LIVEKIT_AHEAD, LOBBY, NO, agent, dispatch, job, person, rule

Happening: TypeAlias = Callable[[Scene], None]


def of_a_publisher(_: Room, who: Participant | None) -> Aimed:
    """An agent that can be named only for somebody who publishes."""
    return Aimed((GREETER,)) if who is not None and who.publisher else Aimed((), ("missing_key",))


BACKED_UP = rule("greeter", "greeter", "backup", attempts=2)
SETS: tuple[tuple[Rule, ...], ...] = (
    (rule(),),
    (BACKED_UP,),
    (rule("each", "greeter", per="participant"),),
    (rule("vip", go_on=True), BACKED_UP),
    (rule("ambient", "greeter", trigger="room_started", on_finish="replace"),),
    (rule("greeter", worker_type="publisher"),),
    (replace(rule(), aim=of_a_publisher),),
)
REASONS = ("", "CLIENT_INITIATED", "PARTICIPANT_REMOVED", "CONNECTION_TIMEOUT", "DUPLICATE_IDENTITY", "ROOM_CLOSED")


def joins(identity: str, *, heard: bool = True, publisher: bool = False, hidden: bool = False) -> Happening:
    """Somebody connects, again perhaps: under a new SID each time."""

    def happens(scene: Scene) -> None:
        for old in [one for one in scene.present.values() if one.identity == identity]:
            scene.goes(old)
        who = person(identity, sid=f"PA_{identity}_{scene.now}", publisher=publisher, hidden=hidden)
        (scene.joins if heard else scene.enter)(who)

    return happens


def leaves(identity: str, *, heard: bool = True) -> Happening:
    """Somebody goes."""

    def happens(scene: Scene) -> None:
        for one in [one for one in scene.present.values() if one.identity == identity]:
            (scene.leaves if heard else scene.goes)(one)

    return happens


def answers(back: int, what: str, *, heard: bool, fixed: bool = False) -> Happening:
    """One of the latest dispatches gets its worker's no, a job, an agent (its job listed or not yet), or is deleted.

    An agent of a fixed identity takes the place of the one that bore it.
    """

    def happens(scene: Scene) -> None:
        ids = list(scene.listed)[-1 - back :]
        if not ids:
            return
        made = scene.listed[ids[0]]
        taken = next((one.identity for one in made.jobs if one.identity), "")
        identity = taken or ("bot" if fixed else f"agent-{made.id}")
        if what == "no":
            scene.jobs(made.id, NO)
        if what in {"job", "agent"} and job(identity) not in made.jobs:
            scene.jobs(made.id, job(identity))
        if what in {"agent", "agent-by-name"}:
            for old in [one for one in scene.present.values() if one.identity == identity]:
                scene.leaves(old, "DUPLICATE_IDENTITY")
            (scene.joins if heard else scene.enter)(agent(identity, made.agent, sid=f"PA_{identity}_{scene.now}"))
        if what == "deleted":
            del scene.listed[made.id]

    return happens


def agent_goes(which: int, reason: str, *, heard: bool) -> Happening:
    """An agent leaves."""

    def happens(scene: Scene) -> None:
        agents = [one for one in scene.present.values() if one.is_agent]
        for one in agents[which : which + 1]:
            scene.leaves(one, reason) if heard else scene.goes(one)

    return happens


def app_dispatches(name: str, *, comes: bool) -> Happening:
    """Somebody else creates a dispatch, and its agent may come."""

    def happens(scene: Scene) -> None:
        made = scene.lists(dispatch(f"AD_app_{scene.now}_{len(scene.listed)}", name))
        if comes:
            scene.comes(made)

    return happens


def repeats(name: str, who: Participant) -> Happening:
    """A webhook of long ago is delivered."""
    return lambda scene: scene.hear(name, replace(who, joined_at=scene.now + LIVEKIT_AHEAD - 1))


def ledger_is_emptied(scene: Scene) -> None:
    """Redis lost its data; the sweep finds the room."""
    scene.session = Session(room=LOBBY.name, sid=LOBBY.sid)
    scene.hear("swept")


def room_is(*, listed: bool) -> Happening:
    """ListRooms shows the room, or does not, and the sweep says: look."""

    def happens(scene: Scene) -> None:
        scene.room = LOBBY if listed else None
        scene.hear("swept")

    return happens


def time_passes(count: float) -> Happening:
    """So many seconds, with the reconciler at work."""
    return lambda scene: scene.run(count, sweep=False)


IDENTITIES = st.sampled_from(["alice", "bob"])
HEARD = st.booleans()
ANSWERS = st.sampled_from(["no", "job", "agent", "agent-by-name", "deleted"])
SPANS = st.sampled_from([0.1, 0.6, 2.0, 3.0, 6.0, 12.0, 31.0, 61.0])
FOREIGN = app_dispatches("greeter", comes=True)
HAPPENINGS: st.SearchStrategy[Happening] = st.one_of(
    st.builds(joins, IDENTITIES, heard=HEARD, publisher=HEARD),
    st.builds(leaves, IDENTITIES, heard=HEARD),
    st.builds(answers, st.integers(0, 2), ANSWERS, heard=HEARD, fixed=st.booleans()),
    st.builds(agent_goes, st.integers(0, 1), st.sampled_from(REASONS), heard=HEARD),
    st.builds(repeats, st.sampled_from([JOINED, LEFT]), st.sampled_from([person(), agent("agent-AD_1")])),
    st.just(ledger_is_emptied),
    st.builds(room_is, listed=st.booleans()),
    st.builds(time_passes, SPANS),
)
APPS = st.builds(app_dispatches, st.sampled_from(["greeter", "backup", "stranger"]), comes=st.booleans())
OURS_ALONE = st.lists(HAPPENINGS, max_size=25)
LIVES = st.lists(HAPPENINGS | APPS, max_size=25)
RULES = st.sampled_from(SETS)
