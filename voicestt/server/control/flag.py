"""Switching ENABLE_STREAMING_STT in a running server, with a line in the log that counts the calls moved.

The fleet's flag wins over this process's own, until it is cleared. While Redis is away its own wins again: what an
operator turns here then is turned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.logger import Logger

from voicestt.fleet.flag import FlagOrder
from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls


@dataclass(frozen=True, slots=True)
class State:
    """The server's state: the flag, the live calls, and how many are recognised each way.

    `ordered` says whose order about the fleet's flag holds here; "" where none does.
    """

    is_on: bool
    live: int
    streaming: int
    single_shot: int
    ordered: str = ""


class TurnableFlag(Protocol):
    """The flag, as far as it is shown and turned."""

    @property
    def state(self) -> State:
        """The present state."""
        ...

    def turn(self, is_on: bool, by: str) -> str:
        """Set the flag for `by`; return the outcome in words."""
        ...


class FlagSwitch:
    """Sets the flag for whoever asks. Live calls have followed, or know that they will, when `turn` returns."""

    _log = Logger()

    def __init__(
        self, flag: Flag, active_calls: ActiveCalls, fleet_is_up: Callable[[], bool] = lambda: False
    ) -> None:
        self._flag = flag
        self._active_calls = active_calls
        self._fleet_is_up = fleet_is_up
        self._own = flag.is_on
        self._order: FlagOrder | None = None

    @property
    def state(self) -> State:
        """The present state."""
        active_calls = self._active_calls
        order = self._order
        ordered = "" if order is None or order.is_on is None else order.words
        return State(
            self._flag.is_on, active_calls.live, active_calls.streaming, active_calls.single_shot, ordered
        )

    def turn(self, is_on: bool, by: str) -> str:
        """Set this process's flag for `by`; return the outcome in words, as it stands in the log."""
        self._own = is_on
        order = self._order
        if order is None or order.is_on is None or not self._fleet_is_up():
            return self._turn(is_on, by)
        words = (
            f"ENABLE_STREAMING_STT={is_on} ({by}): kept for later, the fleet's flag is {order.state} "
            f"({order.words}). `voicestt flag clear --fleet` lets each process follow its own again"
        )
        self._log.warn("[CFG] {words}.", words=words)
        return words

    def follow(self, order: FlagOrder) -> None:
        """Follow an order of the fleet; one that was cleared gives this process its own flag back."""
        before, self._order = self._order, order
        if order.is_on is None and (before is None or before.is_on is None):
            return  # as it was: a process that starts long after the fleet's flag was cleared says nothing of it
        self._turn(self._own if order.is_on is None else order.is_on, order.words)

    def fleet_is_back(self) -> None:
        """Follow the order that is known again, where something else was turned while Redis was away."""
        order = self._order
        if order is not None and order.is_on not in {None, self._flag.is_on}:
            self.follow(order)

    def _turn(self, is_on: bool, by: str) -> str:
        before = self.state
        changed = self._flag.turn(is_on)
        words = f"ENABLE_STREAMING_STT={is_on} ({by}): {self._what_came_of_it(before, changed=changed)}"
        self._log.info("[CFG] {words}", words=words)
        return words

    def _what_came_of_it(self, before: State, *, changed: bool) -> str:
        if not changed:
            return "it was so before, nothing changes"
        if self._flag.is_on:
            returning = "returns to streaming after its utterance", "return to streaming after their utterance"
            return _calls(before.single_shot, *returning)
        leaving = "leaves streaming with its audio", "leave streaming with their audio"
        return _calls(before.streaming - self._active_calls.streaming, *leaving)


def _calls(count: int, one: str, many: str) -> str:
    return f"{count} live call {one}" if count == 1 else f"{count} live calls {many}"
