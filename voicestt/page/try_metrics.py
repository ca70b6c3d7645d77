"""The families of the page's tries, which are in no other metric but those of Google's streams."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.page.try_limits import TryLimits
from voicestt.server.metrics.families import counter, gauge


class TryFamilies(Collector):
    """Collects the metrics of tries."""

    def __init__(self, limits: TryLimits) -> None:
        self._limits = limits

    def collect(self) -> Iterator[Metric]:
        """Make the families of what has been counted until now."""
        yield gauge("tries_live", "Tries at the page that go on now.", self._limits.live)
        yield counter("tries", "Tries at the page.", self._limits.begun)
        text = "Audio of tries, which Google bills as it bills that of calls."
        yield counter("try_seconds", text, self._limits.used_seconds)
