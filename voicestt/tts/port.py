"""The port of speech synthesis, and its rules.

1. Text in, a telephone line's audio out: mu-law, 8 kHz, mono, without a header. 2. It blocks: it is called in a
thread of a pool, never in the reactor's. Several threads may call at once. 3. What it is given is said, or refused
in words; the words never repeat it, since it may be about the caller.
"""

from typing import Protocol


class SpeechError(Exception):
    """A text could not be spoken, or the engine cannot be used.

    The message says why and what to do. No secret is in them.
    """


class Synthesiser(Protocol):
    """An engine that turns text into speech."""

    def speak(self, text: str) -> bytes:
        """Speak `text`, and return its audio; empty where there is nothing to say.

        Raises:
            SpeechError: when it cannot be spoken.
        """
        ...
