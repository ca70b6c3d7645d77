from dataclasses import replace

import pytest

from tests.conftest import Logged
from tests.server.fakes import CALL
from voicestt.call.facts import CallStarted, Happened
from voicestt.fleet.flag import FlagOrder
from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.control.flag import FlagSwitch, State


class Calls:
    """Live calls that leave streaming when the flag is turned off."""

    def __init__(self, count: int, *, is_on: bool) -> None:
        self.flag = Flag(is_on)
        self.active_calls = ActiveCalls(self.flag)
        self.calls = [replace(CALL, call_sid=f"CA{number}") for number in range(count)]
        for call in self.calls:
            self.active_calls.tell(CallStarted(call))
        self.flag.watch(self._follow)
        self.switch = FlagSwitch(self.flag, self.active_calls)

    @property
    def way(self) -> str:
        return "streaming" if self.flag.is_on else "single"

    def _follow(self) -> None:
        for call in self.calls:
            self.active_calls.tell(Happened(call, "recovered" if self.flag.is_on else "degraded", "the flag"))


@pytest.mark.parametrize(
    ("count", "is_on", "words"),
    [
        (12, False, "ENABLE_STREAMING_STT=False (SIGHUP): 12 live calls leave streaming with their audio"),
        (1, False, "ENABLE_STREAMING_STT=False (SIGHUP): 1 live call leaves streaming with its audio"),
        (0, False, "ENABLE_STREAMING_STT=False (SIGHUP): 0 live calls leave streaming with their audio"),
        (12, True, "ENABLE_STREAMING_STT=True (SIGHUP): 12 live calls return to streaming after their utterance"),
        (1, True, "ENABLE_STREAMING_STT=True (SIGHUP): 1 live call returns to streaming after its utterance"),
    ],
)
def test_one_line_counts_the_calls_that_were_moved(count: int, is_on: bool, words: str, logged: Logged) -> None:
    calls = Calls(count, is_on=not is_on)
    assert calls.switch.turn(is_on, "SIGHUP") == words
    assert calls.flag.is_on == is_on
    assert logged.lines == [f"[CFG] {words}"]


def test_a_call_that_had_left_before_does_not_leave_again() -> None:
    calls = Calls(3, is_on=True)
    calls.active_calls.tell(Happened(calls.calls[0], "degraded", "UNAVAILABLE"))
    assert calls.switch.state == State(is_on=True, live=3, streaming=2, single_shot=1)
    assert "2 live calls leave" in calls.switch.turn(is_on=False, by="test")
    assert calls.switch.state == State(is_on=False, live=3, streaming=0, single_shot=3)


def test_where_nothing_changes_it_says_so(logged: Logged) -> None:
    calls = Calls(2, is_on=True)
    calls.switch.turn(is_on=True, by="voicestt flag")
    assert logged.lines == ["[CFG] ENABLE_STREAMING_STT=True (voicestt flag): it was so before, nothing changes"]
    assert calls.switch.state.streaming == 2


def order(state: bool | None, number: int = 1) -> FlagOrder:
    return FlagOrder(number, state, "oren@ops", 1_796_000_000.0)


def test_the_fleets_order_wins_and_clearing_it_gives_the_process_its_own_flag(logged: Logged) -> None:
    calls = Calls(2, is_on=True)
    switch = FlagSwitch(calls.flag, calls.active_calls, lambda: True)
    switch.follow(order(False))
    assert calls.way == "single"
    assert logged.lines[-1].startswith(
        "[CFG] ENABLE_STREAMING_STT=False (voicestt flag off --fleet, by oren@ops, 2026-11-30 00:53:20 UTC): 2"
    )
    assert "oren@ops" in switch.state.ordered
    assert "kept for later" in switch.turn(is_on=True, by="SIGHUP")
    assert calls.way == "single"
    switch.follow(order(None, 2))
    assert calls.way == "streaming"
    assert switch.state.ordered == ""
    assert "2 live calls leave" in switch.turn(is_on=False, by="voicestt flag")


def test_a_flag_that_was_cleared_before_this_process_started_is_nothing_to_tell(logged: Logged) -> None:
    calls = Calls(1, is_on=True)
    calls.switch.follow(order(None))
    assert (calls.way, logged.lines) == ("streaming", [])


def test_while_redis_is_away_the_process_can_be_turned_and_follows_again_when_it_is_back() -> None:
    calls, is_up = Calls(2, is_on=True), [True]
    switch = FlagSwitch(calls.flag, calls.active_calls, lambda: is_up[0])
    switch.follow(order(False))
    is_up[0] = False
    assert "return to streaming" in switch.turn(is_on=True, by="voicestt flag")
    assert calls.way == "streaming"
    switch.fleet_is_back()
    assert calls.way == "single"
    switch.fleet_is_back()
    switch.follow(order(None, 2))
    assert calls.way == "streaming"
