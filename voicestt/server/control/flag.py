"""Switching ENABLE_STREAMING_STT in a running server, with a line in the log that counts the calls moved."""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls

TellFlag = Callable[[bool, str], object]
"""Is told that the flag is turned, and by whom."""


@dataclass(frozen=True, slots=True)
class State:
    """The server's state: the flag, the live calls, and how many are recognised each way."""

    is_on: bool
    live: int
    streaming: int
    single_shot: int


class FlagSwitch:
    """Sets the flag for whoever asks. Live calls have followed, or know that they will, when `turn` returns.

    `tell` is told of it, and by whom, where other processes shall follow.
    """

    _log = Logger()

    def __init__(self, flag: Flag, active_calls: ActiveCalls, tell: TellFlag = lambda _is_on, _by: None) -> None:
        self._flag = flag
        self._tell = tell
        self._active_calls = active_calls

    @property
    def state(self) -> State:
        """The present state."""
        active_calls = self._active_calls
        return State(self._flag.is_on, active_calls.live, active_calls.streaming, active_calls.single_shot)

    def turn(self, is_on: bool, by: str) -> str:
        """Set the flag for `by`; return the outcome in words, as it stands in the log."""
        before = self.state
        changed = self._flag.turn(is_on)
        words = f"ENABLE_STREAMING_STT={is_on} ({by}): {self._what_came_of_it(before, changed=changed)}"
        self._log.info("[CFG] {words}", words=words)
        self._tell(is_on, by)
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
