"""The families of the recognition services: which of them work, and their streams."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.services import ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless
from voicestt.server.metrics.families import counter, gauge, gauges


class RecognitionFamilies(Collector):
    """Collects the metrics of the recognition services of one server, whose `health` it shows."""

    def __init__(
        self, health: ServicesHealth, google: GoogleRecogniser, streaming: Endless, single_shot: SingleShot
    ) -> None:
        self.health = health
        self._google = google
        self._streaming = streaming
        self._single_shot = single_shot

    @property
    def wordless(self) -> int:
        """The utterances in which single requests found no words."""
        return self._single_shot.wordless

    def collect(self) -> Iterator[Metric]:
        """Make the families of what is known now."""
        breakers = self.health.by_label
        up = {label: float(not breaker.is_open) for label, breaker in breakers.items()}
        away = {label: breaker.open_for for label, breaker in breakers.items()}
        waiting = {label: float(breaker.waiting) for label, breaker in breakers.items()}
        yield gauges("recogniser_up", "0 while the service is known to fail.", "service", up)
        yield gauges("recogniser_outage_seconds", "How long it has failed, 0 if not.", "service", away)
        yield gauges("recogniser_waiting_calls", "Calls that wait for it.", "service", waiting)
        yield gauge("streams_open", "Streams to Google that are open.", self._google.open_streams)
        text = "Streams that were suspected to hang, and did not."
        yield counter("stream_false_alarms", text, self._streaming.false_alarms)
