"""What is known besides the session when somebody asks why no agent came."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Paused
from dispatcher.core.probes import ProbeFacts
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.workers import WorkersSeen


class Known(Struct, frozen=True, kw_only=True):
    """As of the moment of asking."""

    now: Ms  # by the ledger's clock
    workers: WorkersSeen = WorkersSeen()  # what workers say of themselves
    look: RoomSnapshot | None = None  # what LiveKit shows of the room; None: it was not asked, or did not answer
    paused: Mapping[str, Paused] = {}  # the project's agents that nobody is given
    probes: Mapping[Target, ProbeFacts] = {}  # what came of probes of the project's agents
    agents: Mapping[str, Ms] = {}  # when an agent of this name last showed a sign of life; 0: never that we know of


NOTHING: Final = Known(now=0)
