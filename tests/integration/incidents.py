"""Incidents of docs/incidents.md: the situation of each, and where its cause is told."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.integration import situations
from tests.integration.situations import Situation

PAGE: Final = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text()
SITUATIONS: Final[dict[str, Situation]] = {
    "no worker of the agent runs": situations.no_worker,
    "the worker says no": situations.rejects,
    "the agent's process does not get into the room": situations.never_shows,
    "the agent crashes at its start": situations.raises,
    "an agent is seen nowhere, and its fallback serves": situations.circuit_open,
    "a canary is bad, and the guard has taken it out": situations.side_stopped,
    "LiveKit is down": situations.livekit_down,
    "LiveKit hangs": situations.hangs,
    "the API key is wrong": situations.wrong_secret,
    "webhooks go to another host": situations.no_webhooks,
    "Redis is down": situations.redis_down,
    "a receiver of notices is down": situations.receiver_dead,
    "a change of the configuration has a mistake": situations.config_refused,
}
_ROW: Final = re.compile(r"^\| ([^|`]+?) \| (\S.*?) \| (\S.*?) \| `dispatcher (.+?)` \| (.+) \|$", re.MULTILINE)
_SAYS: Final = re.compile(r"`` (.+?) ``(?: \(not (.+?)(?::.+?)?\))?")


class Incident(Struct, frozen=True):
    """A row of the table."""

    alert: str  # "": none
    notice: str  # "": none
    command: Sequence[str]
    says: Sequence[tuple[str, str]]  # a pattern, and who does not say it

    def patterns(self, teller: str) -> list[str]:
        """What this teller says."""
        return [pattern for pattern, silent in self.says if silent != teller]

    def unsaid(self, teller: str) -> list[str]:
        """What this teller does not say."""
        return [pattern for pattern, silent in self.says if silent == teller]


def _incident(alert: str, notice: str, command: str, says: str) -> Incident:
    name = re.match(r"\[(\w+)\]", alert)
    kind = re.match(r"`(\S+)`", notice)
    patterns = [(".*".join(map(re.escape, text.split("…"))), silent) for text, silent in _SAYS.findall(says)]
    return Incident(name[1] if name else "", kind[1] if kind else "", command.split(), patterns)


INCIDENTS: Final = {name: _incident(*cells) for name, *cells in _ROW.findall(PAGE)}


def room_of(notice: dict[str, Any] | None, said: Sequence[dict[str, Any]]) -> str:
    """The room that the notice is about; else the first in which somebody starved; else the one that is played in."""
    happenings = notice["data"]["happenings"] if notice else []
    told = [one["room"] for one in happenings if one.get("room")]
    starved = [str(line["room"]) for line in said if line["action"] == "assignment.starved"]
    return str([*told, *starved, "lobby"][0])
