import pytest

from tests.server.fakes import Collected
from voicestt.call.facts import CallDescription, CallEnded, Event, Final, Happened, Partial
from voicestt.recognisers.fallback import SWITCHED_OFF
from voicestt.runtime.metrics import ProcessMetrics
from voicestt.server.call_counts import CallCounts, cause_label, end_label

CALL = CallDescription("CA1", "MZ1")


@pytest.mark.parametrize(
    ("why", "label"),
    [
        ("UNAVAILABLE: no route to ipv4:192.0.2.1", "unavailable"),
        (SWITCHED_OFF, "switched_off"),
        ("CA1: said a stranger", "other"),
        ("", "other"),
    ],
)
def test_a_cause_has_one_of_few_labels(why: str, label: str) -> None:
    assert cause_label(why) == label


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("stop", "stop"),
        ("the socket was lost", "socket_lost"),
        ("no audio came for 600 s", "no_audio"),
        ("the application hung up", "hung_up"),
        ("the server is stopping", "server_stopping"),
        ("whatever a later version says", "other"),
    ],
)
def test_the_end_of_a_call_has_one_of_few_labels(reason: str, label: str) -> None:
    assert end_label(reason) == label


def test_what_becomes_of_calls_is_counted_and_passed_on() -> None:
    metrics, observer = ProcessMetrics(), Collected()
    counts = CallCounts(metrics, observer)
    events: list[Event] = [
        Partial(CALL, 1, "a"),
        Partial(CALL, 1, "a b"),
        Final(CALL, 1, "a b", recogniser="whisper"),
        Happened(CALL, "degraded", "UNAVAILABLE: away"),
        Happened(CALL, "unrecognised", "no answer in time", 1.5),
        CallEnded(CALL, "stop", 1.0, 50, 8_000, {}),
    ]
    for event in events:
        counts.tell(event)
    assert observer.events == events
    assert dict(metrics.counts) == {
        ("partials",): 2,
        ("finals", "whisper"): 1,
        ("incidents", "degraded", "unavailable"): 1,
        ("incidents", "unrecognised", "other"): 1,
        ("lost_bytes",): 12_000,
        ("ended", "stop"): 1,
    }
