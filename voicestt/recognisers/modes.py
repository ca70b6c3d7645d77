"""The modes of one call's recognition, and the flag ENABLE_STREAMING_STT, which changes them while calls are live.

mode             the next audio                      left when
Streaming        is streamed                         the stream fails for good, or the flag is turned off
SingleRequests   one request for each utterance      a probe is healthy, the service is back, the flag is set
Returning        one request for each utterance      the utterance under way is over
"""

from collections.abc import Callable
from dataclasses import dataclass

from voicestt.runtime.clock import Timer


class Flag:
    """The streaming flag, with watchers that are called after each change."""

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on
        self._watchers: set[Callable[[], None]] = set()

    @property
    def is_on(self) -> bool:
        """True while speech is to be streamed."""
        return self._is_on

    @property
    def watched_by(self) -> int:
        """The number of watchers: the live calls that will follow a change."""
        return len(self._watchers)

    def turn(self, is_on: bool) -> bool:
        """Set the flag; return True if that changed it. Live calls have followed when this returns."""
        if is_on == self._is_on:
            return False
        self._is_on = is_on
        for watcher in list(self._watchers):
            watcher()
        return True

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` after each change."""
        self._watchers.add(watcher)

    def forget(self, watcher: Callable[[], None]) -> None:
        """Stop calling `watcher`."""
        self._watchers.discard(watcher)


@dataclass(slots=True)
class Streaming:
    """New audio is streamed."""


@dataclass(slots=True)
class SingleRequests:
    """One request for each utterance, until `recovery` probes streaming, the service is back or the flag is set.

    `is_interrupted`: the service is away for both ways, as far as is known.
    """

    recovery: Timer
    is_interrupted: bool = False
    stop_waiting: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Returning:
    """One request for each utterance, until the one under way is over; it began at `since`, in seconds."""

    since: float


Mode = Streaming | SingleRequests | Returning


def leave(mode: Mode) -> None:
    """Cancel the waits that `mode` has started."""
    if isinstance(mode, SingleRequests):
        mode.recovery.cancel()
        mode.stop_waiting()
