"""Health of the server: its problems in words for /healthz, and the figures of the last minute and hour."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import voicestt
from voicestt.audio import mulaw
from voicestt.handler.counts import Counts
from voicestt.journal.port import JournalState
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.services import ServicesHealth
from voicestt.runtime.metrics import Counted, ProcessMetrics, RollingMetrics
from voicestt.server.call_counts import LOST_BYTES, PARTIALS, WHISPER_FINALS, cause_label
from voicestt.server.calls import Calls
from voicestt.server.events_file import EventsFile
from voicestt.server.pipeline import EventPipeline

RECENT_MINUTES: Final = 5

Kind = Literal[
    "words_lost",
    "last_resort",
    "google",
    "google_streaming",
    "google_requests",
    "journal",
    "events_lost",
    "destination",
    "dead_letters",
    "events_file",
    "recording",
    "recording_store",
    "handler",
    "overload",
    "fleet",
    "streams",
]
KINDS: Final[Sequence[Kind]] = Kind.__args__  # type: ignore[attr-defined]
STATUSES: Final = ("ok", "degraded", "failing", "stopping")

_JOURNAL_LOST: Final[Counted] = ("journal_lost",)
_DEAD_LETTERED: Final[Counted] = ("dead_lettered",)
_FILE_LOST: Final[Counted] = ("events_file_lost",)
_STALLS: Final[Counted] = ("handler_stalls",)
_DROPPED: Final[Counted] = ("handler_dropped",)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be, in words. `is_failing`: words or events are being lost, or late."""

    kind: Kind
    text: str
    is_failing: bool = False


Check = Callable[[], Iterable[Problem]]


class HealthReport:
    """Reports the health of the server of `calls`; `checks` find the problems of its other parts.

    `more` gives the answer more keys.
    """

    def __init__(
        self, calls: Calls, checks: Sequence[Check] = (), more: Callable[[], Mapping[str, object]] = dict
    ) -> None:
        self._calls = calls
        self._checks = checks
        self._more = more

    def problems(self) -> list[Problem]:
        """Return the present problems."""
        return [problem for check in (self._of_calls, *self._checks) for problem in check()]

    def status_of(self, problems: Sequence[Problem]) -> str:
        """Return the status for these problems: "ok", "degraded", "failing", or "stopping"."""
        if self._calls.is_draining or self._calls.is_stopping:
            return "stopping"
        if any(problem.is_failing for problem in problems):
            return "failing"
        return "degraded" if problems else "ok"

    @property
    def json(self) -> dict[str, object]:
        """The answer of /healthz."""
        calls, problems = self._calls, self.problems()
        return {
            "status": self.status_of(problems),
            "reasons": [problem.text for problem in problems],
            "version": voicestt.__version__,
            "live_calls": len(calls),
            "calls_taken": calls.taken,
            "calls_refused": calls.admission.refused,
            "busy": calls.why_busy,
            "starts_refused": calls.starts_refused,
            "figures": calls.figures.summary.json,
            "last_minute": _window(calls.figures.of_the_last(1)),
            "last_hour": _window(calls.figures.of_the_last(60)),
            **self._more(),
        }

    def _of_calls(self) -> Iterable[Problem]:
        counts = self._calls.figures.of_the_last(RECENT_MINUTES).counts
        if counts[LOST_BYTES]:
            seconds = mulaw.seconds(counts[LOST_BYTES])
            yield _recent("words_lost", f"the words of {seconds:.1f} s of audio were lost", is_failing=True)
        if counts[WHISPER_FINALS]:
            yield _recent("last_resort", f"{counts[WHISPER_FINALS]} finals came from the last resort, Whisper,")
        if self._calls.why_busy is not None:
            yield Problem("overload", f"new calls are refused: {self._calls.why_busy}")


class RecognitionCheck:
    """Checks the recognition services: are they known to fail?"""

    def __init__(self, health: ServicesHealth) -> None:
        self._health = health

    def __call__(self) -> Iterable[Problem]:
        """Find the services that fail now."""
        streaming, requests = self._health.streaming, self._health.requests
        if streaming.is_open and requests.is_open:
            text = "Google recognises nothing now, audio is kept, and words come late"
            yield Problem("google", f"{text}: {_away(streaming)}", is_failing=True)
        elif streaming.is_open:
            yield Problem("google_streaming", f"Google's streaming is away: {_away(streaming)}")
        elif requests.is_open:
            yield Problem("google_requests", f"Google's recognize is away: {_away(requests)}")


class EventsCheck:
    """Checks the ways of events, and counts in `metrics` what they have lost by now."""

    def __init__(self, metrics: RollingMetrics, pipeline: EventPipeline, file: EventsFile | None) -> None:
        self._metrics = metrics
        self._pipeline = pipeline
        self._file = file

    def note_totals(self) -> None:
        """Count in the present minute what was lost since the last time."""
        journal, note = self._pipeline.journal, self._metrics.note_total
        if journal is not None:
            note(_JOURNAL_LOST, journal.state.lost)
        dead_lettered = (each.figures.dead_lettered for each in self._pipeline.destinations.values())
        note(_DEAD_LETTERED, sum(dead_lettered))
        if self._file is not None:
            note(_FILE_LOST, self._file.lost)
        handlers = self._pipeline.handler_counts or Counts()
        note(_STALLS, handlers.stalls)
        note(_DROPPED, handlers.dropped)

    def __call__(self) -> Iterable[Problem]:
        """Find what is wrong now, or was in the last minutes."""
        self.note_totals()
        counts = self._metrics.of_the_last(RECENT_MINUTES).counts
        if self._pipeline.journal is not None:
            yield from _of_journal(self._pipeline.journal.state)
        if counts[_JOURNAL_LOST]:
            yield _recent(
                "events_lost", f"{counts[_JOURNAL_LOST]} events were lost to the journal", is_failing=True
            )
        yield from self._of_destinations()
        if counts[_DEAD_LETTERED]:
            yield _recent("dead_letters", f"{counts[_DEAD_LETTERED]} events were dead-lettered")
        if self._file is not None and (self._file.has_trouble or counts[_FILE_LOST]):
            yield Problem(
                "events_file", f"EVENTS_FILE is not written as it should: {self._file.lost} events are lost"
            )
        if counts[_STALLS] or counts[_DROPPED]:
            text = f"the handlers were blocked {counts[_STALLS]} times, and not told {counts[_DROPPED]} events"
            yield _recent("handler", text)

    def _of_destinations(self) -> Iterable[Problem]:
        for name, each in self._pipeline.destinations.items():
            if each.figures.is_down:
                yield Problem("destination", f"{name} is down ({each.figures.last_error}): its events wait")


def _of_journal(state: JournalState) -> Iterable[Problem]:
    if not state.is_written:
        why = (state.why or "").rstrip(".")
        yield Problem("journal", f"the journal cannot be written ({why}): {state.waiting} events wait in memory")


def _recent(kind: Kind, text: str, *, is_failing: bool = False) -> Problem:
    return Problem(kind, f"{text} in the last {RECENT_MINUTES} minutes", is_failing)


def _away(service: CircuitBreaker) -> str:
    # Only the status: anybody may read this, and Google's own words may have an address in them.
    return f"{cause_label(service.reason)} for {service.open_for:.0f} s"


def _window(metrics: ProcessMetrics) -> dict[str, object]:
    counts = metrics.counts
    finals = sum(count for counted, count in counts.items() if counted[0] == "finals")
    return {
        **metrics.summary.json,
        "partials": counts[PARTIALS],
        "finals": finals,
        "lost_seconds": round(mulaw.seconds(counts[LOST_BYTES]), 3),
    }
