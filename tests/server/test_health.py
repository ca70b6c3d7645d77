"""Answers of /healthz and /readyz: is the server well, does it take calls, and what of late?"""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.server.in_memory import Server
from tests.server.test_metrics_watch import hold_up, in_a_call, media, watch
from voicestt.delivery.deliverer import DeliveryFigures
from voicestt.handler.counts import Counts
from voicestt.journal.port import JournalState, Standing
from voicestt.recognisers.port import Incident, RecogniserError, Result
from voicestt.recognisers.services import ServicesHealth
from voicestt.runtime.metrics import RollingMetrics
from voicestt.server.health import KINDS, EventsCheck, HealthReport, Problem, RecognitionCheck
from voicestt.server.pipeline import DestinationState

WRITTEN = JournalState(is_written=True, waiting=0, waiting_bytes=0, lost=0)


def health(server: Server) -> dict[str, Any]:
    answer = server.http("GET", "/healthz")
    assert answer.status == 200, "whatever is wrong"
    found: dict[str, Any] = json.loads(answer.body)
    return found


def ready(server: Server) -> tuple[int, dict[str, Any]]:
    answer = server.http("GET", "/readyz")
    return answer.status, json.loads(answer.body)


def test_ready_while_calls_are_taken(server: Server) -> None:
    assert ready(server) == (200, {"ready": True, "reason": None})


def test_not_ready_while_it_is_busy_and_ready_again_after_that(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, MAX_CALLS="1")
    joined = in_a_call(server)
    code, answer = ready(server)
    assert (code, answer["ready"]) == (503, False)
    assert answer["reason"] == "1 calls are live and 0 on their way, and MAX_CALLS=1"
    assert health(server)["status"] == "degraded"
    assert health(server)["reasons"] == [f"new calls are refused: {answer['reason']}"]
    joined.lose()
    server.recogniser.session.end()
    assert ready(server)[0] == 200
    assert (health(server)["status"], health(server)["reasons"]) == ("ok", [])


def test_not_ready_while_it_stops(server: Server) -> None:
    server.calls.stop()
    assert ready(server) == (503, {"ready": False, "reason": "the server is stopping"})
    assert health(server)["status"] == "stopping"


def test_lost_words_are_failing_for_five_minutes_and_the_last_hour_remembers_them(
    autobahn_clock: Clock,
) -> None:
    server = Server(autobahn_clock, MAX_LAG_MS="0")  # the minutes of this test pass at once
    watching = watch(server)
    in_a_call(server).say(*[media("52")] * 8)
    server.recogniser.session.happen(Incident("unrecognised", "no answer in time", 2.5))
    server.recogniser.session.final("שלום", end=1_200)
    found = health(server)
    assert found["status"] == "failing"
    assert found["reasons"] == ["the words of 2.5 s of audio were lost in the last 5 minutes"]
    assert (found["last_minute"]["lost_seconds"], found["last_minute"]["finals"]) == (2.5, 1)
    for _ in range(6):
        hold_up(server.clock, 60)
    found = health(server)
    assert (found["status"], found["last_minute"]["lost_seconds"]) == ("ok", 0)
    assert (found["last_hour"]["lost_seconds"], found["last_hour"]["finals"]) == (2.5, 1)
    assert found["figures"]["final_delay_ms"]["count"] == found["last_hour"]["final_delay_ms"]["count"] == 1
    for _ in range(60):
        hold_up(server.clock, 60)
    found = health(server)
    assert (found["last_hour"]["finals"], found["figures"]["final_delay_ms"]["count"]) == (0, 1)
    watching.stop()


def test_words_of_the_last_resort_are_degraded(server: Server) -> None:
    in_a_call(server)
    session = server.recogniser.session
    session._listener.heard(Result("שלום", is_final=True, end=1_200, source="whisper"))
    assert health(server)["reasons"] == ["1 finals came from the last resort, Whisper, in the last 5 minutes"]
    assert health(server)["status"] == "degraded"


def test_an_utterance_without_words_is_counted_and_told_nobody(server: Server) -> None:
    in_a_call(server)
    server.recogniser.session._listener.heard(Result("", is_final=True, end=1_200))
    server.recogniser.session._listener.heard(Result("", is_final=False, end=1_200))
    assert server.calls.figures.since_start.counts["utterances_without_words",] == 1
    assert server.observer.finals == []


# -- the recognition services


class Google:
    """A Google whose probes nobody answers."""

    def open(self, _listener: object) -> Any:
        raise AssertionError("no stream is needed")

    def recognise(self, _audio: bytes) -> "Deferred[Result | None]":
        return Deferred()

    def remake_channels(self) -> None:
        """There are none."""


