"""The port to the audio of a call: where frames go, and what is known of those that came."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from voicestt.audio.ledger import AudioTotals
from voicestt.config.recognition_options import RecognitionOptions


class Frame(Protocol):
    """A frame of one track, as it came."""

    @property
    def payload(self) -> bytes:
        """The audio, mu-law, of any length."""
        ...

    @property
    def timestamp(self) -> object:
        """Twilio's timestamp, not checked; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A frame that did not come as a message of Twilio's."""

    payload: bytes
    timestamp: object = None


class TakesAudio(Protocol):
    """Receiver of frames."""

    def __call__(self, frames: Sequence[Frame], /) -> None:
        """Take frames that came together, one or more, in order."""


class CallAudio(Protocol):
    """The audio of a call that is live, or has not begun."""

    @property
    def frames(self) -> int:
        """The number of frames received."""
        ...

    @property
    def missing(self) -> int:
        """The number of bytes that the next batch lacks; 0 if that is not known."""
        ...

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        ...

    def look(self) -> None:
        """Check whether frames have stopped coming; called every LOOK_SECONDS."""
        ...

    def recognise(self, options: RecognitionOptions, *, at_once: bool) -> None:
        """Recognise by other options, from the next final or silence on, or `at_once`."""
        ...

    def give_up(self) -> None:
        """Stop waiting for the recogniser, which tells what it has."""
        ...


@dataclass(frozen=True, slots=True)
class NoAudio:
    """The audio of a call that has not begun."""

    frames: int = 0
    missing: int = 0
    account: AudioTotals = field(default_factory=AudioTotals)

    def look(self) -> None:
        """Do nothing: no frame has come."""

    def recognise(self, options: RecognitionOptions, *, at_once: bool) -> None:
        """Do nothing: there is no recogniser."""

    def give_up(self) -> None:
        """Do nothing: there is no recogniser to wait for."""
