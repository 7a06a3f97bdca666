"""How metrics are made in a registry, and which of their series are shown."""

from collections import Counter as Sums
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class NewMetrics:
    """Makes metrics whose names begin with a prefix, in one registry."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self._registry = registry
        self._prefix = prefix

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(self._prefix + name, meaning, labels, registry=self._registry)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(self._prefix + name, meaning, labels, registry=self._registry)

    def histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(self._prefix + name, meaning, labels, buckets=buckets, registry=self._registry)

    def read(self, name: str, meaning: str, count: Callable[[], int]) -> None:
        """A counter that is kept elsewhere."""
        self._registry.register(_Read(self._prefix + name, meaning, count))


def summed(counter: Counter, label: str) -> Mapping[str, int]:
    """How often it has counted since the start, by the value of one of its labels."""
    sums = Sums[str]()
    for metric in WithoutCreated(counter).collect():
        for sample in metric.samples:
            sums[sample.labels[label]] += int(sample.value)
    return sums


class _Read(Collector):
    """A counter that reads its value when it is shown."""

    def __init__(self, name: str, meaning: str, count: Callable[[], int]) -> None:
        self._name = name
        self._meaning = meaning
        self._count = count

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._meaning, value=self._count())


class WithoutCreated(Collector):
    """A registry without the `_created` series, one for each counter and histogram: the text format does not need them.

    The library can leave them out only for the whole process. `as_open_metrics`: also without the `_count` of a
    histogram that has no `_sum`, as its values may be negative: OpenMetrics knows none without the other.
    """

    def __init__(self, registry: Collector, *, as_open_metrics: bool = False) -> None:
        self._registry = registry
        self._as_open_metrics = as_open_metrics

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            alone = self._as_open_metrics and not any(sample.name.endswith("_sum") for sample in metric.samples)
            left_out = ("_created", "_count") if alone and metric.type == "histogram" else ("_created",)
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith(left_out)]
            yield metric
