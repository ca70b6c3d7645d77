"""The pace of replays to streams, for the whole process. Pure.

Google wants audio "approximately at real time" and publishes no figure. So replays begin fast, because the next
words of a live call wait for them, and slow down for good when Google objects.
"""

from typing import Final

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.recognisers.port import RecogniserError

REPLAY_STEP_SECONDS: Final = 0.1
FAST: Final = (
    10  # times real time; a step is 16,000 bytes as LINEAR16, of the 25,600 that Google takes in a message
)
SLOW: Final = 3


class ReplayPace:
    """The replay speed: 10 times real time, and 3 times once a stream was refused for its pace."""

    _log = Logger()

    def __init__(self) -> None:
        self._speed = FAST

    @property
    def speed(self) -> int:
        """The speed as a multiple of real time."""
        return self._speed

    def step(self, *, hurries: bool) -> int:
        """Return the bytes of mu-law in one step of REPLAY_STEP_SECONDS; slow unless the replay `hurries`."""
        return int(REPLAY_STEP_SECONDS * (self._speed if hurries else SLOW) * mulaw.BYTES_PER_SECOND)

    def failed(self, error: RecogniserError) -> None:
        """Slow down for good if `error`, which ended a stream, is or may be about its pace."""
        is_about_pace = error.status == "RESOURCE_EXHAUSTED" or "too fast" in error.details.lower()
        if self._speed == SLOW or not is_about_pace:
            return
        self._speed = SLOW
        self._log.warn(
            "Google refused a stream ({status}): after a failure, audio is sent again at {slow} times real time "
            "from here on, not at {fast}; new words then come up to 2 s later. Nothing needs to be done.",
            status=error.status,
            slow=SLOW,
            fast=FAST,
        )
