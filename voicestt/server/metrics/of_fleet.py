"""The families of the fleet: the link to it, and the leases of Google's streams."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.fleet.fleet import Fleet
from voicestt.fleet.link import RedisLink
from voicestt.fleet.stream_leases import StreamLeases
from voicestt.server.metrics.families import counter, counters, gauge, gauges, histogram


class FleetFamilies(Collector):
    """Collects the metrics of a process's fleet: none where there is none, and no quota."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Make the families of what is known now."""
        if self._fleet.redis is not None:
            yield from _of_link(self._fleet.redis)
            text = "Processes of the fleet, as Redis last said."
            yield gauge("fleet_processes", text, self._fleet.processes)
        if self._fleet.leases is not None:
            yield from _of_streams(self._fleet.leases)


def _of_link(link: RedisLink) -> Iterator[Metric]:
    counts = link.counts
    yield gauge("fleet_up", "1 while the fleet's Redis answers.", link.is_up)
    yield gauge("fleet_outage_seconds", "How long it has not answered, 0 if it does.", link.away_for)
    outcomes = {"done": counts.done, "failed": counts.failed, "dropped": counts.dropped}
    yield counters("fleet_operations", "Operations on the fleet's Redis.", "outcome", outcomes)
    yield counter("fleet_messages", "Messages that came from other processes.", counts.messages)
    yield histogram("fleet_round_trip_seconds", "From sending operations to their answers.", counts.round_trip)


def _of_streams(leases: StreamLeases) -> Iterator[Metric]:
    held = {"in_use": leases.in_use, "limit": leases.limit, "quota": leases.quota}
    yield gauges("stream_leases", "Streams of GCP_STT_STREAMS, as this process has them.", "kind", held)
    yield gauge("stream_leases_alone", "1 while the fleet does not say how many it may use.", leases.is_alone)
    yield gauge("stream_waiting_calls", "Calls that are not streamed, as no stream is left.", leases.waiting)
    yield counter("stream_leases_refused", "Calls that found no stream left at first.", leases.refused)
