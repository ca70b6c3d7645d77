import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import CALL
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    DeliveryCounts,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.metrics import Summary
from voicestt.server.call_log import CallLog
from voicestt.server.call_registry import CallRegistry


@pytest.fixture
def registry(clock: Clock) -> CallRegistry:
    return CallRegistry(clock)


@pytest.fixture
def log(registry: CallRegistry) -> CallLog:
    return CallLog(registry)


END = CallEnded(
    CALL, "stop", 12.34, 617, 98_720, {}, AudioTotals(received=98_720, recognised=98_720, handed=98_720)
)
EVERYTHING: list[Event] = [
    CallStarted(CALL),
    Partial(CALL, 1, "שלום"),
    Final(CALL, 1, "שלום {braces} עולם"),
    Happened(CALL, "rotated", "stream 1 was replaced after 240 s"),
    Happened(CALL, "restarted", "UNAVAILABLE: no route"),
    Happened(CALL, "degraded", "UNAVAILABLE: no {braces} route", 1.25),
    Happened(CALL, "recovered", "speech is streamed again"),
    Happened(CALL, "unrecognised", "UNAVAILABLE: no route", 3.0),
    Happened(CALL, "unheard of", "a kind to come"),
    END,
]


def test_each_event_is_a_line(log: CallLog, logged: Logged) -> None:
    for event in EVERYTHING:
        log.tell(event)
    assert logged.lines == [
        "Call started, stream MZ1.",
        "🟡 Partial: שלום",
        "🟢 Final: שלום {braces} עולם",
        "The stream was changed in time: stream 1 was replaced after 240 s.",
        "The stream failed and is replaced; its audio is sent again. Why: UNAVAILABLE: no route.",
        "⚠️ Degraded: one request per utterance from here on; 1.2 s of audio are recognised again. "
        "Why: UNAVAILABLE: no {braces} route.",
        "Recovered: speech is streamed again.",
        "The words of 3.0 s of audio are lost: UNAVAILABLE: no route. The call goes on. "
        "What to do: see this line in docs/operations.md.",
        "unheard of: a kind to come.",
        "Call ended: stop; 12.34 s; 617 frames; 98720 bytes; 0 partials; 0 finals; first partial after none; "
        "final delay none",
    ]


def test_each_line_has_the_callsid_and_none_a_number(log: CallLog, logged: Logged, registry: CallRegistry) -> None:
    registry.announce(CALL.call_sid, CALL.caller, CALL.called)
    for event in EVERYTHING:
        log.tell(event)
    told = [event for event in logged.events if event["log_namespace"].startswith("voicestt.server.call_log")]
    assert [event["log_system"] for event in told] == ["CA1"] * len(EVERYTHING)
    for event in told:
        assert "+972" not in repr(event)


def test_the_end_of_a_call_is_its_account(log: CallLog, logged: Logged, registry: CallRegistry) -> None:
    registry.note_status("CA1", "stream-started")
    registry.note_status("CA1", "stream-error 31930")
    delivered = DeliveryCounts(7, 3, 0.4321, (0.5, 1.25, 0.75), {"rotated": 2, "degraded": 1})
    account = AudioTotals(
        received=8_000, recognised=4_000, given_up=1_000, uncovered=3_000, handed=8_160, streams=2
    )
    ignored = {"media out of turn": 2, "binary": 1}
    log.tell(CallEnded(CALL, "the socket was lost", 1.0, 50, 8_000, ignored, account, delivered))
    assert logged.lines == [
        "Call ended: the socket was lost; 1.00 s; 50 frames; 8000 bytes; 7 partials; 3 finals; "
        "first partial after 432 ms; final delay median 750 ms, longest 1250 ms; 1 degraded; 2 rotated; "
        "160 bytes sent again; NOT RECOGNISED: 0.50 s; "
        "ignored: 1 binary, 2 media out of turn; Twilio's statuses: stream-started, stream-error 31930"
    ]


def test_the_callers_delays_are_in_the_line_of_the_calls_end(log: CallLog, logged: Logged) -> None:
    figures = Summary(
        added=Percentiles(9, 0.001, 0.002, 0.003, 0.004),
        hand_off=Percentiles(90, 0.0001, 0.0002, 0.0003, 0.5),
        late_frames=3,
        retained=10_000,
    )
    log.tell(CallEnded(CALL, "stop", 1.0, 50, 8_000, {"binary": 1}, figures=figures))
    assert logged.lines == [
        "Call ended: stop; 1.00 s; 50 frames; 8000 bytes; 0 partials; 0 finals; first partial after none; "
        "final delay none; ignored: 1 binary; added delay p50 1.0, p95 2.0, p99 3.0, longest 4.0 ms; "
        "hand-off p50 0.1, p95 0.2, p99 0.3, longest 500.0 ms; 3 frames late; at most 1.25 s retained"
    ]


def test_each_line_says_for_json_what_happened_and_in_which_session(log: CallLog, logged: Logged) -> None:
    for event in EVERYTHING:
        log.tell(event, "s1")
    assert [(line["event"], line["session"], line["log_system"]) for line in logged.events] == [
        (kind, "s1", CALL.call_sid)
        for kind in (
            "call_started",
            "partial",
            "final",
            "rotated",
            "restarted",
            "degraded",
            "recovered",
            "unrecognised",
            "unheard of",
            "call_ended",
        )
    ]


def test_partials_can_be_left_out(registry: CallRegistry, logged: Logged) -> None:
    log = CallLog(registry, partials=False)
    log.tell(Partial(CALL, 1, "שלום"))
    log.tell(Final(CALL, 1, "שלום"))
    assert logged.lines == ["🟢 Final: שלום"]


def test_callers_words_can_be_kept_out(registry: CallRegistry, logged: Logged) -> None:
    log = CallLog(registry, texts=False)
    for event in EVERYTHING:
        log.tell(event)
    log.tell_unwritten(Final(CALL, 2, "שלום"))
    assert not logged.matching("שלום")
    assert logged.lines[1:3] == ["🟡 Partial: (4 characters)", "🟢 Final: (18 characters)"]
    assert logged.lines[-1] == "⚪ Final, not in the journal yet: (4 characters)"
