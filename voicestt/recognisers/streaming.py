"""Endless streaming over streams of limited length, without a lost or a doubled word at the seams.

Google ends a stream after 305 s, and may fail at any time. The rule that keeps every word single is ownership: the
stream in charge owns the call from the end of the last final on, and only the stream in charge is listened to. A
successor is opened before it is needed; it begins at the end of the last final, is given again what came since,
and takes charge when it has caught up and answers. If the old stream gives another final meanwhile, the successor
begins anew behind that final. If the old stream fails, the same is done after the fact.

    no stream --audio--> one in charge --soft limit and a final or silence, or hard limit--> and one catching up
                             ^   |                                                                    |
                             |   +--error: opened anew, with a budget                                 |
                             +------------------- the successor answers, or has caught up ------------+
"""

import random
from collections.abc import Callable
from dataclasses import replace

from voicestt.audio.source import AudioSource
from voicestt.recognisers.health import AlwaysHealthy, Health
from voicestt.recognisers.port import CallListener, Recogniser
from voicestt.recognisers.stream_chain import StreamingParts
from voicestt.recognisers.stream_limits import StreamLimits
from voicestt.recognisers.streaming_session import EndlessSession
from voicestt.recognisers.tuning import TunedStreams, Tuning
from voicestt.runtime.clock import Clock
from voicestt.runtime.timer_grid import TimerGrid

__all__ = ["Endless", "EndlessSession", "StreamLimits"]

_ALWAYS_HEALTHY = AlwaysHealthy()


class Endless:
    """Factory of endless sessions over `streaming`; none opens a stream while the breaker of `health` is open."""

    def __init__(
        self,
        clock: Clock,
        streaming: Recogniser,
        limits: StreamLimits,
        jitter: Callable[[], float] = random.random,
        health: Health = _ALWAYS_HEALTHY,
    ) -> None:
        self._parts = StreamingParts(clock, TimerGrid(clock), streaming, limits, jitter, health)

    @property
    def false_alarms(self) -> int:
        """The number of streams that were suspected to hang, of all calls, and did not."""
        return self._parts.habits.false_alarms

    def open(self, listener: CallListener, ledger: AudioSource, tuning: Tuning | None = None) -> EndlessSession:
        """Open a session that reads `ledger`; the caller receives into the ledger and covers it by the finals.

        Its streams have the options of `tuning`, if that is given.
        """
        parts = self._parts
        if tuning is not None:
            parts = replace(parts, streaming=TunedStreams(parts.streaming, tuning), tuning=tuning)
        return EndlessSession(parts, listener, ledger)
