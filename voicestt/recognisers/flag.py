"""ENABLE_STREAMING_STT, which can be turned while calls are live."""

from collections.abc import Callable


class Flag:
    """Whether speech is streamed; whoever watches it is told of each change."""

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on
        self._watchers: set[Callable[[], None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether speech is streamed."""
        return self._is_on

    @property
    def watched_by(self) -> int:
        """How many live calls will follow a change."""
        return len(self._watchers)

    def turn(self, is_on: bool) -> bool:
        """Sets it; whether that was a change. Live calls follow before this returns."""
        if is_on == self._is_on:
            return False
        self._is_on = is_on
        for watcher in list(self._watchers):
            watcher()
        return True

    def watch(self, watcher: Callable[[], None]) -> None:
        """`watcher` is called after each change."""
        self._watchers.add(watcher)

    def forget(self, watcher: Callable[[], None]) -> None:
        """It is not called any more."""
        self._watchers.discard(watcher)
