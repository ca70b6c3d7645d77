from dataclasses import replace

from tests.server.fakes import CALL
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    Final,
    Happened,
)
from voicestt.recognisers.modes import Flag
from voicestt.server.active_calls import ActiveCalls

OTHER = replace(CALL, call_sid="CA2", stream_sid="MZ2")


def end(call: CallDescription) -> CallEnded:
    return CallEnded(call, "stop", 1.0, 50, 8_000, {})


def counts(active_calls: ActiveCalls) -> tuple[int, int, int]:
    return active_calls.live, active_calls.streaming, active_calls.single_shot


def test_a_call_begins_as_the_flag_says() -> None:
    flag = Flag(is_on=True)
    active_calls = ActiveCalls(flag)
    active_calls.tell(CallStarted(CALL))
    flag.turn(is_on=False)
    active_calls.tell(CallStarted(OTHER))
    assert counts(active_calls) == (2, 1, 1)


def test_incidents_say_which_way_it_goes_from_there() -> None:
    active_calls = ActiveCalls(Flag(is_on=True))
    active_calls.tell(CallStarted(CALL))
    active_calls.tell(Happened(CALL, "restarted", "UNAVAILABLE"))
    assert counts(active_calls) == (1, 1, 0)
    active_calls.tell(Happened(CALL, "degraded", "UNAVAILABLE"))
    assert counts(active_calls) == (1, 0, 1)
    active_calls.tell(Happened(CALL, "recovered", "it works again"))
    assert counts(active_calls) == (1, 1, 0)


def test_a_call_that_ended_is_gone_and_words_change_nothing() -> None:
    active_calls = ActiveCalls(Flag(is_on=True))
    active_calls.tell(CallStarted(CALL))
    active_calls.tell(Final(CALL, 1, "שלום"))
    active_calls.tell(end(OTHER))
    assert counts(active_calls) == (1, 1, 0)
    active_calls.tell(end(CALL))
    assert counts(active_calls) == (0, 0, 0)
