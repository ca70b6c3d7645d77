"""The callee's side of a call whose stream has both tracks: a recogniser and a ledger of its own."""

from collections.abc import Callable
from typing import Final

from voicestt.audio.ledger import AudioTotals
from voicestt.call.active_call import CallParts
from voicestt.call.call_audio import Frame
from voicestt.call.facts import CallDescription
from voicestt.call.machine import CallInputs
from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions

OUTBOUND: Final = "outbound"
"""Twilio's name of the track that the caller hears."""

NO_CALLEE: Final = (
    "⚠️ The handler says how the callee is to be recognised, and nobody recognises the callee: nothing changes. "
    'What to do: set BOTH_TRACKS=both, or leave track="callee" out.'
)
"""The warning of a change for a side that is not recognised."""


class Callee:
    """The callee of a live call; nothing is made, and nothing costs, before the first frame of the track.

    `make` makes the parts of a call for it, and its state machine.
    """

    def __init__(self, make: Callable[[], tuple[CallInputs, CallParts]]) -> None:
        self._make = make
        self._made: tuple[CallInputs, CallParts] | None = None
        self._is_over = False
        self._change = NOTHING_SAID
        self._is_at_once = False

    def media(self, call: CallDescription, frame: Frame) -> None:
        """Take a frame of the callee's audio; the first one opens a recogniser."""
        if self._made is None:
            if self._is_over:
                return
            self._made = self._make()
            self._made[0].started(call.for_callee)
            if self._change.said:
                self._made[1].audio.recognise(self._change, at_once=self._is_at_once)
        self._made[1].take((frame,))

    def recognise(self, options: RecognitionOptions, *, at_once: bool) -> None:
        """Recognise by other options, from a final or silence on, or `at_once`; kept until the track comes."""
        if self._made is not None:
            self._made[1].audio.recognise(options, at_once=at_once)
        else:
            self._change = options.over(self._change) if options.said else NOTHING_SAID
            self._is_at_once = at_once

    @property
    def account(self) -> AudioTotals | None:
        """Totals of the callee's audio so far; None before there is any."""
        return None if self._made is None else self._made[1].audio.account

    @property
    def frames(self) -> int:
        """The number of frames received."""
        return 0 if self._made is None else self._made[1].audio.frames

    @property
    def missing(self) -> int | None:
        """The bytes that the next batch lacks; None before there is any audio."""
        return None if self._made is None else self._made[1].audio.missing

    def look(self) -> None:
        """Check whether frames have stopped coming."""
        if self._made is not None:
            self._made[1].audio.look()

    def finish(self, reason: str) -> None:
        """End the audio; the last words still come."""
        self._is_over = True
        if self._made is not None:
            self._made[0].finish(reason)

    def wait_at_most(self, seconds: float) -> None:
        """Shorten the time that the last words are waited for."""
        if self._made is not None:
            self._made[1].drain_seconds = min(self._made[1].drain_seconds, seconds)

    def cut(self) -> None:
        """Wait no longer for the last words."""
        if self._made is not None:
            self._made[1].audio.give_up()
            self._made[0].time_is_up()
