"""The quota of streams, which a call asks for its first one: rotations and failovers have its lease already.

A lease is a call's, from its first stream until it ends or the flag is turned off. For moments it has two streams:
while one takes over from another.
"""

from collections.abc import Callable
from typing import Final, Protocol

NO_STREAM_LEFT: Final = "no stream is left: "
"""The beginning of the reason why a call without a lease is not streamed."""

GRACE_SECONDS: Final = 0.5
"""A call that gets its lease so soon is not said to be degraded: nobody has noticed anything."""


class StreamQuota(Protocol):
    """The leases that there are for calls. Nothing blocks."""

    @property
    def reason(self) -> str:
        """The reason why there is none, in words."""
        ...

    def take(self) -> bool:
        """Take a lease; False if none is left."""
        ...

    def give_back(self) -> None:
        """Give a lease back."""
        ...

    def wait(self, came: Callable[[], object]) -> Callable[[], None]:
        """Call `came` when a lease is there, and taken; return what ends the wait."""
        ...


class NoQuota:
    """A StreamQuota without a limit."""

    reason = ""

    def take(self) -> bool:
        """Return True."""
        return True

    def give_back(self) -> None:
        """Do nothing."""

    def wait(self, came: Callable[[], object]) -> Callable[[], None]:
        """Call `came` at once."""
        came()
        return lambda: None


class CallLease:
    """One call's lease; it is held once at most, and given back once."""

    def __init__(self, quota: StreamQuota) -> None:
        self._quota = quota
        self._is_held = False

    @property
    def reason(self) -> str:
        """The reason why the call has none."""
        return NO_STREAM_LEFT + self._quota.reason

    def take(self) -> bool:
        """Return True if the call has its lease, or gets it now."""
        self._is_held = self._is_held or self._quota.take()
        return self._is_held

    def wait(self, came: Callable[[], object]) -> Callable[[], None]:
        """Call `came` when the call has its lease; return what ends the wait."""

        def held() -> None:
            self._is_held = True
            came()

        return self._quota.wait(held)

    def give_back(self) -> None:
        """Give the lease back, if the call has it."""
        if self._is_held:
            self._is_held = False
            self._quota.give_back()
