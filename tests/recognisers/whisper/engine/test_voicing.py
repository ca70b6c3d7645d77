import numpy as np

from tests.recognisers.whisper.engine.voices import austen_clips
from voicestt.recognisers.whisper.engine.port import TimedWord
from voicestt.recognisers.whisper.engine.voicing import words_in

PAUSE = bytes(2 * 8_000)


def voice() -> bytes:
    return min(austen_clips().values(), key=len)


def loudness(pcm: bytes, start: int, end: int) -> float:
    return float(np.abs(np.frombuffer(pcm, "<i2")[start:end].astype(np.int32)).mean())


def test_words_lie_where_somebody_speaks_and_not_in_the_pauses() -> None:
    spoken = voice()
    pcm = PAUSE + spoken + PAUSE + spoken
    words = words_in("one two six ten", pcm, 0)
    assert [word.text for word in words] == ["one", "two", "six", "ten"]
    end_of_pause = len(PAUSE + spoken + PAUSE) // 2
    in_pause = range(end_of_pause - 5_000, end_of_pause - 1_000)  # a detector's voice outlasts a person's
    assert words[0].start > 7_000
    assert not any(place in in_pause for word in words for place in (word.start, word.end))
    assert words[0].end < in_pause.start
    assert words[-1].start > in_pause.stop
    assert words[-1].end <= len(pcm) // 2
    assert min(loudness(pcm, word.start, word.end) for word in words) > 100


def test_they_count_from_where_the_audio_begins() -> None:
    pcm = voice()
    here, later = words_in("one two", pcm, 0), words_in("one two", pcm, 80_000)
    assert [(word.start + 80_000, word.end + 80_000) for word in here] == [
        (word.start, word.end) for word in later
    ]


def test_where_nothing_seems_voiced_they_lie_over_all_of_it() -> None:
    assert words_in("a b", bytes(2 * 400), 1_000) == (TimedWord("a", 1_000, 1_200), TimedWord("b", 1_200, 1_400))


def test_no_audio_at_all_is_no_trouble() -> None:
    assert words_in("a", b"", 500) == (TimedWord("a", 500, 500),)
