"""The view that an operator has of a server: its health, its metrics page, and the watch that keeps both true."""

from twisted.web.http import Request
from twisted.web.server import Site

from voicestt.config.settings import Settings
from voicestt.runtime.reactor import FullReactor
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.calls import Calls
from voicestt.server.connections import UNKNOWN, Visitors
from voicestt.server.events_file import EventsFile
from voicestt.server.fleet_check import FleetCheck
from voicestt.server.fleet_member import FleetMember
from voicestt.server.health import Check, EventsCheck, HealthReport, RecognitionCheck
from voicestt.server.metrics.of_calls import CallFamilies
from voicestt.server.metrics.of_events import EventFamilies
from voicestt.server.metrics.of_fleet import FleetFamilies
from voicestt.server.metrics.of_fleet_calls import FleetCallFamilies
from voicestt.server.metrics.of_health import HealthFamilies
from voicestt.server.metrics.of_recognition import RecognitionFamilies
from voicestt.server.metrics.of_recordings import RecordingFamilies
from voicestt.server.metrics.page import MetricsPage, MetricsResource
from voicestt.server.metrics_watch import MetricsWatch
from voicestt.server.minute_history import MinuteHistory
from voicestt.server.pipeline import EventPipeline
from voicestt.server.recordings import RecordingCheck, ServerRecordings
from voicestt.server.siblings import Siblings

_MOST_READERS = 50


class Monitoring:
    """Makes the `report` of a server for /healthz and the `page` for /metrics, of the parts that count.

    `history` has the figures of the last day; `siblings` are the other workers of this server, None where it is
    one process.
    """

    def __init__(
        self,
        reactor: FullReactor,
        settings: Settings,
        calls: Calls,
        visitors: Visitors,
        pipeline: EventPipeline,
        file: EventsFile | None,
        recognition: RecognitionFamilies,
        recordings: ServerRecordings,
        fleet: FleetMember,
        siblings: Siblings | None = None,
    ) -> None:
        self._reactor = reactor
        self._calls = calls
        events = EventsCheck(calls.figures, pipeline, file)
        recorded = RecordingCheck(calls.figures, recordings)
        recognises = RecognitionCheck(recognition.health)
        checks: list[Check] = [recognises, events, recorded, FleetCheck(fleet.fleet)]
        self.report = HealthReport(calls, checks, lambda: {**pipeline.health, **fleet.health})
        self.siblings = siblings
        collectors = [
            CallFamilies(calls, visitors, lambda: recognition.wordless),
            recognition,
            EventFamilies(pipeline, file),
            RecordingFamilies(recordings),
            FleetFamilies(fleet.fleet),
            FleetCallFamilies(calls, pipeline),
            HealthFamilies(self.report),
        ]
        self.page = MetricsPage(collectors, settings.metrics_token, siblings)

        def note_totals() -> None:
            events.note_totals()
            recorded.note_totals()

        self.history = MinuteHistory(calls)
        keep = self.history.minute_over
        self._watch = MetricsWatch(reactor, calls, note_totals=note_totals, minute_over=keep)

    def start(self) -> None:
        """Start to measure the reactor's lag, and to count by the minute."""
        self._watch.start()

    def stop(self) -> None:
        """Stop measuring, and write the last line of figures."""
        self._watch.stop()

    def site(self) -> Site:
        """Make the site that has the metrics and nothing else."""
        root = MetricsResource(self.page, self._refuse)
        return BoundedSite(root, Visitors(_MOST_READERS, _MOST_READERS), reactor=self._reactor)

    def _refuse(self, request: Request, kind: str, hint: str) -> None:
        self._calls.refusals.count(kind, str(getattr(request.getClientAddress(), "host", UNKNOWN)), hint)
