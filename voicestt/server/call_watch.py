"""A watch over the live calls: gaps in their audio, dead sockets, and calls on hold for too long."""

from collections.abc import Callable, Collection
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from voicestt.call.active_call import LOOK_SECONDS
from voicestt.server.live_call import LiveCall

NO_AUDIO: Final = "no audio came for"
"""The beginning of the reason that a call on hold for too long is ended for."""

_LOOKS: Final = 3  # in the shorter of the two times without a sign of life, and without audio
_ROUNDING: Final = 1 + 1e-9
_LONGEST_PING: Final = 20.0
_SHORTEST_PING: Final = (
    1.0  # Autobahn cuts the time of the next ping to whole seconds: a shorter one would come at once
)


class CallWatch:
    """Looks at the calls that `live` returns: for gaps ten times a second, for dead ones less often.

    `idle` and `no_media` are IDLE_SECONDS and NO_MEDIA_SECONDS.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, idle: float, no_media: float, live: Callable[[], Collection[LiveCall]]
    ) -> None:
        self._idle = idle
        self._no_media = no_media
        self._live = live
        self._look_seconds = min(idle, no_media) / _LOOKS
        self._dead = LoopingCall(self._end_dead_calls)
        self._gaps = LoopingCall(self._look_for_gaps)
        self._dead.clock = self._gaps.clock = clock

    @property
    def ping_seconds(self) -> float:
        """The seconds between pings of a socket: short enough that a pong comes before it is taken for dead."""
        return max(_SHORTEST_PING, min(_LONGEST_PING, self._idle * 2 / 3))

    def start(self) -> None:
        """Start to look."""
        self._dead.start(self._look_seconds, now=False)
        self._gaps.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """Look no more; without effect if it was not started."""
        for looking in (self._dead, self._gaps):
            if looking.running:
                looking.stop()

    def _look_for_gaps(self) -> None:
        for call in list(self._live()):
            try:
                call.look_for_gap()
            except Exception:  # noqa: BLE001 - a failure at one call must not end the watch over all
                self._log.failure("A gap could not be told to the recogniser; the call goes on.")

    def _end_dead_calls(self) -> None:
        for call in list(self._live()):
            silence, hold = (looks * self._look_seconds * _ROUNDING for looks in call.look())
            if silence >= self._idle:
                call.end(f"the socket said nothing for {self._idle:g} s")
            elif hold >= self._no_media:
                call.end(f"{NO_AUDIO} {self._no_media:g} s")
