"""The families of recordings: what is recorded, dropped, stored and deleted."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.server.metrics.families import counter, counters, gauge
from voicestt.server.recordings import ServerRecordings


class RecordingFamilies(Collector):
    """Collects the metrics of a server's recordings; none where there are none."""

    def __init__(self, recordings: ServerRecordings) -> None:
        self._recordings = recordings

    def collect(self) -> Iterator[Metric]:
        """Make the families of what has been counted until now."""
        recorder, care = self._recordings.recorder, self._recordings.care
        if recorder is not None:
            yield gauge("recordings_live", "Recordings that are being written.", recorder.live)
            yield counter("recordings", "Recordings that were begun.", recorder.begun)
            text = "Audio that was written to recordings, of both tracks."
            yield counter("recorded_seconds", text, recorder.written_seconds)
            text = "Audio that is missing in recordings, as the disk was slow or full."
            yield counter("recording_dropped_seconds", text, recorder.dropped_seconds)
        if care is not None:
            yield counter("recordings_deleted", "Recordings deleted, as they were too old.", care.deleted)
            yield gauge("recordings_waiting", "Recordings in RECORD_DIR that wait for the store.", care.waiting)
            attempts = {"stored": care.stored, "failed": care.failed}
            text = "Attempts to move a recording to the store, by what came of them."
            yield counters("recording_store_attempts", text, "outcome", attempts)
