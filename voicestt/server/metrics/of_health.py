"""The families of the server's health: the status of /healthz, and the kinds of problems that there are."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

import voicestt
from voicestt.server.health import KINDS, STATUSES, HealthReport
from voicestt.server.metrics.families import gauges, one_hot


class HealthFamilies(Collector):
    """Collects the status and the problems that a health report finds, and the version."""

    def __init__(self, report: HealthReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Make the families of how the server is now."""
        problems = self._report.problems()
        kinds = {problem.kind for problem in problems}
        text = "1 for the status of /healthz, 0 for the others."
        yield gauges("status", text, "status", one_hot(STATUSES, self._report.status_of(problems)))
        text = "1 while there is a problem of this kind; /healthz has its words."
        yield gauges("problem", text, "kind", {kind: float(kind in kinds) for kind in KINDS})
        yield gauges("build_info", "The version that runs.", "version", {voicestt.__version__: 1.0})
