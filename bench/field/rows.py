"""What is told of a contender at a rate, and how many times as much that is as another's."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from msgspec import Struct

from bench.field.load import Figures


class Row(Struct, frozen=True, kw_only=True):
    """One contender at one rate. None: there was nothing to measure."""

    name: str
    rate: float  # rooms a second
    cpu_ms: float  # a room
    busy: float  # share of a core
    calls: float  # a room
    ack_p50: float | None  # ms, as all that follow
    ack_p99: float | None
    create_p50: float | None
    create_p99: float | None
    missing: int
    twice: int
    failed: int
    memory: int  # MB
    pause: float | None  # the longest of its event loop
    sender_late: float | None  # p99: so late was whoever measures

    @classmethod
    def of(cls, name: str, rate: float, cpu_s: float, memory: int, figures: Figures) -> Self:
        """What has come of a run that took so much CPU."""
        return cls(
            name=name,
            rate=rate,
            cpu_ms=1000 * cpu_s / figures.rooms,
            busy=rate * cpu_s / figures.rooms,
            calls=figures.calls / figures.rooms,
            ack_p50=at(figures.acknowledged, 0.5),
            ack_p99=at(figures.acknowledged, 0.99),
            create_p50=at(figures.created, 0.5),
            create_p99=at(figures.created, 0.99),
            missing=figures.missing,
            twice=figures.twice,
            failed=figures.failed,
            memory=memory,
            pause=figures.pause,
            sender_late=at(figures.late, 0.99),
        )


class Column(NamedTuple):
    """One figure of a row."""

    title: str
    field: str
    width: int
    form: str
    compared: bool = True

    def shown(self, row: Row) -> str:
        """As it is told."""
        value = getattr(row, self.field)
        return "-" if value is None else format(value, self.form)

    def times(self, row: Row, base: Row) -> str:
        """How many times as much the one is as the other; empty: nobody compares that."""
        one, other = getattr(row, self.field), getattr(base, self.field)
        if not self.compared:
            return ""
        return f"{one / other:.2f}x" if one is not None and other else "-"


COLUMNS: Final = (
    Column("CPU ms/room", "cpu_ms", 13, ".2f"),
    Column("busy", "busy", 6, ".0%", compared=False),
    Column("calls", "calls", 7, ".1f"),
    Column("ack p50", "ack_p50", 9, ".1f"),
    Column("p99", "ack_p99", 7, ".1f"),
    Column("create p50", "create_p50", 12, ".1f"),
    Column("p99", "create_p99", 7, ".1f"),
    Column("missing", "missing", 9, "d", compared=False),
    Column("twice", "twice", 7, "d", compared=False),
    Column("failed", "failed", 8, "d", compared=False),
    Column("MB", "memory", 7, "d"),
    Column("pause", "pause", 7, ".1f", compared=False),
)
HEADER: Final = f"{'':30} rooms/s" + "".join(f"{column.title:>{column.width}}" for column in COLUMNS)


def line(row: Row) -> str:
    """Its figures below the header's."""
    return f"{row.name:30} {row.rate:7.0f}" + "".join(f"{one.shown(row):>{one.width}}" for one in COLUMNS)


def times(row: Row, base: Row) -> str:
    """How many times as much the one takes as the other, below the columns of their figures."""
    shown = "".join(f"{one.times(row, base):>{one.width}}" for one in COLUMNS)
    return f"  {row.name:28} {row.rate:7.0f}{shown}".rstrip()


def at(spans: Sequence[float], share: float) -> float | None:
    """The span that so many of them do not exceed; None: there are none."""
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
