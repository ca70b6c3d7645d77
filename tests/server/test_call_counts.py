from dataclasses import replace

import pytest

from tests.server.fakes import Collected
from voicestt.call.facts import CallDescription, CallEnded, CallStarted, Event, Final, Happened, Partial
from voicestt.recognisers.fallback import SWITCHED_OFF
from voicestt.recognisers.modes import Flag
from voicestt.runtime.metrics import ProcessMetrics
from voicestt.server.call_counts import ActiveCalls, CallCounts, cause_label, end_label

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


OTHER = replace(CALL, call_sid="CA2", stream_sid="MZ2")


def ended(call: CallDescription) -> CallEnded:
    return CallEnded(call, "stop", 1.0, 50, 8_000, {})


def live_and_ways(active_calls: ActiveCalls) -> tuple[int, int, int]:
    return active_calls.live, active_calls.streaming, active_calls.single_shot


def test_a_live_call_begins_as_the_flag_says() -> None:
    flag = Flag(is_on=True)
    active_calls = ActiveCalls(flag)
    active_calls.tell(CallStarted(CALL))
    flag.turn(is_on=False)
    active_calls.tell(CallStarted(OTHER))
    assert live_and_ways(active_calls) == (2, 1, 1)


def test_incidents_say_which_way_a_live_call_goes_from_there() -> None:
    active_calls = ActiveCalls(Flag(is_on=True))
    active_calls.tell(CallStarted(CALL))
    active_calls.tell(Happened(CALL, "restarted", "UNAVAILABLE"))
    assert live_and_ways(active_calls) == (1, 1, 0)
    active_calls.tell(Happened(CALL, "degraded", "UNAVAILABLE"))
    assert live_and_ways(active_calls) == (1, 0, 1)
    active_calls.tell(Happened(CALL, "recovered", "it works again"))
    assert live_and_ways(active_calls) == (1, 1, 0)


def test_a_call_that_ended_is_gone_and_words_change_nothing() -> None:
    active_calls = ActiveCalls(Flag(is_on=True))
    active_calls.tell(CallStarted(CALL))
    active_calls.tell(Final(CALL, 1, "שלום"))
    active_calls.tell(ended(OTHER))
    assert live_and_ways(active_calls) == (1, 1, 0)
    active_calls.tell(ended(CALL))
    assert live_and_ways(active_calls) == (0, 0, 0)
