"""The installation that a ledger belongs to: what tells it from another one in the same home."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

UNNAMED: Final = "default"  # the instance whose keys do not name it: releases that knew of one alone wrote them


class LiveKitAt(Struct, frozen=True):
    """Where a project's LiveKit is, as it may be shown. `keys` are the ids of its API keys."""

    url: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.url} ({', '.join(self.keys)})"


class Installation(Struct, frozen=True, kw_only=True):
    """The installation that a ledger belongs to. Without `livekits` nobody checks who owns the keys."""

    instance: str = UNNAMED
    livekits: Callable[[], Mapping[str, LiveKitAt]] | None = None  # by project, as they are in force now
    take_over: bool = False  # the keys are taken, once, from whoever has them


ALONE: Final = Installation()
