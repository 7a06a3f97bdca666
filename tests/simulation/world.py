"""A life is lived: the simulated LiveKit and dispatcher side by side, under watch."""

from functools import partial
from typing import Final

from msgspec import Struct

from dispatcher.core.events import Ms
from tests.simulation.calls import Line
from tests.simulation.clock import Clock
from tests.simulation.cluster import Cluster
from tests.simulation.ending import Ending
from tests.simulation.laws import Laws, Violation, Worst
from tests.simulation.life import Happening, Life, What
from tests.simulation.rooms import Rooms

BEGAN: Final[Ms] = 1_700_000_000_400
AFTERWARDS: Final[Ms] = 110_000  # everything that a life leaves behind is retracted within it


class Outcome(Struct, frozen=True):
    """How a life went."""

    violations: tuple[Violation, ...]
    worst: Worst
    excused: int  # wants that nobody serves, rightly
    left_alone: int  # people whom a rule covers while another rule has the room's one want

    @property
    def well(self) -> bool:
        return not self.violations


def live(life: Life) -> Outcome:
    """The life, lived to the end: until its calm, and as long again as its bounds reach."""
    clock = Clock(BEGAN)
    calm = BEGAN + life.calm
    told: list[Cluster] = []
    rooms = Rooms(clock, life, calm, lambda event: told[0].hook(event))
    laws = Laws(clock, rooms, life, BEGAN)
    cluster = Cluster(clock, Line(clock, rooms, life, calm), life, laws, calm)
    told.append(cluster)
    for one in life.happenings:
        clock.at(BEGAN + min(one.at, life.calm), partial(_happen, one, rooms, cluster))
    ending = Ending(clock, rooms, cluster, laws, calm)
    clock.run(ending.by + AFTERWARDS, ending.watch)
    ending.conclude()
    return Outcome(tuple(laws.violations), laws.worst, ending.excused, ending.left_alone)


def _happen(one: Happening, rooms: Rooms, cluster: Cluster) -> None:
    match one.what:
        case What.JOINS:
            rooms.joins(one.who)
        case What.LEAVES:
            rooms.leaves(one.who)
        case What.ABORTS:
            rooms.aborts(one.who)
        case What.CLOSES:
            rooms.closes()
        case What.KICKS:
            rooms.kicks()
        case What.ASKS:
            rooms.asks()
        case What.DELETES:
            rooms.deletes()
        case What.WIPES:
            cluster.wipe()
