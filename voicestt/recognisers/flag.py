"""The flag ENABLE_STREAMING_STT, which can be changed while calls are live."""

from collections.abc import Callable


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
