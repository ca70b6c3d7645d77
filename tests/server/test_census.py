from dataclasses import replace

from tests.server.fakes import CALL
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    Final,
    Happened,
)
from voicestt.recognisers.fallback import Flag
from voicestt.server.census import ActiveCalls

OTHER = replace(CALL, call_sid="CA2", stream_sid="MZ2")


def end(call: CallDescription) -> CallEnded:
    return CallEnded(call, "stop", 1.0, 50, 8_000, {})


def counts(census: ActiveCalls) -> tuple[int, int, int]:
    return census.live, census.streaming, census.single_shot


def test_a_call_begins_as_the_flag_says() -> None:
    flag = Flag(is_on=True)
    census = ActiveCalls(flag)
    census.tell(CallStarted(CALL))
    flag.turn(is_on=False)
    census.tell(CallStarted(OTHER))
    assert counts(census) == (2, 1, 1)


def test_incidents_say_which_way_it_goes_from_there() -> None:
    census = ActiveCalls(Flag(is_on=True))
    census.tell(CallStarted(CALL))
    census.tell(Happened(CALL, "restarted", "UNAVAILABLE"))
    assert counts(census) == (1, 1, 0)
    census.tell(Happened(CALL, "degraded", "UNAVAILABLE"))
    assert counts(census) == (1, 0, 1)
    census.tell(Happened(CALL, "recovered", "it works again"))
    assert counts(census) == (1, 1, 0)


def test_a_call_that_ended_is_gone_and_words_change_nothing() -> None:
    census = ActiveCalls(Flag(is_on=True))
    census.tell(CallStarted(CALL))
    census.tell(Final(CALL, 1, "שלום"))
    census.tell(end(OTHER))
    assert counts(census) == (1, 1, 0)
    census.tell(end(CALL))
    assert counts(census) == (0, 0, 0)
