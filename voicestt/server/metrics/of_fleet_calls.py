"""The families of what the processes of a fleet know of each other's calls, and tell of them."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.server.calls import Calls
from voicestt.server.metrics.families import counter, counters, gauge
from voicestt.server.pipeline import EventPipeline


class FleetCallFamilies(Collector):
    """Collects the metrics of the fleet's registry of calls and its live events: none without a fleet."""

    def __init__(self, calls: Calls, pipeline: EventPipeline) -> None:
        self._calls = calls
        self._pipeline = pipeline

    def collect(self) -> Iterator[Metric]:
        """Make the families of what has been counted until now."""
        counts, exchanged = self._calls.fleet_counts, self._pipeline.feed.counts
        if counts is None:
            return
        asked = {"answered": counts.claimed, "unanswered": counts.unanswered}
        text = "Streams that came, by whether the fleet said in time what it knows of their call."
        yield counters("fleet_claims", text, "outcome", asked)
        yield gauge("fleet_calls_held", "Calls whose live stream is here, as the fleet knows it.", counts.held)
        text = "Streams that ended here, as their call had a later one."
        yield counter("fleet_streams_replaced", text, counts.displaced)
        told = {"sent": exchanged.sent, "heard": exchanged.heard}
        yield counters("fleet_live_events", "Live events told to other processes, and by them.", "way", told)
        yield counter("fleet_live_losses", "Times that a message with live events was missed.", exchanged.losses)
