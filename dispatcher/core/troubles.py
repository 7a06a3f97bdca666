"""What is wrong with the service itself: why every room may lack its agent, whatever the room's own story says."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms


class TroubleKind(StrEnum):
    """What kind of trouble it is, in the order in which people should hear of it."""

    DRY_RUN = "dry_run"  # no agent is asked for, on purpose
    LEDGER_FAILING = "ledger_failing"
    ANOTHER_PROCESS = "another_process"  # lately: it works as the same instance, with a ledger of its own
    LIVEKIT_FAILING = "livekit_failing"
    WEBHOOKS_REJECTED = "webhooks_rejected"  # lately
    WEBHOOKS_ASTRAY = "webhooks_astray"  # lately: they came to a wrong path, or as a GET
    WEBHOOKS_MISSING = "webhooks_missing"  # the sweep finds rooms that no webhook has told of
    NOTICES_FAILING = "notices_failing"  # a receiver does not take what it is owed
    CONFIG_REFUSED = "config_refused"  # what is written has mistakes: an earlier configuration is in force


class Trouble(Struct, frozen=True, kw_only=True):
    """One thing that is wrong now, by the clock of this machine."""

    kind: TroubleKind
    project: str = ""  # "": of all projects
    reason: str = ""  # LiveKit's, the webhook's, the ledger's or the receiver's, as metrics and log have it
    since: Ms = 0  # it has lasted since then; 0: not known
    last_at: Ms = 0  # the last sign of it
    count: int = 0  # webhooks rejected or astray, calls failed, rooms found, mistakes
    asked: str = ""  # WEBHOOKS_ASTRAY: the method and the path of the last one
    receiver: str = ""  # NOTICES_FAILING: whose


_ORDER: Final = list(TroubleKind)


def by_weight(trouble: Trouble) -> tuple[int, str, str]:
    """Sorts troubles as people should hear of them."""
    return _ORDER.index(trouble.kind), trouble.project, trouble.reason
