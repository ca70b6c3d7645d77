"""The families of the workers, as their supervisor sees them."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import Metric

from voicestt.server.metrics.families import counter, gauge, gauges

PHASES = ("starting", "ready", "leaving")


def crew_families(crew: Mapping[str, Any]) -> Iterable[Metric]:
    """Make the families of what `voicestt.workers.asking` says of the crew."""
    phases = list(crew["phases"].values())
    text = "Workers of this server by what they are at, where it has several."
    yield gauges("workers", text, "phase", {phase: phases.count(phase) for phase in PHASES})
    yield gauge("workers_wanted", "Workers that there should be (WEB_CONCURRENCY).", crew["wanted"])
    yield counter("worker_restarts", "Workers that died and were replaced.", crew["restarts"])
