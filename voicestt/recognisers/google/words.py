"""Conversion of a final's words and their times, where Google gives them and they are plausible.

Source: cloud_speech.proto of google/cloud/speech/v1 and v2, WordInfo: "This is an experimental feature and the
accuracy of the time offset can vary." Some models and languages give no words, or words without times.
"""

from collections.abc import Callable, Iterable
from typing import Any

from voicestt.audio import mulaw
from voicestt.recognisers.google.api import ApiVersion
from voicestt.recognisers.port import RecognisedWord
from voicestt.recognisers.punctuation import visible


def words_of(infos: Iterable[Any], clean: Callable[[str], str], api: ApiVersion) -> tuple[RecognisedWord, ...]:
    """Convert raw `infos` (WordInfo) to words cleaned by `clean`, at positions in bytes of mu-law.

    None at all where a word has no time or the times run backwards: no words are better than wrong ones. Words of
    which `clean` leaves nothing are left out.
    """
    words: list[RecognisedWord] = []
    start = end = 0
    for index, info in enumerate(infos):
        span = _span(*api.times_of(info), is_first=index == 0)
        if span is None or span[0] < start or span[1] < max(end, span[0]):
            return ()
        start, end = span
        text = visible(clean(info.word).strip())
        if text:
            words.append(RecognisedWord(text, start, end))
    return tuple(words)


def position(duration: Any) -> int:
    """Convert a raw protobuf Duration to bytes of mu-law."""
    return int(
        duration.seconds * mulaw.BYTES_PER_SECOND + duration.nanos * mulaw.BYTES_PER_SECOND // 1_000_000_000
    )


def _span(start: Any, end: Any, *, is_first: bool) -> tuple[int, int] | None:
    # A start of zero may be left out, and only the first word can have one.
    if end is None or (start is None and not is_first):
        return None
    return 0 if start is None else position(start), position(end)
