"""Preparation of texts for speech: they are cleaned, and cut into pieces that an engine takes."""

import re
import unicodedata
from collections.abc import Iterator

from voicestt.tts.port import SpeechError, Synthesiser

LARGEST_PIECE = 5_000
"""Most bytes of UTF-8 in one request to Google Cloud Text-to-Speech ("Quotas & limits")."""

LARGEST_TEXT = 50_000
"""Most bytes of UTF-8 in a text: more than ten minutes of speech, beyond which Twilio drops audio (31931)."""

_NOT_SPOKEN = frozenset({"Cc", "Cs"})  # control characters, and halves of characters, which no UTF-8 has
# Full stops of many scripts; those of Chinese and Japanese have no space after them.
_SENTENCE_END = re.compile(r"[.!?…؟۔।։][\"'”’»)\]]*(?=\s)|[。！？]|\S(?=\n)")
_WORD_END = re.compile(r"\S(?=\s)")


def cleaned(text: str) -> str:
    """Remove control characters and half characters, and reduce blanks and line ends to one each."""
    lines = (" ".join(_spoken(line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def pieces(text: str, largest: int = LARGEST_PIECE) -> Iterator[str]:
    """Cut a cleaned text into pieces of at most `largest` bytes of UTF-8, after sentences or else between words.

    Raises:
        SpeechError: where no piece can be cut off.
    """
    while len(text.encode()) > largest:
        cut = _cut(text, largest)
        yield text[:cut]
        text = text[cut:].lstrip()
    if text:
        yield text


class InPieces:
    """A Synthesiser that gives the one behind it clean, short texts, and joins their audio."""

    def __init__(self, behind: Synthesiser) -> None:
        self._behind = behind

    def speak(self, text: str) -> bytes:
        """Speak `text`, of up to `LARGEST_TEXT` bytes.

        Raises:
            SpeechError: when it is longer, when it cannot be cut, or when a piece cannot be spoken.
        """
        clean = cleaned(text)
        if len(clean.encode()) > LARGEST_TEXT:
            raise SpeechError(
                f"the text has more than {LARGEST_TEXT:,} bytes, more than ten minutes: say less at a time"
            )
        return b"".join([self._behind.speak(piece) for piece in list(pieces(clean))])


def _spoken(line: str) -> str:
    return "".join(letter for letter in line if letter == "\t" or unicodedata.category(letter) not in _NOT_SPOKEN)


def _cut(text: str, largest: int) -> int:
    room = len(text.encode()[:largest].decode("utf-8", "ignore"))
    for boundary in (_SENTENCE_END, _WORD_END):
        ends = [match.end() for match in boundary.finditer(text, 0, room + 1) if match.end() <= room]
        if ends:
            return ends[-1]
    raise SpeechError(
        f"the text has more than {largest:,} bytes without a space or a full stop, and cannot be cut into pieces"
    )
