"""What a launcher counts and times, in the registry of the metrics that it has in common with the service."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from dispatcher.telemetry.exposition import NewMetrics, WithoutCreated
from dispatcher.telemetry.metrics import PREFIX, Metrics

OWN: Final = ("launches", "launched", "launch_join_seconds", "launch_ends")
SHARED: Final = (  # with the service; a counter without its `_total`
    *("livekit_request_seconds", "loop_errors", "log_lines_dropped", "build_info"),
    *("http_connections", "http_connections_ended", "api_requests"),
)
_JOIN: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0)  # seconds


class LaunchMetrics:
    """A launcher's metrics. `shared` are those that it has in common with the service."""

    def __init__(
        self, registry: CollectorRegistry | None = None, *, version: str, lines_dropped: Callable[[], int] = lambda: 0
    ) -> None:
        self._registry = registry or CollectorRegistry()
        self.shared = Metrics(self._registry, version=version, lines_dropped=lines_dropped)
        new = NewMetrics(self._registry, PREFIX)
        self.launches_total = new.counter("launches_total", "Requests to a launcher.", "launcher", "result")
        self.launched = new.gauge("launched", "Launches that run.", "launcher")
        self.launch_join_seconds = new.histogram(
            "launch_join_seconds", "From a request to the sight of its process in the room.", _JOIN, "launcher", "start"
        )
        self.launch_ends_total = new.counter("launch_ends_total", "Launches that ended.", "launcher", "why")

    def exposition(self) -> tuple[bytes, str]:
        """The launcher's own metrics and the shared ones that it counts, and the content type to send them with."""
        return generate_latest(_OfLaunchers(WithoutCreated(self._registry))), CONTENT_TYPE_LATEST


class _OfLaunchers(Collector):
    """The metrics that a launcher has: the service's others would all be 0."""

    def __init__(self, all_of_them: Collector) -> None:
        self._all = all_of_them

    def collect(self) -> Iterator[Metric]:
        shown = {f"{PREFIX}{name}" for name in (*OWN, *SHARED)}
        for metric in self._all.collect():
            if metric.name in shown or metric.name.startswith("process_"):
                yield metric
