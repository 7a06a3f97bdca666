"""A life is lived: the simulated LiveKit and dispatcher side by side, under watch."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.telemetry.tape import Tape
from tests.simulation.calls import Line
from tests.simulation.clock import Clock, Do
from tests.simulation.cluster import Cluster
from tests.simulation.ending import Ending
from tests.simulation.laws import Hopeless, Laws, Violation, Worst
from tests.simulation.life import Happening, Life, What
from tests.simulation.operator import Operator
from tests.simulation.rooms import Rooms

BEGAN: Final[Ms] = 1_700_000_000_400
AFTERWARDS: Final[Ms] = 110_000  # everything that a life leaves behind is retracted within it


class Outcome(Struct, frozen=True, kw_only=True):
    """How a life went."""

    violations: tuple[Violation, ...]
    worst: Worst
    excused: int  # assignments that nobody serves, rightly
    left_alone: int  # people whom a rule covers while another rule has the room's one assignment
    arrived: int  # agents of ours, ever
    kept: tuple[str, ...]  # agents of ours that are there at the end, with the numbers of their attempts
    died: bool  # a dispatcher did
    nameless: int  # agents without a name that are there at the end

    @property
    def well(self) -> bool:
        return not self.violations


def live(life: Life, tape: Tape | None = None) -> Outcome:
    """The life, lived to the end: until its calm, and as long again as its bounds reach. With a tape it is recorded."""
    clock = Clock(BEGAN)
    calm = BEGAN + life.calm
    rooms = Rooms(clock, life, calm)
    laws = Laws(clock, rooms, life, BEGAN)
    cluster = Cluster(clock, Line(clock, rooms, life, calm), life, laws, calm)
    cluster.tape = tape
    rooms.hooked = cluster.hook
    operator = Operator(cluster)
    for one in life.happenings:
        clock.at(BEGAN + min(one.at, life.calm), partial(_happen, one, rooms, cluster, operator))
    ending = Ending(clock, rooms, cluster, laws, calm)
    with suppress(Hopeless):
        clock.run(ending.by + AFTERWARDS, ending.watch)
        ending.conclude()
    return Outcome(
        violations=tuple(laws.violations),
        worst=laws.worst,
        excused=ending.excused,
        left_alone=ending.left_alone,
        arrived=rooms.arrived,
        kept=tuple(sorted(_named(rooms))),
        died=laws.died,
        nameless=sum(one.is_agent and not one.agent for one in rooms.open.members.values()) if rooms.open else 0,
    )


def _named(rooms: Rooms) -> Iterator[str]:
    for one in rooms.open.members.values() if rooms.open else ():
        if one.made and one.made.ours:
            yield f"{one.agent}#{one.made.number}"


def _happen(one: Happening, rooms: Rooms, cluster: Cluster, operator: Operator) -> None:
    happenings: dict[What, Do] = {
        What.JOINS: partial(rooms.joins, one.who),
        What.LEAVES: partial(rooms.leaves, one.who),
        What.RELOADS: partial(rooms.reloads, one.who),
        What.ABORTS: partial(rooms.aborts, one.who),
        What.CLOSES: rooms.closes,
        What.KICKS: rooms.kicks,
        What.ASKS: rooms.asks,
        What.FORGES: partial(rooms.forges, one.who),
        What.DELETES: rooms.deletes,
        What.WIPES: cluster.wipe,
        What.PAUSES: partial(cluster.pause, {one.who}),
        What.RESUMES: partial(cluster.pause, ()),
        What.ORDERS: partial(operator.orders, one.who),
        What.CANCELS: operator.cancels,
        What.RETRIES: operator.retries,
    }
    happenings[one.what]()
