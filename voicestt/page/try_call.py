"""A call without a telephone: the whole chain of a call, of audio that comes from a browser.

It is recognised as a call is (batches, streams, seams, fallback), and its events are those of a call. But it is
none: it is in no count, metric or log of calls, not in the journal, not recorded, and no application is told of
it.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from voicestt.audio.ledger import AudioTotals
from voicestt.call.active_call import LOOK_SECONDS
from voicestt.call.call_audio import AudioFrame
from voicestt.call.facts import CallDescription, Track
from voicestt.call.facts import Event as Fact
from voicestt.call.machine import new_call
from voicestt.call.observers import Debounced, DeliveryStats
from voicestt.call.playout import PlayoutLine
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.events import Event, encode
from voicestt.handler.publishing import Publishing, new_session
from voicestt.recognisers.port import CallRecogniser
from voicestt.runtime.clock import Clock, Timer
from voicestt.server.call_maker import call_parts


class TryCall:
    """A try: `tell` is given each event as JSON; `over` is called once, when all has been told."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        recogniser: CallRecogniser,
        tell: Callable[[bytes], object],
        over: Callable[[], object],
    ) -> None:
        self._over = over
        self._looking = Timer(clock)
        session = new_session(time.time())
        publisher = Publishing(_ToBrowser(tell)).of_call(_NoEar(), session)
        stats = DeliveryStats(clock, publisher)
        observer = Debounced(clock, settings.partial_debounce_ms / 1000, stats)
        self._parts = call_parts(settings, clock, observer, recogniser, self._ended)
        self._inputs = new_call(self._parts)
        self._call = CallDescription(call_sid=f"TRY{session}", stream_sid=f"TRY{session}")

    def begin(self, options: RecognitionOptions) -> None:
        """Begin, with options of its own: audio follows."""
        self._inputs.started(replace(self._call, options=options if options.said else None))
        self._look_later()

    def take(self, audio: bytes) -> None:
        """Take mu-law, any length."""
        self._parts.take((AudioFrame(audio),))

    def finish(self, reason: str) -> None:
        """End the audio: the last words come, then `over` is called. Later calls have no effect."""
        self._looking.cancel()
        self._inputs.finish(reason)

    def _look_later(self) -> None:
        self._looking.set(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._parts.audio.look()
        self._look_later()

    def _ended(self) -> None:
        self._looking.cancel()
        self._over()


class _ToBrowser:
    """A writer of events to a browser alone."""

    def __init__(self, tell: Callable[[bytes], object]) -> None:
        self._tell = tell

    def put(self, event: Event | None, _fact: Fact | None) -> None:
        if event is not None:
            self._tell(encode(event))

    def remember(self, _session: str, _memory: str) -> None:
        """Keep nothing: there is no handler."""

    def address(self, _session: str, _receivers: Collection[str]) -> None:
        """Do nothing: events of a try go to no receiver."""


class _NoEar(PlayoutLine):
    """The line of a try, on which nothing is said."""

    account = AudioTotals()

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Do nothing: no handler hears of a try."""

    def end(self, reason: str) -> None:
        """Do nothing: there is nobody to hang up on."""
