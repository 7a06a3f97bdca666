"""What is read of a metric besides its exposition."""

from prometheus_client import CollectorRegistry

from dispatcher.telemetry.exposition import NewMetrics, summed


def test_a_counter_is_summed_over_its_other_labels() -> None:
    """A value that is shown at 0 is there; when each series was made is no count."""
    counter = NewMetrics(CollectorRegistry(), "test_").counter("webhooks_total", "Webhooks.", "event", "result")
    counter.labels("room_started", "recorded").inc()
    counter.labels("room_finished", "recorded").inc(2)
    counter.labels("room_started", "duplicate")

    assert summed(counter, "result") == {"recorded": 3, "duplicate": 0}
