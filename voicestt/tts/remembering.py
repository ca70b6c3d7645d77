"""A cache of spoken texts, as agents say the same sentences again and again."""

from collections import OrderedDict
from threading import Lock
from typing import Final

from voicestt.tts.port import Synthesiser

MOST_BYTES: Final = 8_000_000  # about a quarter of an hour of audio


class Remembering:
    """A Synthesiser that remembers the audio of the one behind it.

    It keeps at most `most_bytes` of audio and text, and forgets first what was said longest ago.
    """

    def __init__(self, behind: Synthesiser, most_bytes: int = MOST_BYTES) -> None:
        self._behind = behind
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._spoken: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def speak(self, text: str) -> bytes:
        """Speak `text`, from memory if it was spoken before.

        Raises:
            SpeechError: when it cannot be spoken; that is not remembered.
        """
        audio = self._recall(text)
        if audio is None:
            # Without the lock, so that other texts need not wait for this one.
            audio = self._behind.speak(text)
            self._remember(text, audio)
        return audio

    def _recall(self, text: str) -> bytes | None:
        with self._lock:
            if text in self._spoken:
                self._spoken.move_to_end(text)
            return self._spoken.get(text)

    def _remember(self, text: str, audio: bytes) -> None:
        with self._lock:
            if text in self._spoken or _size(text, audio) > self._most_bytes:
                return
            self._spoken[text] = audio
            self._bytes += _size(text, audio)
            while self._bytes > self._most_bytes:
                self._bytes -= _size(*self._spoken.popitem(last=False))


def _size(text: str, audio: bytes) -> int:
    return len(audio) + 4 * len(text)  # the most bytes that Python takes for a letter