def opened(*names: str) -> list[Problem]:
    """The problems when these breakers are open."""
    clock = Clock()
    services = ServicesHealth(clock, Google(), lambda _audio: Deferred())
    for name in names:
        breaker = services.by_label[name]
        breaker._send_probe = lambda _answer: None
        breaker._watchers.clear()
        breaker.doubt(str(RecogniserError("UNAVAILABLE", "connect to ipv4:192.0.2.1 failed")))
    clock.advance(42)
    found = list(RecognitionCheck(services)())
    services.stop()
    return found


def test_one_way_of_google_that_fails_is_degraded_both_are_failing() -> None:
    assert opened() == []
    (streaming,) = opened("google_streaming")
    assert streaming == Problem("google_streaming", "Google's streaming is away: unavailable for 42 s")
    (requests,) = opened("google_requests")
    assert requests == Problem("google_requests", "Google's recognize is away: unavailable for 42 s")
    (both,) = opened("google_streaming", "google_requests")
    assert (both.kind, both.is_failing) == ("google", True)
    assert "192.0.2.1" not in both.text, "anybody may read it"


# -- the ways of events


class Pipeline:
    """The state that an event pipeline shows."""

    def __init__(self) -> None:
        self.state = WRITTEN
        self.destinations: dict[str, DestinationState] = {}
        self.handler_counts: Counts | None = None

    @property
    def journal(self) -> "Pipeline":
        return self


class File:
    has_trouble = False
    lost = 0


def figures(**changed: Any) -> DeliveryFigures:
    usual = {"delivered": 0, "failed_attempts": 0, "dead_lettered": 0, "waiting": 0, "in_flight": 0}
    return DeliveryFigures(
        **{**usual, "is_down": False, "rate": 0.0, "last_error": None, "last_error_at": None, **changed}
    )


def kinds(check: EventsCheck) -> list[tuple[str, bool]]:
    return [(problem.kind, problem.is_failing) for problem in check()]


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def metrics() -> RollingMetrics:
    return RollingMetrics()


@pytest.fixture
def check(metrics: RollingMetrics, pipeline: Pipeline) -> EventsCheck:
    made: EventsCheck = EventsCheck(metrics, pipeline, File())  # type: ignore[arg-type]
    return made


def test_a_journal_that_cannot_be_written_is_degraded_and_lost_events_are_failing(
    check: EventsCheck, metrics: RollingMetrics, pipeline: Pipeline
) -> None:
    assert kinds(check) == []
    pipeline.state = JournalState(False, 7, 100, 0, 1.0, "database or disk is full.")
    (problem,) = check()
    assert problem == Problem(
        "journal", "the journal cannot be written (database or disk is full): 7 events wait in memory"
    )
    pipeline.state = JournalState(False, 7, 100, 20, 1.0, "database or disk is full.")
    assert kinds(check) == [("journal", False), ("events_lost", True)]
    pipeline.state = JournalState(True, 0, 0, 20)
    assert kinds(check) == [("events_lost", True)]
    for _ in range(5):
        metrics.minute_over()
        check.note_totals()
    assert kinds(check) == [("events_lost", True)]
    metrics.minute_over()
    assert kinds(check) == []


def test_receivers_that_are_down_and_dead_letters_of_late_are_degraded(
    check: EventsCheck, pipeline: Pipeline
) -> None:
    pipeline.destinations = {
        "webhook": DestinationState(figures(is_down=True, last_error="it answered 500"), Standing(waiting=3)),
        "redis": DestinationState(figures(dead_lettered=2), Standing(dead_lettered=40)),
    }
    assert [problem.text for problem in check()] == [
        "webhook is down (it answered 500): its events wait",
        "2 events were dead-lettered in the last 5 minutes",
    ]
    assert {is_failing for _, is_failing in kinds(check)} == {False}


def test_a_file_and_handlers_in_trouble_are_degraded(
    check: EventsCheck, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(File, "has_trouble", True)
    pipeline.handler_counts = Counts(stalls=1, dropped=3)
    assert kinds(check) == [("events_file", False), ("handler", False)]


def test_every_problem_has_a_kind_that_the_metrics_know(server: Server) -> None:
    report = HealthReport(server.calls, [lambda: [Problem("journal", "it is away")]])
    assert report.status_of(report.problems()) == "degraded"
    assert report.json["reasons"] == ["it is away"]
    assert {problem.kind for problem in report.problems()} <= set(KINDS)
