"""What is told of the configuration in force: when it was loaded, from where, and the last reading that was refused."""

from collections.abc import Callable, Sequence

from dispatcher.core.facts import Ms


class Configured:
    """Keeps it. `clock` is this machine's, in epoch ms."""

    def __init__(self, clock: Callable[[], Ms]) -> None:
        self._clock = clock
        self.loaded_at: Ms = 0
        self.file: str | None = None  # None: the environment alone says it all
        self.text = ""  # all of it, as people may see it
        self.warnings: tuple[str, ...] = ()
        self.deferred: tuple[str, ...] = ()  # settings that change at the next start only
        self.refused_at: Ms = 0  # 0: none was
        self.problems: tuple[str, ...] = ()  # why

    @property
    def refused_lately(self) -> bool:
        """Whether what is written now is not in force."""
        return self.refused_at > 0 and self.refused_at >= self.loaded_at

    def loaded(self, file: str | None, text: str, warnings: Sequence[object]) -> None:
        """Note that this is in force now."""
        self.loaded_at, self.file, self.text = self._clock(), file, text
        self.warnings = tuple(str(one) for one in warnings)

    def refused(self, problems: Sequence[object]) -> None:
        """Note that a reading was refused, and changed nothing."""
        self.refused_at, self.problems = self._clock(), tuple(str(one) for one in problems)
