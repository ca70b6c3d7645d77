"""The stop of the server: no new calls, live ones go on or are moved, and all of it is over in time."""

import signal
from collections.abc import Callable
from typing import Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from voicestt.config.settings import Settings
from voicestt.runtime.deadline import Deadline
from voicestt.runtime.reactor import ReactorLike
from voicestt.runtime.signals import SignalHandlers
from voicestt.server.calls import STOPPING, Calls
from voicestt.server.moving import Mover

MOVING_SHARE: Final = 0.8
"""Of the time that live calls may go on: the rest is for requests that fail and are made again."""

GRACE_SECONDS: Final = 1.5
"""So much later than SHUTDOWN_SECONDS a process that hangs is ended by force."""

_LOOK_SECONDS: Final = 0.05
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """The course of a stop, from its signal on.

    `move` blocks until Twilio has agreed to move a call (account SID, CallSid); None where calls are not moved.
    `enforce` is told after how many seconds the process is to be ended by force, whatever hangs.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        settings: Settings,
        move: Callable[[str, str], None] | None,
        enforce: Callable[[float], object],
    ) -> None:
        self._reactor = reactor
        self._seconds = settings.shutdown_seconds
        self._move = move
        self._enforce = enforce
        # The first signal is the reactor's own, whose handler would raise at the second: these take its place.
        self._signals = SignalHandlers(reactor, _SIGNALS, self.hurry)
        self._deadline: Deadline | None = None

    @property
    def has_begun(self) -> bool:
        """True once the server stops."""
        return self._deadline is not None

    @property
    def seconds_left(self) -> float:
        """The seconds that live calls may still go on, while the server stops."""
        return 0.0 if self._deadline is None else self._deadline.for_calls

    def begin(self) -> Deadline:
        """Begin the stop: its time runs from now on."""
        deadline = self._deadline = Deadline(self._reactor, self._seconds)
        self._signals.install()
        self._enforce(deadline.left + GRACE_SECONDS)
        return deadline

    def end(self) -> None:
        """Note that everything has stopped."""
        self._signals.remove()

    async def drain(self, calls: Calls) -> None:
        """Take no new calls, and return when no call is live, or live ones may go on no longer."""
        calls.drain(STOPPING)
        if calls.is_idle or not self.seconds_left:
            return
        self._announce(len(calls))
        mover = self._start_to_move(calls)
        while not calls.is_idle and self.seconds_left:
            await deferLater(self._reactor, min(_LOOK_SECONDS, self.seconds_left))
        if mover is not None:
            mover.stop()

    def hurry(self, name: str) -> None:
        """End live calls now, because the signal `name` came once more."""
        if self._deadline is not None and not self._deadline.is_hurried:
            self._deadline.hurry()
            self._enforce(self._deadline.left + GRACE_SECONDS)
            self._log.warn("{name} once more: live calls are ended now, with their last words.", name=name)

    def _start_to_move(self, calls: Calls) -> Mover | None:
        if self._move is None:
            return None
        cross = self._reactor.callFromThread
        mover = Mover(
            self._reactor,
            lambda: [call for call in calls.live if call.can_be_moved],
            self._move,
            cross,
            calls.moves,
        )
        mover.start(MOVING_SHARE * self.seconds_left)
        return mover

    def _announce(self, live: int) -> None:
        what = "are ended then" if self._move is None else "are moved to another process until then"
        self._log.info(
            "Stopping: no new calls. {live} live calls may go on for {seconds:g} s, and {what}; a second signal "
            "ends them now.",
            live=live,
            seconds=round(self.seconds_left, 1),
            what=what,
        )
